"""A line carries bytes between its two ends, and every disturbance does what it says."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import serial

from mappers.testing.line import Line

Device = tuple[asyncio.StreamReader, asyncio.StreamWriter]


@pytest.fixture
async def line() -> AsyncIterator[Line]:
    async with Line() as line:
        yield line


@pytest.fixture
async def device(line: Line) -> AsyncIterator[Device]:
    async with line.device_end() as streams:
        yield streams


class Port:
    """The mapper's end."""

    def __init__(self, line: Line) -> None:
        self.serial = serial.Serial(line.port, timeout=0)

    async def read(self, size: int, within: float = 20.0) -> bytes:
        got = b""
        async with asyncio.timeout(within):
            while len(got) < size:
                got += self.serial.read(size - len(got))
                await asyncio.sleep(0.002)
        return got


@pytest.fixture
def port(line: Line) -> Port:
    return Port(line)


async def test_it_carries_both_ways(port: Port, device: Device) -> None:
    port.serial.write(b"ask\n")
    assert await asyncio.wait_for(device[0].readline(), 20) == b"ask\n"
    device[1].write(bytes(range(256)))
    assert await port.read(256) == bytes(range(256))


async def test_what_is_said_into_silence_is_lost(line: Line, port: Port, device: Device) -> None:
    await line.silence()
    device[1].write(b"lost")
    with pytest.raises(TimeoutError):
        await port.read(1, within=0.1)
    await line.whole()
    device[1].write(b"back")
    assert await port.read(4) == b"back"


async def test_it_is_slow(line: Line, port: Port, device: Device) -> None:
    await line.slow(0.2)
    started = asyncio.get_running_loop().time()
    device[1].write(b"word")
    assert await port.read(4) == b"word"
    assert asyncio.get_running_loop().time() - started >= 0.2


async def test_it_is_full_of_noise(line: Line, port: Port, device: Device) -> None:
    await line.garble()
    device[1].write(b"x" * 50)
    assert await port.read(50) != b"x" * 50


async def test_the_plug_is_pulled_and_put_in_again(line: Line, port: Port, device: Device) -> None:
    await line.unplug()
    assert not Path(line.port).exists()
    with pytest.raises((OSError, serial.SerialException)):
        port.serial.read(1)
    await line.plug()
    again = Port(line)
    device[1].write(b"hello")
    assert await again.read(5) == b"hello"


async def test_a_device_can_go_and_come(line: Line, port: Port) -> None:
    for word in (b"one", b"two"):
        async with line.device_end() as (_, writer):
            writer.write(word)
            assert await port.read(3) == word
        port.serial.write(b"nobody hears this")
        await asyncio.sleep(0.02)


async def test_nothing_stays_open() -> None:
    before = len(list(Path("/proc/self/fd").iterdir()))
    async with Line() as line, line.device_end():
        pass
    assert len(list(Path("/proc/self/fd").iterdir())) == before
