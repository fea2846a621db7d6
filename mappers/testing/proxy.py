"""A TCP proxy in front of a device, at which the wire can be cut, slowed down, and filled with noise."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from contextlib import suppress
from typing import Any, Self

from mappers.testing.disturbance import Disturbance

PIECE = 65536
"""Bytes that are passed on at once, at most."""


class Proxy:
    """`async with` it; mappers connect to `host` and `port`, which stay the same. All methods return when they have
    taken effect."""

    def __init__(self, target_host: str, target_port: int) -> None:
        self.host = "127.0.0.1"
        self.port = 0
        """Known when the context is entered."""
        self.target = target_host, target_port
        """Where the device is; may be changed for the connections to come."""
        self.connections = 0
        """Connections that were accepted so far."""
        self._disturbance = Disturbance(loses=False)
        self._server: asyncio.Server | None = None
        self._tasks = asyncio.TaskGroup()
        self._talks: set[asyncio.Task[None]] = set()

    async def __aenter__(self) -> Self:
        await self._tasks.__aenter__()
        await self._welcome()
        return self

    async def __aexit__(self, *exc: object) -> None:
        await self.refuse()
        await self._tasks.__aexit__(None, None, None)  # what went wrong in the context is not ours

    async def silence(self) -> None:
        """A black hole: connections stand and new ones are accepted, nothing passes. What is said meanwhile arrives
        when it is `whole` again, as over any network."""
        self._disturbance.silence()

    async def slow(self, seconds: float) -> None:
        """What the device says arrives so much later."""
        self._disturbance.slow(seconds)

    async def garble(self) -> None:
        """What the device says is replaced by noise."""
        self._disturbance.garble()

    async def drop(self) -> None:
        """All connections end, new ones are welcome."""
        for task in self._talks:
            task.cancel()
        if self._talks:
            await asyncio.wait(self._talks)

    async def refuse(self) -> None:
        """All connections end, and nobody listens any more."""
        server, self._server = self._server, None
        if server is not None:
            server.close()
        await self.drop()
        if server is not None:
            await server.wait_closed()  # from Python 3.12 on, this waits for connections, too

    async def whole(self) -> None:
        """All is well again."""
        self._disturbance.whole()
        await self._welcome()

    async def _welcome(self) -> None:
        if self._server is None:
            self._server = await asyncio.start_server(self._accept, self.host, self.port)
            self.port = self._server.sockets[0].getsockname()[1]

    def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        task = self._tasks.create_task(self._talk(reader, writer), name=f"proxy of {self.target[0]}:{self.target[1]}")
        self._talks.add(task)
        task.add_done_callback(self._talks.discard)

    async def _talk(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writers = [writer]
        try:
            from_device, to_device = await asyncio.open_connection(*self.target)
            writers.append(to_device)
            up = self._carry(from_device, writer, from_device=True)
            down = self._carry(reader, to_device, from_device=False)
            await _first_to_end(up, down)
        except OSError:
            pass  # the device is not there
        finally:
            for each in writers:
                each.transport.abort()
            for each in writers:
                with suppress(OSError):
                    await each.wait_closed()

    async def _carry(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, *, from_device: bool) -> None:
        async def write(data: bytes) -> None:
            writer.write(data)
            await writer.drain()

        async def read() -> bytes:
            try:
                return await reader.read(PIECE)
            except OSError:
                return b""

        with suppress(OSError, ExceptionGroup):
            await self._disturbance.carry(read, write, from_device=from_device)


async def _first_to_end(*works: Coroutine[Any, Any, None]) -> None:
    tasks = [asyncio.create_task(work) for work in works]
    try:
        await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
