"""Bytes to values and back: what is encoded is decoded, what is short is refused, known words are known."""

from __future__ import annotations

import math
from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mappers.ble.codec import SIZES, Form, Unknown

WHOLE = [name for name in SIZES if "int" in name]


@given(st.sampled_from(WHOLE), st.sampled_from(["little", "big"]), st.data())
def test_whole_numbers_come_back(name: str, order: str, data: st.DataObject) -> None:
    bits = 8 * SIZES[name]
    low, high = (0, 2**bits - 1) if name[0] == "u" else (-(2 ** (bits - 1)), 2 ** (bits - 1) - 1)
    value = data.draw(st.integers(low, high))
    form = Form(name, order=order)  # type: ignore[arg-type]
    assert form.decode(form.encode(value)) == value
    assert len(form.encode(value)) == SIZES[name]
    for beyond in (low - 1, high + 1):
        with pytest.raises(ValueError, match="does not fit"):
            form.encode(beyond)


@given(st.floats(allow_nan=False, allow_infinity=False))
def test_binary_floats_come_back(value: float) -> None:
    assert Form("float64").decode(Form("float64").encode(value)) == value


@given(st.integers(-2045, 2045), st.integers(-8, 7))
def test_sfloat_comes_back(mantissa: int, exponent: int) -> None:
    value = float(mantissa * 10**exponent) if exponent >= 0 else mantissa / 10**-exponent
    decoded = Form("sfloat").decode(Form("sfloat").encode(value))
    assert decoded == pytest.approx(value, rel=1e-12)


@given(st.floats(-8e6, 8e6))
def test_decimal_floats_keep_six_digits(value: float) -> None:
    assert Form("float").decode(Form("float").encode(value)) == pytest.approx(value, rel=1e-6, abs=1e-120)


@given(st.binary(max_size=12), st.sampled_from([*SIZES, "utf8", "bytes"]), st.integers(0, 4))
def test_any_bytes_are_a_value_or_a_clear_error(data: bytes, name: str, offset: int) -> None:
    size = SIZES.get(name, 0)
    form = Form(name, offset)  # type: ignore[arg-type]
    if len(data) < offset + size:
        with pytest.raises(ValueError, match="hold no"):
            form.decode(data)
    else:
        with suppress(ValueError):  # no number, or no text
            assert isinstance(form.decode(data), (int, float, str, bytes))


@pytest.mark.parametrize(
    ("name", "data", "value"),
    [
        ("sfloat", "72 F0", 11.4),
        ("sfloat", "FE 07", math.inf),
        ("sfloat", "02 08", -math.inf),
        ("float", "6E 01 00 FF", 36.6),
        ("float", "02 00 80 00", -math.inf),
        ("int24", "FF FF FF", -1),
        ("utf8", "41 42 00", "AB"),
        ("bool", "02", True),
        ("float32", "00 00 80 3F", 1.0),
    ],
)
def test_known_words(name: str, data: str, value: object) -> None:
    assert Form(name).decode(bytes.fromhex(data)) == value  # type: ignore[arg-type]


@pytest.mark.parametrize(("name", "data"), [("sfloat", "FF 07"), ("sfloat", "00 08"), ("float", "FF FF 7F 00")])
def test_no_number_is_said_so(name: str, data: str) -> None:
    with pytest.raises(Unknown, match="no number"):
        Form(name).decode(bytes.fromhex(data))  # type: ignore[arg-type]


def test_the_device_may_not_know() -> None:
    with pytest.raises(Unknown, match="does not know"):
        Form("int16", scale=0.01, unknown=-0x8000).decode(b"\x00\x80")


def test_scaled_numbers_have_no_noise() -> None:
    assert Form("int16", scale=0.01).decode(b"\x67\x08") == 21.51
    assert Form("int16", scale=0.01).encode(21.51) == b"\x67\x08"


def test_a_part_is_read_and_not_written() -> None:
    form = Form("int16", offset=1, order="big")
    assert form.decode(b"\x05\x01\x02\xff") == 0x0102
    with pytest.raises(ValueError, match="offset"):
        form.encode(1)


@pytest.mark.parametrize("value", [math.inf, math.nan, 1e300])
def test_what_is_no_number_is_not_written(value: float) -> None:
    for name in ("int16", "sfloat", "uint8"):
        with pytest.raises(ValueError, match="does not fit"):
            Form(name).encode(value)  # type: ignore[arg-type]
