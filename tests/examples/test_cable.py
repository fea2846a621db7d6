"""The cable of the example, between a real server and real clients."""

import asyncio
import subprocess
import sys
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from cable import Cable, obey

EXAMPLE = Path(__file__).parents[2] / "examples" / "boiler-plant"
PATIENCE = 10.0
Streams = tuple[asyncio.StreamReader, asyncio.StreamWriter]


async def echo(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Send back what comes, and end when it ends."""
    try:
        while data := await reader.read(65536):
            writer.write(data)
            await writer.drain()
    except OSError:
        pass
    finally:
        writer.close()


@pytest.fixture
async def cable() -> AsyncIterator[Cable]:
    """A cable to a server that echoes."""
    async with await asyncio.start_server(echo, "127.0.0.1", 0) as server:
        host, port = server.sockets[0].getsockname()
        async with Cable((host, port)) as cable:
            yield cable


@asynccontextmanager
async def connection(cable: Cable) -> AsyncIterator[Streams]:
    reader, writer = await asyncio.open_connection("127.0.0.1", cable.port)
    try:
        yield reader, writer
    finally:
        writer.transport.abort()


async def says(streams: Streams, text: bytes) -> bytes:
    """What comes back."""
    reader, writer = streams
    writer.write(text)
    async with asyncio.timeout(PATIENCE):
        return await reader.readexactly(len(text))


async def ended(reader: asyncio.StreamReader) -> bool:
    async with asyncio.timeout(PATIENCE):
        try:
            return await reader.read(1) == b""
        except ConnectionError:
            return True


async def test_what_goes_in_comes_out(cable: Cable) -> None:
    text = bytes(range(256)) * 4096
    async with connection(cable) as (reader, writer):
        back = asyncio.create_task(reader.readexactly(len(text)))
        writer.write(text)
        writer.write_eof()
        async with asyncio.timeout(PATIENCE):
            assert await back == text
        assert await ended(reader), "an end passes, too"


async def test_cut_ends_connections_and_refuses_new_ones_until_restored(cable: Cable) -> None:
    async with connection(cable) as streams:
        assert await says(streams, b"hello") == b"hello"
        cable.cut()
        assert await ended(streams[0])
    port = cable.port
    with pytest.raises(ConnectionRefusedError):
        await asyncio.open_connection("127.0.0.1", port)
    cable.restore()
    assert cable.port == port
    async with connection(cable) as streams:
        assert await says(streams, b"again") == b"again"


async def test_a_stalled_cable_accepts_and_passes_nothing_and_loses_nothing(cable: Cable) -> None:
    async with connection(cable) as old:
        assert await says(old, b"before") == b"before"
        cable.stall()
        async with connection(cable) as new:
            waiting = [asyncio.create_task(says(streams, b"during")) for streams in (old, new)]
            done, _ = await asyncio.wait(waiting, timeout=0.3)
            assert not done
            cable.restore()
            assert await asyncio.gather(*waiting) == [b"during", b"during"]


async def test_killed_connections_end_and_new_ones_work(cable: Cable) -> None:
    async with connection(cable) as streams:
        assert await says(streams, b"hello") == b"hello"
        cable.kill_connections()
        assert await ended(streams[0])
    async with connection(cable) as streams:
        assert await says(streams, b"again") == b"again"
        assert len(cable) == 1


async def test_the_rate_is_that_of_all_connections_together_and_nobody_starves(cable: Cable) -> None:
    """A flood beside a small message: the flood keeps to the rate, the small one waits a few turns only."""
    cable.throttle(400_000)  # 50,000 bytes/s each way
    async with connection(cable) as flood, connection(cable) as small:
        assert await says(small, b"warm") == b"warm"
        start = time.monotonic()
        flooding = asyncio.create_task(says(flood, bytes(50_000)))
        await asyncio.sleep(0.2)
        asked = time.monotonic()
        assert await says(small, b"x" * 200) == b"x" * 200
        answered = time.monotonic() - asked
        assert not flooding.done()
        assert answered < 0.4
        await flooding
        assert 0.9 < time.monotonic() - start < 2.5


async def test_two_floods_share_evenly(cable: Cable) -> None:
    cable.throttle(800_000)
    async with connection(cable) as one, connection(cable) as two:
        finished = {}

        async def flood(name: str, streams: Streams) -> None:
            await says(streams, bytes(40_000))
            finished[name] = time.monotonic()

        start = time.monotonic()
        await asyncio.gather(flood("one", one), flood("two", two))
        assert abs(finished["one"] - finished["two"]) < 0.3 * (max(finished.values()) - start)


async def test_no_bound_again_after_a_throttle(cable: Cable) -> None:
    cable.throttle(1000)
    async with connection(cable) as streams:
        cable.throttle(None)
        start = time.monotonic()
        assert len(await says(streams, bytes(300_000))) == 300_000
        assert time.monotonic() - start < 2


async def test_a_target_that_is_away_ends_the_connection_only(unused_tcp_port: int) -> None:
    async with Cable(("127.0.0.1", unused_tcp_port)) as cable, connection(cable) as (reader, _):
        assert await ended(reader)
        assert cable.port


async def test_orders_that_are_not_understood_are_answered(cable: Cable) -> None:
    for order in ("", "throttle", "throttle 0", "throttle -1", "throttle 1e6", "cut off"):
        assert "is no order" in obey(cable, order)
    assert obey(cable, "throttle off") == "done: throttle off"


def test_the_command_obeys_lines_and_ends_with_its_input(unused_tcp_port: int) -> None:
    command = [sys.executable, str(EXAMPLE / "cable.py"), "--to", f"127.0.0.1:{unused_tcp_port}"]
    run = subprocess.run(
        command, input="cut\nrestore\nthrottle 1000\nstall\nkill\nhello\n", capture_output=True, text=True, timeout=20
    )
    assert run.returncode == 0, run.stderr
    said = run.stdout.splitlines()
    assert said[0].endswith(f" to 127.0.0.1:{unused_tcp_port}")
    assert said[1:-1] == [f"cable: done: {order}" for order in ("cut", "restore", "throttle 1000", "stall", "kill")]
    assert "is no order" in said[-1]


def test_a_port_in_use_is_said(unused_tcp_port: int) -> None:
    command = [sys.executable, str(EXAMPLE / "cable.py"), "--to", "127.0.0.1:1", "--listen", str(unused_tcp_port)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as first:
        assert first.stdout is not None
        first.stdout.readline()
        second = subprocess.run(command, capture_output=True, text=True, timeout=20, stdin=subprocess.DEVNULL)
        assert second.returncode == 1
        assert "--listen" in second.stderr
        assert "Traceback" not in second.stderr
