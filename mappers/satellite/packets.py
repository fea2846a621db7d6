"""Space packets: cut from a stream of bytes, and telemetry read from them. Pure, no I/O.

The primary header is that of CCSDS 133.0-B-2, the secondary header that of telemetry in ECSS-E-ST-70-41C (PUS-C).
Only a few bytes of each packet concern us, so they are read here: a general library takes twenty times as long.
"""

from __future__ import annotations

import struct
from binascii import crc_hqx
from collections.abc import Iterator
from typing import NamedTuple

from mappers.satellite import clock

__all__ = ["HEADER", "LAST_COUNT", "LONGEST", "Framer", "GarbageError", "Telemetry", "header_of", "read_telemetry"]

HEADER = 6
"""Bytes of the primary header."""
LONGEST = HEADER + 65536
"""Bytes of the longest packet there can be."""
LAST_COUNT = 0x3FFF
"""After it the sequence count of a source begins with 0 again."""
CHECKSUM = 2
"""Bytes: CRC-16 with the polynomial 0x1021, begun with 0xFFFF, over all before it."""
VERSION_AND_TYPE = 0xF0
TELECOMMAND = 0x10
SECONDARY = 0x0800
"""The bit of the packet identification that says that a secondary header follows."""
UNSEGMENTED = 0b11
PUS_C = 2

_PRIMARY = struct.Struct(">HHH")
_SECONDARY = struct.Struct(">BBBHH")
TIME = HEADER + _SECONDARY.size
"""Where the time field of telemetry begins."""


class GarbageError(ValueError):
    """What came is no space packet; where the next one begins cannot be known. The same noise, the same words."""


class Header(NamedTuple):
    """A primary header."""

    apid: int
    """Which application on board it is from or for, 0 to 2047."""
    number: int
    """Of the packets of this application, modulo 16384."""
    whole: bool
    """It is not a segment of something longer."""
    secondary: bool
    """It has a secondary header."""


class Telemetry(NamedTuple):
    """What a telemetry packet says."""

    service: int
    subservice: int
    time: int | None
    """On-board time, Unix milliseconds; None where its epoch is the mission's own."""
    data: bytes
    """The source data: what follows the headers, without the checksum."""


class Framer:
    """Packets of one kind out of a stream: `feed` it what came. Keeps less than one packet."""

    __slots__ = ("_buffer", "_kind", "_longest")

    def __init__(self, longest: int = LONGEST, *, telecommands: bool = False) -> None:
        self._buffer = b""
        self._kind = TELECOMMAND if telecommands else 0
        self._longest = longest

    def feed(self, data: bytes) -> Iterator[bytes]:
        """The packets that are complete now; to be consumed. GarbageError when what follows them is none."""
        buffer = self._buffer + data
        at = 0
        try:
            while len(buffer) - at >= HEADER:
                end = at + self._length(buffer, at)
                if end > len(buffer):
                    break
                packet, at = buffer[at:end], end
                yield packet
        finally:
            self._buffer = buffer[at:]
        if self._buffer:
            self._look(self._buffer[0])

    def _length(self, buffer: bytes, at: int) -> int:
        self._look(buffer[at])
        length = HEADER + 1 + (buffer[at + 4] << 8 | buffer[at + 5])
        if length > self._longest:
            raise GarbageError(f"a packet of more than {self._longest} bytes")
        return length

    def _look(self, first: int) -> None:
        if first & VERSION_AND_TYPE != self._kind:
            raise GarbageError("bytes that are no space packet")


def header_of(packet: bytes) -> Header:
    """The primary header of a whole packet."""
    identification, sequence, _ = _PRIMARY.unpack_from(packet)
    return Header(
        identification & 0x7FF, sequence & LAST_COUNT, sequence >> 14 == UNSEGMENTED, bool(identification & SECONDARY)
    )


def read_telemetry(packet: bytes, *, checksum: bool = True) -> Telemetry | None:
    """What a packet from a `Framer` says; None for idle packets, segments and others that are no PUS-C telemetry.
    GarbageError when its checksum does not hold, ValueError when its time cannot be read."""
    header = header_of(packet)
    end = len(packet) - (CHECKSUM if checksum else 0)
    if not (header.whole and header.secondary) or end <= TIME or packet[HEADER] >> 4 != PUS_C:
        return None
    if checksum and crc_hqx(packet, 0xFFFF):
        raise GarbageError("a packet whose checksum does not hold")
    _, service, subservice, _, _ = _SECONDARY.unpack_from(packet, HEADER)
    time, size = clock.read(packet, TIME)
    return Telemetry(service, subservice, time, packet[TIME + size : end])
