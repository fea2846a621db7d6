"""A serial line of two pseudo terminals, on which the plug can be pulled and the wire disturbed."""

from __future__ import annotations

import asyncio
import os
import tempfile
import termios
import tty
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Self

from mappers.testing.disturbance import Disturbance

PIECE = 4096
"""Bytes that are passed on at once, at most."""


class Line:
    """`async with` it; a mapper opens `port`, the device opens `device_port` (or `device_end`, in the same process).
    Both are paths that stay the same. What is said into silence, or while the plug is out, is lost."""

    def __init__(self) -> None:
        self._disturbance = Disturbance(loses=True)
        self._folder = tempfile.TemporaryDirectory(prefix="line-")
        self.port = str(Path(self._folder.name, "mapper"))
        self.device_port = str(Path(self._folder.name, "device"))
        self._mapper_end: _Terminal | None = None
        self._device_end: _Terminal | None = None
        self._tasks: list[asyncio.Task[None]] = []

    async def __aenter__(self) -> Self:
        self._device_end = _Terminal(self.device_port)
        await self.plug()
        return self

    async def __aexit__(self, *exc: object) -> None:
        await self.unplug()
        if self._device_end is not None:
            self._device_end.close()
        self._folder.cleanup()

    @asynccontextmanager
    async def device_end(self) -> AsyncIterator[tuple[asyncio.StreamReader, asyncio.StreamWriter]]:
        """The device's end as streams, for a device in this process. What was said before is lost."""
        fd = os.open(self.device_port, os.O_RDWR | os.O_NOCTTY | os.O_NONBLOCK)
        termios.tcflush(fd, termios.TCIOFLUSH)
        loop = asyncio.get_running_loop()
        reader = asyncio.StreamReader()
        protocol = asyncio.StreamReaderProtocol(reader)
        reading, _ = await loop.connect_read_pipe(lambda: protocol, os.fdopen(fd, "rb", buffering=0))
        pipe = os.fdopen(os.dup(fd), "wb", buffering=0)
        writing, flow = await loop.connect_write_pipe(asyncio.streams.FlowControlMixin, pipe)
        writer = asyncio.StreamWriter(writing, flow, None, loop)
        try:
            yield reader, writer
        finally:
            writing.abort()
            reading.close()
            await asyncio.sleep(0)  # transports close in the next round of the loop

    async def silence(self) -> None:
        """Nothing passes, in either direction."""
        self._disturbance.silence()

    async def slow(self, seconds: float) -> None:
        """What the device says arrives so much later."""
        self._disturbance.slow(seconds)

    async def garble(self) -> None:
        """What the device says is replaced by noise."""
        self._disturbance.garble()

    async def drop(self) -> None:
        """The plug is pulled and put in again."""
        await self.unplug()
        await self.plug()

    async def unplug(self) -> None:
        """Pull the plug at the mapper's end: `port` is gone, and who has it open is hung up."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        self._tasks = []
        if self._mapper_end is not None:
            self._mapper_end.close()
            self._mapper_end = None

    async def plug(self) -> None:
        """Put the plug in again: `port` is there, another terminal under the same name."""
        if self._mapper_end is not None:
            return
        assert self._device_end is not None, "use `async with Line()`"
        mapper, device = _Terminal(self.port), self._device_end
        device.forget()
        self._mapper_end = mapper
        self._tasks = [
            asyncio.create_task(self._disturbance.carry(source.read, goal.write, from_device=source is device))
            for source, goal in ((device, mapper), (mapper, device))
        ]

    async def whole(self) -> None:
        """All is well again."""
        self._disturbance.whole()
        await self.plug()


class _Terminal:
    """The inner side of a pseudo terminal whose outer side has a name. The outer side is also held open here, so that
    nothing is hung up when who uses it goes."""

    def __init__(self, path: str) -> None:
        self._path = Path(path)
        self._inner, self._outer = os.openpty()
        tty.setraw(self._outer)
        os.set_blocking(self._inner, False)
        self._path.symlink_to(os.ttyname(self._outer))
        self._loop = asyncio.get_running_loop()

    async def read(self) -> bytes:
        """What was said outside."""
        ready = self._loop.create_future()
        self._loop.add_reader(self._inner, _done, ready)
        try:
            await ready
        finally:
            self._loop.remove_reader(self._inner)
        return os.read(self._inner, PIECE)

    async def write(self, data: bytes) -> None:
        """Say it outside; what does not fit because nobody reads is lost."""
        with suppress(BlockingIOError):
            os.write(self._inner, data)

    def forget(self) -> None:
        """Lose what was said and not read yet."""
        termios.tcflush(self._inner, termios.TCIOFLUSH)

    def close(self) -> None:
        """Hang up."""
        self._path.unlink()
        os.close(self._outer)
        os.close(self._inner)


def _done(future: asyncio.Future[None]) -> None:
    if not future.done():
        future.set_result(None)
