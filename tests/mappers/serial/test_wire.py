"""Bytes in and out of real terminals, without blocking and without leaks."""

from __future__ import annotations

import asyncio
import os
import tty
from collections.abc import Iterator
from pathlib import Path

import pytest

from mappers.mapper import LinkLost
from mappers.serial.config import SerialConfig
from mappers.serial.wire import CHUNK, MOST_UNSENT, open_wire
from mappers.testing.side import until


class Pair:
    """A terminal: `inner` is the instrument's side, `path` the mapper's."""

    def __init__(self) -> None:
        self.inner, self.outer = os.openpty()
        tty.setraw(self.outer)
        self.path = os.ttyname(self.outer)


@pytest.fixture
def pair() -> Iterator[Pair]:
    pair = Pair()
    yield pair
    os.close(pair.outer)
    os.close(pair.inner)


def files() -> int:
    return len(list(Path("/proc/self/fd").iterdir()))


async def test_bytes_in_and_out(pair: Pair) -> None:
    before = files()
    heard: list[bytes] = []
    wire = await open_wire(SerialConfig(serial_port=pair.path, parity="even", data_bits=7), heard.append)
    wire.send(b"hello\r\n\x00\xff")
    assert os.read(pair.inner, 100) == b"hello\r\n\x00\xff"
    os.write(pair.inner, b"\x11\x13\r\n\x03\x1a")
    await until(lambda: heard)
    assert heard == [b"\x11\x13\r\n\x03\x1a"]
    assert files() == before + 1
    wire.close()
    wire.close()
    assert files() == before
    with pytest.raises(LinkLost, match="closed"):
        wire.send(b"x")


async def test_a_port_is_ours_alone(pair: Pair) -> None:
    wire = await open_wire(SerialConfig(serial_port=pair.path), bytes)
    with pytest.raises(LinkLost, match="another program has it"):
        await open_wire(SerialConfig(serial_port=pair.path), bytes)
    wire.close()
    again = await open_wire(SerialConfig(serial_port=pair.path), bytes)
    again.close()


async def test_a_line_that_takes_nothing_blocks_nobody(pair: Pair) -> None:
    wire = await open_wire(SerialConfig(serial_port=pair.path), bytes)
    for _ in range(MOST_UNSENT // 1000):
        wire.send(b"x" * 1000)
    with pytest.raises(LinkLost, match="takes nothing"):
        wire.send(b"x" * MOST_UNSENT)
    os.set_blocking(pair.inner, False)
    heard = bytearray()

    def drained() -> bool:
        try:
            heard.extend(os.read(pair.inner, 65536))
        except BlockingIOError:
            return len(heard) > 50_000
        return False

    await until(drained)  # and what was queued arrives, whole
    assert set(heard) == {ord("x")}
    wire.close()


async def test_hanging_up_is_noticed() -> None:
    pair = Pair()
    wire = await open_wire(SerialConfig(serial_port=pair.path), bytes)
    os.close(pair.outer)
    os.close(pair.inner)
    assert "port is gone" in await asyncio.wait_for(wire.lost, 20)
    with pytest.raises(LinkLost, match="port is gone"):
        wire.send(b"x")
    wire.close()


async def test_a_server_that_closes_is_noticed() -> None:
    async def talk(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.close()

    async with await asyncio.start_server(talk, "127.0.0.1") as server:
        port = server.sockets[0].getsockname()[1]
        wire = await open_wire(SerialConfig(host="127.0.0.1", port=port), bytes)
        assert await asyncio.wait_for(wire.lost, 20) == "the serial server closed the connection"
        wire.close()


async def test_a_file_that_is_no_port(tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.touch()
    with pytest.raises(LinkLost, match=r"Could not configure port|Inappropriate"):
        await open_wire(SerialConfig(serial_port=str(file)), bytes)


async def test_a_flood_from_a_serial_server_comes_in_pieces_so_that_others_have_their_turn() -> None:
    flood = bytes(range(256)) * 40
    heard: list[bytes] = []

    async def pour(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(flood)
        writer.close()

    async with await asyncio.start_server(pour, "127.0.0.1", 0) as server:
        port = server.sockets[0].getsockname()[1]
        wire = await open_wire(SerialConfig(host="127.0.0.1", port=port), heard.append)
        await asyncio.wait_for(wire.lost, 20)
        wire.close()
    assert b"".join(heard) == flood
    assert max(map(len, heard)) <= CHUNK
