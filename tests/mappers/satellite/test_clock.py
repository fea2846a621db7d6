"""On-board time in the codes that packets may use."""

from __future__ import annotations

from calendar import timegm

import pytest
from hypothesis import given
from hypothesis import strategies as st
from spacepackets.ccsds.time import CdsShortTimestamp

from mappers.satellite import clock

EPOCH_1958 = timegm((1958, 1, 1, 0, 0, 0))


def cuc(seconds: float, *, whole: int = 4, fraction: int = 2, mission: bool = False) -> bytes:
    field = (2 if mission else 1) << 4 | (whole - 1) << 2 | fraction
    return bytes([field]) + round(seconds * 256**fraction).to_bytes(whole + fraction, "big")


@given(st.integers(0, 65535), st.integers(0, 86_399_999))
def test_cds_is_what_a_library_wrote(days: int, milliseconds: int) -> None:
    data = b"xx" + CdsShortTimestamp(days, milliseconds, init_dt_unix_stamp=False).pack() + b"yy"
    assert clock.read(data, 2) == (EPOCH_1958 * 1000 + days * 86_400_000 + milliseconds, 7)


def test_cds_with_long_days_and_microseconds() -> None:
    data = bytes([0x45]) + (17707).to_bytes(3, "big") + (68_101_250).to_bytes(4, "big") + b"\x01\x02"
    assert clock.read(data, 0) == (1151261701250, 10)


@pytest.mark.parametrize(
    ("date", "ahead"),
    [((1985, 6, 30), 22), ((1985, 7, 1), 23), ((2006, 6, 26), 33), ((2016, 12, 31), 36), ((2017, 1, 1), 37)],
)
def test_cuc_counts_leap_seconds(date: tuple[int, int, int], ahead: int) -> None:
    utc = timegm((*date, 12, 0, 0))
    assert clock.read(cuc(utc + ahead - EPOCH_1958 + 0.5), 0) == (utc * 1000 + 500, 7)


def test_cuc_with_a_long_field_and_an_epoch_of_its_own() -> None:
    extended = bytes([0x80 | 0x1F, 0x04]) + (2**20).to_bytes(8, "big")
    time, size = clock.read(extended, 0)
    assert size == 2 + 4 + 4
    assert time is not None
    assert clock.read(cuc(5, mission=True), 0) == (None, 7)
    assert clock.read(bytes([0x48]) + bytes(6), 0) == (None, 7)


@given(st.binary(min_size=1, max_size=20))
def test_anything_is_a_time_or_a_value_error(data: bytes) -> None:
    try:
        time, size = clock.read(data, 0)
    except ValueError:
        return
    assert 0 < size <= len(data)
    assert time is None or isinstance(time, int)
