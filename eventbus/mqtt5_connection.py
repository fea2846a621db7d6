"""One MQTT 5 connection: a socket that takes bytes and gives packets, watched by keepalive."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Callable
from typing import cast

import mqtt5

from eventbus.connection import Connection, first_of
from eventbus.endpoint import Endpoint
from eventbus.packet_reader import MalformedPacketError, PacketReader
from eventbus.refusal import ProtocolRefusedError

WRITE_HIGH_WATER = 256 << 10
"""Bytes the socket may hold back before we stop writing and reading."""

_OLD_REFUSAL = b"\x20\x02\x00\x01"
"""A CONNACK of MQTT 3.1.1: unacceptable protocol version."""
_DISCONNECT = mqtt5.DisconnectPacket().write()
_PING = mqtt5.PingReqPacket().write()


class Mqtt5Connection(Connection, asyncio.BufferedProtocol):
    """Gives every packet of one read to `on_packets`, and tells by `on_writable` when the socket takes more again."""

    def __init__(
        self,
        on_packets: Callable[[list[mqtt5.Packet]], None],
        on_writable: Callable[[], None],
        endpoint: Endpoint,
        max_packet_size: int,
    ) -> None:
        super().__init__()
        self.writable = False
        self._endpoint = endpoint
        self._on_packets = on_packets
        self._on_writable = on_writable
        self._reader = PacketReader(max_packet_size)
        self._loop = asyncio.get_running_loop()
        self._heard = self._loop.time()
        self._held = False
        self._ticker: asyncio.TimerHandle | None = None
        self._transport: asyncio.Transport

    # -- asyncio.BufferedProtocol ---------------------------------------------------------------------------

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)  # uvloop's has another class
        self._transport.set_write_buffer_limits(high=WRITE_HIGH_WATER)
        self.writable = True

    def get_buffer(self, _sizehint: int) -> memoryview:
        return self._reader.space()

    def buffer_updated(self, count: int) -> None:
        self._heard = self._loop.time()
        try:
            packets = self._reader.advance(count)
        except MalformedPacketError as error:
            if self._reader.started_with(_OLD_REFUSAL):
                self.failure = ProtocolRefusedError(f"MQTT broker {self._endpoint} does not speak MQTT 5")
            self.abort(f"it sent what we cannot take: {error}")
            return
        self.guard(lambda: self._on_packets(packets))

    def connection_lost(self, exc: Exception | None) -> None:
        if isinstance(exc, ssl.SSLError):
            self.failure = self._endpoint.tls_failure(exc)
        self._end(str(exc) if exc else "it closed the connection")

    def pause_writing(self) -> None:
        self.writable = False
        self._transport.pause_reading()

    def resume_writing(self) -> None:
        self.writable = True
        self._read_on()
        self._on_writable()

    # -- for the session ------------------------------------------------------------------------------------

    def write(self, data: bytes) -> None:
        """Nothing, when the connection has just ended (`lost` may still be on its way to the session)."""
        if not self._transport.is_closing():
            self._transport.write(data)

    def hold(self) -> None:
        self._held = True
        self._transport.pause_reading()

    def release(self) -> None:
        self._held = False
        self._heard = self._loop.time()
        self._read_on()

    def keep_alive(self, seconds: int) -> None:
        """Ask the broker for a sign of life now and then; its silence ends the connection after 1.33 times
        `seconds`. While we do not read on purpose we cannot hear it, and the time does not count."""
        if self.lost.done():
            return
        now = self._loop.time()
        if self._held:
            self._heard = now
        if now - self._heard >= seconds:
            self.abort(f"it was silent for {now - self._heard:.0f} s")
            return
        if self.writable:
            self.write(_PING)
        self._ticker = self._loop.call_later(seconds / 3, self.keep_alive, seconds)

    async def close(self) -> None:
        self.write(_DISCONNECT)
        self._transport.close()
        await first_of(self.lost, within=1)
        self.abort("closed")

    def _read_on(self) -> None:
        if self.writable and not self._held:
            self._transport.resume_reading()

    def _end(self, reason: str) -> None:
        if self._ticker:
            self._ticker.cancel()
        super()._end(reason)

    def _drop(self) -> None:
        self.writable = False
        self._transport.abort()
