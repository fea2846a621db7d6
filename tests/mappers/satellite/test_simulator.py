"""The simulator as a process, and its bus against all kinds of listeners."""

from __future__ import annotations

import asyncio
import signal
import sys
from asyncio.subprocess import PIPE, Process
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from spacepackets.ecss.tc import PusTc

from mappers.satellite.dictionary import PARAMETERS
from mappers.satellite.elements import CBERS_2
from mappers.satellite.formats import struct_of
from mappers.satellite.packets import Framer, Telemetry, header_of, read_telemetry
from mappers.satellite.simulator import main

PING = bytes(PusTc(17, 1, apid=100).pack())


@asynccontextmanager
async def process(*arguments: str) -> AsyncIterator[tuple[Process, int]]:
    """The simulator, and its port."""
    command = [sys.executable, "-m", "mappers.satellite.simulator", "--port", "0", *arguments]
    started = await asyncio.create_subprocess_exec(*command, stdin=PIPE, stdout=PIPE, stderr=PIPE)
    try:
        assert started.stdout is not None
        line = (await asyncio.wait_for(started.stdout.readline(), 20)).decode()
        assert line.startswith("a satellite on 127.0.0.1:")
        yield started, int(line.split(":")[1].split(",")[0])
    finally:
        if started.returncode is None:
            started.kill()
        await started.communicate()


class Ear:
    """Hears a bus until something is true."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader, self.writer = reader, writer
        self.heard: list[Telemetry] = []
        self.numbers: list[int] = []
        self._framer = Framer()

    async def until(self, condition: Any) -> None:
        async with asyncio.timeout(20):
            while not condition():
                data = await self.reader.read(65536)
                assert data, "the bus closed the connection"
                for packet in self._framer.feed(data):
                    self.numbers.append(header_of(packet).number)
                    telemetry = read_telemetry(packet)
                    assert telemetry is not None
                    self.heard.append(telemetry)

    def all(self, name: str) -> list[float]:
        parameter = PARAMETERS[name]
        begins = parameter.structure.to_bytes(2, "big")
        return [
            struct_of(parameter.format).unpack_from(each.data, parameter.offset)[0]
            for each in self.heard
            if each.service == 3 and each.data.startswith(begins)
        ]


@asynccontextmanager
async def hearing(port: int) -> AsyncIterator[Ear]:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        yield Ear(reader, writer)
    finally:
        writer.close()


async def closed(reader: asyncio.StreamReader) -> bool:
    """Whether the other side ends the connection."""
    async with asyncio.timeout(20):
        try:
            while await reader.read(1 << 20):
                pass
        except ConnectionError:
            pass
    return True


async def test_a_process_flies_takes_orders_and_ends_when_told() -> None:
    options = ("--speed", "50", "--every", "0.05", "--epoch", "2006-06-26T00:00:00", "--fault", "wheel-friction=1@30")
    async with process(*options) as (started, port), hearing(port) as ear:
        assert started.stdin is not None
        await ear.until(lambda: len(ear.all("wheel.speed")) > 2)
        assert ear.heard[0].time is not None
        assert 1151280000_000 <= ear.heard[0].time < 1151280000_000 + 1_000_000
        await ear.until(lambda: ear.all("wheel.speed")[-1] < 700)
        started.stdin.write(b"clear all\nstuck:battery.soc=12.5\ngremlin\n")
        await ear.until(lambda: ear.all("battery.soc")[-1] == 12.5 and ear.all("wheel.speed")[-1] > 1000)
        ear.writer.write(PING)
        await ear.until(lambda: (17, 2) in [(each.service, each.subservice) for each in ear.heard])
        assert ear.numbers == list(range(ear.numbers[0], ear.numbers[0] + len(ear.numbers)))
        started.send_signal(signal.SIGTERM)
        _, errors = await asyncio.wait_for(started.communicate(), 20)
        assert started.returncode == 0
        assert "there is no fault gremlin" in errors.decode()


async def test_time_passes_as_fast_as_it_is_told(flying: Any) -> None:
    async with flying(speed=5000) as server, hearing(server.port) as ear:
        await ear.until(lambda: len(ear.all("orbit.sunlit")) > 3)
        times = [each.time for each in ear.heard]
        assert times == sorted(times)
        flown = (times[-1] - times[0]) / 1000
        assert flown > 300
        spacecraft = server.software.spacecraft
        assert spacecraft.time - spacecraft.start == pytest.approx(server.time - spacecraft.start, abs=2000)


async def test_all_hear_the_same_and_garbage_costs_only_who_sends_it(flying: Any) -> None:
    async with flying() as server, hearing(server.port) as one, hearing(server.port) as other:
        async with hearing(server.port) as bad:
            bad.writer.write(b"GET / HTTP/1.1\r\n\r\n")
            assert await closed(bad.reader)
        one.writer.write(PING)
        for ear in (one, other):
            await ear.until(lambda ear=ear: any(each.service == 17 for each in ear.heard))
            assert len(set(ear.numbers)) == len(ear.numbers)


async def test_who_does_not_read_is_cut_off(flying: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("mappers.satellite.simulator.server.MOST_BEHIND", 1000)
    async with flying(every=0.001) as server:
        reader, writer = await asyncio.open_connection("127.0.0.1", server.port, limit=1024)
        writer.transport.pause_reading()
        async with asyncio.timeout(20):
            while not server._connections:
                await asyncio.sleep(0.01)
            [connection] = server._connections
            while server._connections:
                connection.send(bytes(100_000))  # what the system's buffers take
                await asyncio.sleep(0)
        writer.transport.abort()
        assert reader is not None


async def test_there_is_room_for_some_listeners_only(flying: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("mappers.satellite.simulator.server.MOST_CONNECTIONS", 1)
    async with flying() as server, hearing(server.port) as one:
        await one.until(lambda: one.heard)
        async with hearing(server.port) as late:
            assert await closed(late.reader)


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["--fault", "gremlin"], "there is no fault gremlin"),
        (["--speed", "0"], "is not between 0 and 1,000,000"),
        (["--speed", "fast"], "invalid _positive value"),
        (["--epoch", "yesterday"], "invalid _epoch value"),
    ],
)
def test_wrong_options_are_told(arguments: list[str], says: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main(arguments)
    assert ended.value.code == 2
    assert says in capsys.readouterr().err


@pytest.mark.parametrize(
    ("text", "says"),
    [
        (None, "No such file"),
        ("one line", "elements are two lines"),
        (f"{CBERS_2[0]}\n{CBERS_2[1][:-1]}9", "checksum"),
    ],
)
def test_wrong_elements_are_told(
    text: str | None, says: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "elements"
    if text is not None:
        file.write_text(text)
    assert main(["--port", "0", "--elements", str(file)]) == 1
    assert says in capsys.readouterr().err
