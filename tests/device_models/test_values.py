"""Values as text: Go's grammar in, the shortest faithful text out."""

from __future__ import annotations

import base64
import math
import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from device_models import DataType
from device_models.values import check, parse, to_text

INT64 = st.integers(-(2**63), 2**63 - 1)
FLOAT32 = st.floats(width=32)


@pytest.mark.parametrize(
    "text", ["0", "-0", "+7", "007", "-9223372036854775808", "9223372036854775807", "0" * 5000 + "1"]
)
def test_go_integers_are_integers(text: str) -> None:
    check(DataType.INT, text)


@pytest.mark.parametrize(
    "text",
    [
        "",
        " 1",
        "1 ",
        "1.0",
        "1e3",
        "1_000",
        "0x10",
        "--1",
        "+",
        "٣",
        "9223372036854775808",
        "-9223372036854775809",
        "9" * 5000,
    ],
)
def test_other_texts_are_no_integers(text: str) -> None:
    with pytest.raises(ValueError, match=r"^the value is not int or integer$"):
        check(DataType.INT, text)


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("1e3", 1000.0),
        ("1.", 1.0),
        (".5", 0.5),
        ("+1E-2", 0.01),
        ("0x1p-2", 0.25),
        ("0X.8P1", 1.0),
        ("Inf", math.inf),
        ("-infinity", -math.inf),
        ("1e-999", 0.0),
    ],
)
@pytest.mark.parametrize("type_", [DataType.FLOAT, DataType.DOUBLE])
def test_go_floats_are_floats(type_: DataType, text: str, value: float) -> None:
    assert parse(type_, text) == value


def test_nan_is_a_float_as_kubeedge_took_it() -> None:
    assert math.isnan(parse(DataType.FLOAT, "NaN"))


@pytest.mark.parametrize(
    "text", ["", " 1", "1 ", "1,5", "0x1", "0x1.8", "1e", ".", "-nan", "1e999", "0x1p99999", "٣.5", "infin", "1_0"]
)
def test_other_texts_are_no_floats(text: str) -> None:
    with pytest.raises(ValueError, match=r"^the value is not float$"):
        check(DataType.DOUBLE, text)


@pytest.mark.parametrize("text", ["", "True", "1", "on", " true"])
def test_only_true_and_false_are_booleans(text: str) -> None:
    assert parse(DataType.BOOLEAN, "true") is True
    assert parse(DataType.BOOLEAN, "false") is False
    with pytest.raises(ValueError, match=r"^the bool value must be true or false$"):
        check(DataType.BOOLEAN, text)


@pytest.mark.parametrize("text", ["a", "YQ", "Y Q==", "ü"])
def test_bytes_are_base64(text: str) -> None:
    with pytest.raises(ValueError, match=r"^the value is not base64$"):
        check(DataType.BYTES, text)


@given(INT64)
def test_integers_come_back(value: int) -> None:
    assert to_text(DataType.INT, value) == str(value)
    assert parse(DataType.INT, to_text(DataType.INT, value)) == value


@given(st.floats())
def test_doubles_come_back(value: float) -> None:
    again = parse(DataType.DOUBLE, to_text(DataType.DOUBLE, value))
    assert struct.pack("d", again) == struct.pack("d", value) or (math.isnan(value) and math.isnan(again))


@given(FLOAT32)
def test_floats_come_back_in_32_bits(value: float) -> None:
    again = parse(DataType.FLOAT, to_text(DataType.FLOAT, value))
    assert struct.pack("f", again) == struct.pack("f", value) or (math.isnan(value) and math.isnan(again))


@given(st.integers(-999_999, 999_999), st.integers(-30, 30))
def test_a_float_has_no_more_digits_than_were_measured(digits: int, exponent: int) -> None:
    measured = float(f"{digits}e{exponent}")
    stored = struct.unpack("f", struct.pack("f", measured))[0]
    assert to_text(DataType.FLOAT, stored) == repr(measured)


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (21, "21.0"),
        (0.1 + 0.2, "0.3"),
        (1234.5678, "1234.5678"),
        (-0.0, "-0.0"),
        (1e10, "10000000000.0"),
        (math.nan, "nan"),
    ],
)
def test_floats_look_like_this(value: float, text: str) -> None:
    assert to_text(DataType.FLOAT, value) == text


@given(st.binary())
def test_bytes_come_back(value: bytes) -> None:
    assert to_text(DataType.BYTES, value) == base64.b64encode(value).decode()
    assert parse(DataType.BYTES, to_text(DataType.BYTES, value)) == value


@pytest.mark.parametrize("type_", [DataType.STRING, DataType.STREAM])
@given(text=st.text())
def test_text_is_itself(type_: DataType, text: str) -> None:
    assert parse(type_, text) == to_text(type_, text) == text


@given(st.booleans())
def test_booleans_come_back(value: bool) -> None:
    assert parse(DataType.BOOLEAN, to_text(DataType.BOOLEAN, value)) is value


def test_an_integer_property_rounds_a_scaled_reading() -> None:
    assert to_text(DataType.INT, 21.6) == "22"
    assert to_text(DataType.INT, True) == "1"


@pytest.mark.parametrize(
    ("type_", "value", "reason"),
    [
        (DataType.INT, math.nan, "nan is not a number"),
        (DataType.INT, math.inf, "inf is not a number"),
        (DataType.INT, 2**63, "does not fit into 64 bits"),
        (DataType.INT, "x", "'x' is not a number"),
        (DataType.FLOAT, 1e300, "does not fit into a 32-bit float"),
        (DataType.FLOAT, None, "None is not a number"),
        (DataType.DOUBLE, 10**400, "is not a number"),
    ],
)
def test_what_does_not_fit_is_refused(type_: DataType, value: object, reason: str) -> None:
    with pytest.raises(ValueError, match=reason):
        to_text(type_, value)
