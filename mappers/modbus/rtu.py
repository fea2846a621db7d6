"""Finding the answer to a request in what a serial line brings. Pure, no I/O.

RTU frames have no beginning, no number and no length of their own. But a master knows what it asked: whom, which
function, and how long the answer must be; so noise, echoes and answers to somebody else are passed over.
"""

from __future__ import annotations

from pymodbus.framer import FramerRTU

EXCEPTION_SIZE = 5
WRITE_ANSWER_SIZE = 8


def read_answer_size(length: int) -> int:
    """Of the answer to a read: unit, function, byte count, so many bytes, checksum."""
    return 5 + length


def find_answer(buffer: bytes, unit: int, function: int, size: int) -> bytes | None:
    """The PDU of the first frame of that size from that unit to that function, or of an exception to it."""
    start = buffer.find(unit)
    while start >= 0:
        said = buffer[start + 1 : start + 2]
        if said == bytes([function]) and _is_frame(buffer, start, size):
            return buffer[start + 1 : start + size - 2]
        if said == bytes([function | 0x80]) and _is_frame(buffer, start, EXCEPTION_SIZE):
            return buffer[start + 1 : start + EXCEPTION_SIZE - 2]
        start = buffer.find(unit, start + 1)
    return None


def _is_frame(buffer: bytes, start: int, size: int) -> bool:
    frame = buffer[start : start + size]
    return len(frame) == size and FramerRTU.compute_CRC(frame[:-2]) == int.from_bytes(frame[-2:], "big")
