"""Bytes in, MQTT 5 packets out: the receiving half of the codec, without a socket."""

from __future__ import annotations

import mqtt5

BUFFER_SIZE = 64 << 10
"""Bytes that one read may bring. A larger packet gets a larger buffer until it is complete."""
_PUBACK = 0x40


class MalformedPacketError(Exception):
    """The peer sent what is no MQTT 5 packet, or one larger than we said we take."""


class PacketReader:
    """Collects the bytes of one connection and cuts them into packets.

    The socket writes into `space()`, then `advance` says how much. (A buffer that stays saves the event loop from
    allocating 256 KiB for each read, which costs more than everything else that happens to a few messages.) It never
    holds more than `BUFFER_SIZE` and one packet of `max_packet_size` bytes.
    """

    def __init__(self, max_packet_size: int) -> None:
        self._max_packet_size = max_packet_size
        self._buffer = bytearray(BUFFER_SIZE)
        self._filled = 0

    def space(self) -> memoryview:
        """Where the next bytes belong; never empty."""
        return memoryview(self._buffer)[self._filled :]

    def advance(self, count: int) -> list[mqtt5.Packet]:
        """`count` bytes were written to `space()`: every packet that is complete now, in order.
        MalformedPacketError ends the stream."""
        self._filled += count
        packets: list[mqtt5.Packet] = []
        view = memoryview(self._buffer)[: self._filled]
        consumed = self._cut(view, packets)
        self._keep(view[consumed:])
        return packets

    def started_with(self, data: bytes) -> bool:
        """Whether the bytes that were not understood are `data`."""
        return self._buffer[: self._filled] == data

    def _cut(self, view: memoryview, packets: list[mqtt5.Packet]) -> int:
        at, end = 0, len(view)
        while at < end:
            try:
                packet, size = mqtt5.read(view[at:])
            except IndexError:  # not enough bytes yet
                self._check_size(packet_size(view[at:]) or 0)
                break
            except ValueError as error:
                packet, size = _refused_publish(view[at:], error)
            except BaseException as error:
                # the codec panics on topics that are not UTF-8, and its panic is no Exception
                if type(error).__name__ != "PanicException":
                    raise
                raise MalformedPacketError("text that is not UTF-8") from None
            self._check_size(size)
            packets.append(packet)
            at += size
        return at

    def _check_size(self, size: int) -> None:
        if size > self._max_packet_size:
            raise MalformedPacketError(f"a packet of {size} bytes; we take {self._max_packet_size}")

    def _keep(self, rest: memoryview) -> None:
        """Move the start of an incomplete packet to the front of a buffer that is large enough for it. The buffer is
        replaced rather than resized: the event loop still looks at it."""
        size = max(BUFFER_SIZE, packet_size(rest) or 0)
        if size != len(self._buffer):
            self._buffer = bytearray(size)
        self._filled = len(rest)
        self._buffer[: self._filled] = bytes(rest)


def packet_size(view: memoryview) -> int | None:
    """Length of the packet that starts here, header included; None while its length is not yet complete."""
    length = 0
    for i, byte in enumerate(view[1:5]):
        length |= (byte & 0x7F) << 7 * i
        if byte < 0x80:
            return 2 + i + length
    if len(view) > 4:
        raise MalformedPacketError("a packet length of more than four bytes")
    return None


def _refused_publish(view: memoryview, error: ValueError) -> tuple[mqtt5.PubAckPacket, int]:
    """A PUBACK whose reason the codec does not know; mosquitto answers an oversized message with "packet too large"
    (0x95). Were it treated as malformed, the same message would be sent again on every connection, for ever."""
    size = packet_size(view)
    if view[0] != _PUBACK or size is None or not 5 <= size <= len(view) or view[1] >= 0x80:
        raise MalformedPacketError(str(error)) from None
    packet_id = int.from_bytes(view[2:4], "big")
    return mqtt5.PubAckPacket(packet_id, reason_code=mqtt5.PubAckReasonCode.UNSPECIFIED_ERROR), size
