"""Bytes in, MQTT 5 packets out: the receiving half of the codec, without a socket."""

from __future__ import annotations

import mqtt5

_PUBACK = 0x40


class MalformedPacketError(Exception):
    """The peer sent what is no MQTT 5 packet, or one larger than we said we take."""


class PacketReader:
    """Collects the bytes of one connection and cuts them into packets.

    Never holds more than `max_packet_size` bytes and what one `feed` brought.
    """

    def __init__(self, max_packet_size: int) -> None:
        self._max_packet_size = max_packet_size
        self._buffer = bytearray()

    def feed(self, data: bytes) -> list[mqtt5.Packet]:
        """Every packet that is complete now, in order. MalformedPacketError ends the stream."""
        self._buffer += data
        packets: list[mqtt5.Packet] = []
        with memoryview(self._buffer) as view:
            consumed = self._cut(view, packets)
        del self._buffer[:consumed]
        return packets

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
