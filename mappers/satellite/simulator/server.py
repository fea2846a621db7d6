"""The satellite's bus on a TCP port: every connection hears all packets, and each may send telecommands."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from contextlib import suppress
from types import TracebackType
from typing import Self, cast

from mappers.satellite.packets import Framer, GarbageError
from mappers.satellite.simulator.on_board_software import OnBoardSoftware
from mappers.satellite.simulator.spacecraft import STEP

__all__ = ["SatelliteServer"]

log = logging.getLogger("mappers")

MOST_CONNECTIONS = 16
MOST_BEHIND = 1 << 20
"""Bytes that may wait for a connection; who reads slower is cut off."""
LONGEST_TELECOMMAND = 1024
AT_ONCE = 200
"""Steps that are made before others get their turn."""


class SatelliteServer:
    """`async with` serves. On-board time runs `speed` times as fast as the wall's; where the machine is too slow for
    that, it falls behind rather than leave something out. Housekeeping comes every `every` seconds of the wall."""

    def __init__(
        self,
        software: OnBoardSoftware,
        host: str = "127.0.0.1",
        port: int = 0,
        *,
        speed: float = 1.0,
        every: float = 1.0,
    ) -> None:
        self.software = software
        self.host, self.port = host, port
        """0: a free one, which stands here once it serves."""
        self._speed, self._every = speed, every
        self._connections: set[_Connection] = set()

    async def __aenter__(self) -> Self:
        loop = asyncio.get_running_loop()
        self._began, self._behind = loop.time(), 0.0
        self._start = self.software.spacecraft.time
        self._server = await loop.create_server(
            lambda: _Connection(self._connections, self._obey), self.host, self.port
        )
        self.port = self._server.sockets[0].getsockname()[1]
        self._task = asyncio.create_task(self._fly(), name="satellite in flight")
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._task.cancel()
        with suppress(asyncio.CancelledError):
            await self._task
        self._server.close()
        self.drop()
        await self._server.wait_closed()

    @property
    def time(self) -> float:
        """On-board time now, Unix seconds."""
        passed = asyncio.get_running_loop().time() - self._began - self._behind
        return self._start + passed * self._speed

    async def wait(self) -> None:
        """Until the flight ends, which is by a defect only."""
        await asyncio.shield(self._task)

    def drop(self) -> None:
        """End all connections; new ones are welcome."""
        for connection in tuple(self._connections):
            connection.abort()

    async def _fly(self) -> None:
        loop = asyncio.get_running_loop()
        due = loop.time()
        while True:
            self._send(self.software.housekeeping(await self._catch_up()))
            due = max(due + self._every, loop.time())
            await asyncio.sleep(due - loop.time())

    async def _catch_up(self) -> float:
        """Step until the model is where its clock was; that time."""
        spacecraft = self.software.spacecraft
        target = self.time
        began, steps = asyncio.get_running_loop().time(), 0
        while spacecraft.time + STEP <= target:
            spacecraft.step()
            steps += 1
            if steps % AT_ONCE == 0:
                await asyncio.sleep(0)
        took = asyncio.get_running_loop().time() - began
        if took > self._every:  # the clock waits for the model
            self._behind += took - self._every
        return target

    def _obey(self, packet: bytes) -> None:
        self._send(self.software.obey(packet, self.time))

    def _send(self, packets: list[bytes]) -> None:
        data = b"".join(packets)
        for connection in tuple(self._connections):
            connection.send(data)


class _Connection(asyncio.Protocol):
    """One listener."""

    def __init__(self, all_: set[_Connection], obey: Callable[[bytes], None]) -> None:
        self._all = all_
        self._obey = obey
        self._framer = Framer(LONGEST_TELECOMMAND, telecommands=True)

    def send(self, data: bytes) -> None:
        if self._transport.get_write_buffer_size() > MOST_BEHIND:
            log.warning("a connection reads too slowly and is cut off")
            self.abort()
        elif data:
            self._transport.write(data)

    def abort(self) -> None:
        self._all.discard(self)
        self._transport.abort()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)
        if len(self._all) >= MOST_CONNECTIONS:
            transport.abort()  # type: ignore[attr-defined]
        else:
            self._all.add(self)

    def data_received(self, data: bytes) -> None:
        try:
            for packet in self._framer.feed(data):
                self._obey(packet)
        except GarbageError as error:
            log.warning("a connection sent %s and is cut off", error)
            self.abort()

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002 - whatever the reason
        self._all.discard(self)
