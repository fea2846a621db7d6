"""The far end of a line: where a simulated instrument hears and speaks, as a pseudo terminal or over TCP."""

from __future__ import annotations

import asyncio
import os
import tty
from abc import ABC, abstractmethod
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import ClassVar, cast

from mappers.serial.framing import Framer

CHUNK = 4096
MOST_UNSENT = 65536
"""Bytes towards a TCP client; one that reads nothing loses what is beyond."""


class Instrument(ABC):
    """What is simulated. Messages are without their envelope."""

    framer: Framer
    speaks: ClassVar[bool] = True
    """It says something by itself."""

    def __init__(self, rate: float = 1.0) -> None:
        self.period = 1 / rate
        """Seconds between two words it says by itself."""

    def answer(self, message: bytes) -> Sequence[bytes]:  # noqa: ARG002 - for subclasses
        """What it says to a message."""
        return ()

    @abstractmethod
    def speak(self) -> Sequence[bytes]:
        """What it says by itself, this time."""


class FarEnd(ABC):
    """`hears` is called with what comes."""

    address: str
    hears: Callable[[bytes], None] = staticmethod(lambda _: None)

    @abstractmethod
    def say(self, data: bytes) -> None:
        """Say it; what nobody takes is lost, as on a serial line."""


async def serve(instrument: Instrument, far_end: FarEnd) -> None:
    """Let the instrument live at that end until cancelled."""

    def hear(data: bytes) -> None:
        for message in instrument.framer.feed(data):
            for word in instrument.answer(message):
                far_end.say(instrument.framer.wrap(word))

    far_end.hears = hear
    loop = asyncio.get_running_loop()
    due = loop.time()
    while True:
        if instrument.speaks:
            far_end.say(b"".join(map(instrument.framer.wrap, instrument.speak())))
        due = max(due + instrument.period, loop.time() - 1.0)
        await asyncio.sleep(due - loop.time())


class FileEnd(FarEnd):
    """An open terminal, by its file descriptor. `close` it."""

    def __init__(self, file: int, address: str) -> None:
        self.address = address
        self._file = file
        os.set_blocking(file, False)
        self._loop = asyncio.get_running_loop()
        self._loop.add_reader(file, self._read)

    def say(self, data: bytes) -> None:
        with suppress(OSError):
            os.write(self._file, data)

    def close(self) -> None:
        """Hang up."""
        self._loop.remove_reader(self._file)
        os.close(self._file)

    def _read(self) -> None:
        with suppress(BlockingIOError):
            self.hears(os.read(self._file, CHUNK))


@asynccontextmanager
async def pseudo_terminal(link: str | None = None) -> AsyncIterator[FarEnd]:
    """A pseudo terminal of one's own; a mapper opens its `address`."""
    inner, outer = os.openpty()
    tty.setraw(outer)  # and it stays open here: nothing is hung up when a mapper goes
    path = Path(link) if link else None
    if path:
        path.unlink(missing_ok=True)
        path.symlink_to(os.ttyname(outer))
    end = FileEnd(inner, link or os.ttyname(outer))
    try:
        yield end
    finally:
        end.close()
        os.close(outer)
        if path:
            path.unlink(missing_ok=True)


@asynccontextmanager
async def terminal(path: str) -> AsyncIterator[FarEnd]:
    """A terminal that is there: the device's end of a line."""
    end = FileEnd(os.open(path, os.O_RDWR | os.O_NOCTTY | os.O_NONBLOCK), path)
    tty.setraw(end._file)  # noqa: SLF001 - its own
    try:
        yield end
    finally:
        end.close()


class ServerEnd(FarEnd):
    """A serial server: every client hears all."""

    def __init__(self) -> None:
        self.clients: set[_Client] = set()

    def say(self, data: bytes) -> None:
        for client in self.clients:
            client.say(data)


class _Client(asyncio.Protocol):
    """A connection to a serial server."""

    def __init__(self, end: ServerEnd) -> None:
        self._end = end

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)
        self._end.clients.add(self)

    def connection_lost(self, _: Exception | None) -> None:
        self._end.clients.discard(self)

    def data_received(self, data: bytes) -> None:
        self._end.hears(data)

    def say(self, data: bytes) -> None:
        if self._transport.get_write_buffer_size() < MOST_UNSENT:
            self._transport.write(data)

    def hang_up(self) -> None:
        self._transport.abort()


@asynccontextmanager
async def tcp_server(address: str) -> AsyncIterator[FarEnd]:
    """A serial server at `HOST:PORT`."""
    host, _, port = address.rpartition(":")
    end = ServerEnd()
    loop = asyncio.get_running_loop()
    server = await loop.create_server(lambda: _Client(end), host or "127.0.0.1", int(port))
    async with server:
        bound, number = server.sockets[0].getsockname()[:2]
        end.address = f"{bound}:{number}"
        try:
            yield end
        finally:
            for client in end.clients:
                client.hang_up()
