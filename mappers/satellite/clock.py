"""On-board time in telemetry: the time codes of CCSDS 301.0-B-4 that begin with their P-field. Pure.

CDS counts days from 1958-01-01 and milliseconds of the day, in UTC. CUC counts seconds and their binary fractions,
from 1958-01-01 in TAI or from an epoch that the mission chose, which no packet tells.
"""

from __future__ import annotations

from bisect import bisect_right
from calendar import timegm

__all__ = ["read"]

CUC, CUC_OF_MISSION, CDS = 1, 2, 4
"""The time code identifications, bits 4 to 6 of the P-field."""
DAY = 86_400_000
"""Milliseconds."""
EPOCH = -4383 * DAY
"""1958-01-01 in Unix milliseconds."""
MORE = 0x80
"""The bit of the P-field that says that a second octet follows."""

LEAPS = (
    (1972, 1), (1972, 7), (1973, 1), (1974, 1), (1975, 1), (1976, 1), (1977, 1), (1978, 1), (1979, 1), (1980, 1),
    (1981, 7), (1982, 7), (1983, 7), (1985, 7), (1988, 1), (1990, 1), (1991, 1), (1992, 7), (1993, 7), (1994, 7),
    (1996, 1), (1997, 7), (1999, 1), (2006, 1), (2009, 1), (2012, 7), (2015, 7), (2017, 1),
)  # fmt: skip
"""Year and month since whose first day TAI is a second more ahead of UTC; 10 s with the first (IERS Bulletin C)."""
_LEAPS = [timegm((year, month, 1, 0, 0, 0)) * 1000 + (10 + index) * 1000 for index, (year, month) in enumerate(LEAPS)]
"""The same moments, as milliseconds of a clock that shows TAI and calls 1970-01-01 zero."""


def read(data: bytes, at: int) -> tuple[int | None, int]:
    """The time code that begins at `at`: Unix milliseconds, None when its epoch is the mission's own, and how many
    bytes it takes. ValueError when it is none, or cut off."""
    field = data[at]
    code = field >> 4 & 0x7
    if code == CDS:
        return _cds(data, at, field)
    if code in (CUC, CUC_OF_MISSION):
        return _cuc(data, at, field)
    raise ValueError(f"the time field begins with {field:#04x}, which names neither CUC nor CDS")


def _cds(data: bytes, at: int, field: int) -> tuple[int | None, int]:
    if field & MORE:
        raise ValueError("a CDS time with a P-field of two octets")
    days = 3 if field & 0x04 else 2
    fraction = {0: 0, 1: 2, 2: 4}.get(field & 0x03)
    if fraction is None:
        raise ValueError("a CDS time with a reserved resolution")
    size = 1 + days + 4 + fraction
    _suffices(data, at, size)
    day = int.from_bytes(data[at + 1 : at + 1 + days], "big")
    time = day * DAY + int.from_bytes(data[at + 1 + days : at + 5 + days], "big")
    return None if field & 0x08 else EPOCH + time, size


def _cuc(data: bytes, at: int, field: int) -> tuple[int | None, int]:
    whole, fraction, begin = 1 + (field >> 2 & 0x3), field & 0x3, 1
    if field & MORE:
        _suffices(data, at, 2)
        more, begin = data[at + 1], 2
        whole, fraction = whole + (more >> 5 & 0x3), fraction + (more >> 2 & 0x7)
    size = begin + whole + fraction
    _suffices(data, at, size)
    ticks = int.from_bytes(data[at + begin : at + size], "big")
    if field >> 4 & 0x7 == CUC_OF_MISSION:
        return None, size
    return _utc(EPOCH + ticks * 1000 // 256**fraction), size


def _utc(tai: int) -> int:
    """From TAI since 1970 to Unix time, milliseconds; before 1972 ten seconds are taken off."""
    return tai - 1000 * (9 + max(1, bisect_right(_LEAPS, tai)))


def _suffices(data: bytes, at: int, size: int) -> None:
    if len(data) < at + size:
        raise ValueError(f"a time of {size} bytes that is cut off")
