"""The radio of the satellites' example: a real cable that follows a real orbit, beside a real simulator."""

import asyncio
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path

import pytest
from cable import Cable
from constellation import CONSTELLATION, Ports, fit_out
from radio import MASK, Radio, config_of, skies

from mappers.satellite.contact import Window

EXAMPLE = Path(__file__).parents[2] / "examples" / "satellites"
PATIENCE = 20.0


@asynccontextmanager
async def ground() -> AsyncIterator[tuple[str, int]]:
    """A cloud that only listens."""

    async def welcome(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read()
        writer.close()

    async with await asyncio.start_server(welcome, "127.0.0.1", 0) as server:
        yield server.sockets[0].getsockname()


async def reachable(port: int) -> bool:
    try:
        _, writer = await asyncio.open_connection("127.0.0.1", port)
    except OSError:
        return False
    writer.transport.abort()
    return True


def first_pass() -> Window:
    """Over Beijing, as its manifest declares it."""
    beijing = skies(config_of(EXAMPLE / "edge"))[0]
    start = beijing._orbit.epoch
    return next(beijing.windows(start, start + 86400))


async def test_the_cable_is_whole_while_a_station_sees_the_satellite_and_a_little_longer() -> None:
    seen = first_pass()
    config = config_of(EXAMPLE / "edge")
    async with ground() as cloud, Cable(cloud) as cable:
        cable.cut()
        radio = Radio(cable, skies(config, MASK))
        heard = []
        for time in (seen.rise - 600, seen.rise, (seen.rise + seen.set) / 2, seen.set, seen.set + 900):
            radio.turn(time)
            heard.append(await reachable(cable.port))
        assert heard == [False, True, True, True, False]


async def test_the_cable_carries_more_the_nearer_the_satellite_is() -> None:
    seen = first_pass()
    async with ground() as cloud, Cable(cloud) as cable:
        radio = Radio(cable, skies(config_of(EXAMPLE / "edge"), MASK)[:1])
        rates = []
        for time in (seen.rise, (seen.rise + seen.set) / 2):
            radio.turn(time)
            rates.append(cable._up.bits_per_second)
        assert rates[0] == pytest.approx(2e6 * (1000 / 2314) ** 2, rel=0.02), "10 degrees above the horizon"
        assert rates[1] > 2 * rates[0]


async def test_the_radio_listens_to_its_satellite(tmp_path: Path, unused_tcp_port_factory: Callable[[], int]) -> None:
    """As the demo runs it, half a minute of on-board time before CBERS-2 rises over Beijing."""
    ports = Ports(*(unused_tcp_port_factory() for _ in Ports._fields))
    fit_out(CONSTELLATION[0], ports, tmp_path / "manifests")
    start = first_pass().rise - 200
    simulator = [
        *("-m", "mappers.satellite.simulator", "--port", str(ports.bus), "--speed", "60", "--every", "0.1"),
        *("--epoch", datetime.fromtimestamp(start, UTC).isoformat()),
    ]
    async with ground() as (host, port):
        where = [f"--listen={ports.radio}", f"--to={host}:{port}"]
        radio = [str(EXAMPLE / "radio.py"), str(tmp_path / "manifests"), *where]
        async with running(*radio) as said:
            assert f":{ports.radio} to" in await said()
            assert not await reachable(ports.radio)
            async with running(*simulator):
                assert "hears the satellite" in await said()
                assert await reachable(ports.radio)


@asynccontextmanager
async def running(*arguments: str) -> AsyncIterator[Callable[[], Awaitable[str]]]:
    """A Python process; yields what gives the next line that it prints."""
    pipe = asyncio.subprocess.PIPE
    process = await asyncio.create_subprocess_exec(sys.executable, *arguments, stdout=pipe, stdin=pipe)
    assert process.stdout is not None

    async def line() -> str:
        async with asyncio.timeout(PATIENCE):
            return (await process.stdout.readline()).decode()  # type: ignore[union-attr]

    try:
        yield line
    finally:
        process.terminate()
        await process.communicate()
