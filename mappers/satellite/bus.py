"""The connection over which space packets come and go."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable
from typing import cast

from mappers.mapper import LinkLost
from mappers.satellite.packets import Framer, GarbageError

__all__ = ["Bus", "open_bus"]

OnPackets = Callable[[Iterable[bytes]], None]
"""Called with all packets that came together, to be consumed; GarbageError is to come through."""
CHUNK = 4096
"""Bytes read at once: then it is the turn of others, however much a bus says."""
_SPACE = memoryview(bytearray(CHUNK))
"""Of all connections: what is read is taken out before another one reads."""


class Bus(asyncio.BufferedProtocol):
    """Passes packets on as they come. After garbage the connection is of no use: no packet has a mark by which
    the next one could be found."""

    def __init__(self, longest: int, on_packets: OnPackets) -> None:
        self._framer = Framer(longest)
        self._on_packets = on_packets
        self._transport: asyncio.Transport | None = None
        self._early: bytes | None = b""
        """What came before anybody listened, one piece; None: somebody does."""
        self._lost: asyncio.Future[str] = asyncio.get_running_loop().create_future()

    async def listen(self) -> str:
        """Pass packets on until the connection is lost; why. Those that came before have waited."""
        early, self._early = self._early, None
        if early:
            self._hear(early)
        if self._transport is not None and not self._transport.is_closing():
            self._transport.resume_reading()
        return await asyncio.shield(self._lost)

    def send(self, packet: bytes) -> None:
        """LinkLost when there is no connection any more."""
        if self._transport is None or self._transport.is_closing():
            raise LinkLost("not connected")
        self._transport.write(packet)

    def close(self) -> None:
        """At once: what is not sent by now is not waited for."""
        if self._transport is not None:
            self._transport.abort()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)

    def get_buffer(self, _sizehint: int) -> memoryview:
        return _SPACE

    def buffer_updated(self, count: int) -> None:
        self._hear(bytes(_SPACE[:count]))

    def _hear(self, data: bytes) -> None:
        if self._early is not None:
            self._early += data
            cast(asyncio.Transport, self._transport).pause_reading()
            return
        try:
            self._on_packets(self._framer.feed(data))
        except GarbageError as error:
            self._lose(f"the bus sent {error}")
            self.close()

    def connection_lost(self, exc: Exception | None) -> None:
        self._lose(str(exc) if exc else "the bus closed the connection")
        self._transport = None

    def _lose(self, reason: str) -> None:
        if not self._lost.done():
            self._lost.set_result(reason)


async def open_bus(host: str, port: int, longest: int, on_packets: OnPackets) -> Bus:
    """Connect. OSError when that is not possible now."""
    loop = asyncio.get_running_loop()
    _, bus = await loop.create_connection(lambda: Bus(longest, on_packets), host, port)
    return bus
