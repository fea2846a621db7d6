"""One MQTT 5 connection: a socket that takes bytes and gives packets, watched by keepalive."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Callable

import mqtt5

from eventbus.packet_reader import MalformedPacketError, PacketReader

WRITE_HIGH_WATER = 256 << 10
"""Bytes the socket may hold back before we stop writing and reading."""

_PING = mqtt5.PingReqPacket().write()


class Mqtt5Connection(asyncio.Protocol):
    """Gives every packet of one read to `on_packets`; `lost` tells when and why the connection ended.

    An exception of `on_packets` closes the connection and becomes the exception of `lost`.
    """

    def __init__(
        self,
        on_packets: Callable[[list[mqtt5.Packet]], None],
        on_writable: Callable[[], None],
        max_packet_size: int,
    ) -> None:
        self.lost: asyncio.Future[str] = asyncio.get_running_loop().create_future()
        self.writable = False
        self.tls_error: ssl.SSLError | None = None
        self.refused_by_protocol = False
        self._on_packets = on_packets
        self._on_writable = on_writable
        self._reader = PacketReader(max_packet_size)
        self._loop = asyncio.get_running_loop()
        self._heard = self._loop.time()
        self._held = False
        self._ticker: asyncio.TimerHandle | None = None
        self._transport: asyncio.Transport

    # -- asyncio.Protocol -----------------------------------------------------------------------------------

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        transport.set_write_buffer_limits(high=WRITE_HIGH_WATER)
        self._transport = transport
        self.writable = True

    def data_received(self, data: bytes) -> None:
        self._heard = self._loop.time()
        try:
            packets = self._reader.feed(data)
        except MalformedPacketError as error:
            self.refused_by_protocol = _is_old_refusal(data)
            self.abort(f"it sent what we cannot take: {error}")
            return
        self.guard(lambda: self._on_packets(packets))

    def connection_lost(self, exc: Exception | None) -> None:
        if isinstance(exc, ssl.SSLError):
            self.tls_error = exc
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
        self._transport.write(data)

    def hold(self) -> None:
        """Stop reading until `release`."""
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
            self._transport.write(_PING)
        self._ticker = self._loop.call_later(seconds / 3, self.keep_alive, seconds)

    def guard(self, call: Callable[[], None]) -> None:
        """Run a callback of the house: what it raises ends the connection and comes out of `lost`."""
        try:
            call()
        except Exception as error:  # noqa: BLE001 - handed to the owner of the session
            if not self.lost.done():
                self.lost.set_exception(error)
            self._close_now()

    def abort(self, reason: str) -> None:
        self._end(reason)
        self._close_now()

    async def close(self) -> None:
        """Send what is written, then close; the wait for it is bounded to a second."""
        self._transport.close()
        await asyncio.wait([self.lost], timeout=1)
        self.abort("closed")

    def _read_on(self) -> None:
        if self.writable and not self._held:
            self._transport.resume_reading()

    def _end(self, reason: str) -> None:
        if self._ticker:
            self._ticker.cancel()
        if not self.lost.done():
            self.lost.set_result(reason)

    def _close_now(self) -> None:
        self.writable = False
        self._transport.abort()


def _is_old_refusal(data: bytes) -> bool:
    """A CONNACK of MQTT 3.1.1: return code 1, "unacceptable protocol version"."""
    return data == b"\x20\x02\x00\x01"
