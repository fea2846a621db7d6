"""Limits, types and access modes, as sentences."""

from __future__ import annotations

import pytest

from device_models import AccessMode, DataType, Property
from device_models.limits import refusal, remark

BOILER = Property("setpoint", DataType.FLOAT, access=AccessMode.READ_WRITE, unit="°C", minimum=20.0, maximum=90.0)


@pytest.mark.parametrize("text", ["20", "90", "55.5"])
def test_within_limits_nothing_is_said(text: str) -> None:
    assert refusal(BOILER, text) is None
    assert remark(BOILER, text) is None


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("19.9", "19.9 °C is below the minimum of 20 °C"),
        ("1e3", "1e3 °C is above the maximum of 90 °C"),
        ("-inf", "-inf °C is below the minimum of 20 °C"),
        ("nan", "nan is not within limits"),
        ("hot", "the value is not float"),
        ("1" * 50, "1" * 40 + "… °C is above the maximum of 90 °C"),
    ],
)
def test_what_is_wrong_is_said(text: str, sentence: str) -> None:
    assert refusal(BOILER, text) == sentence
    assert remark(BOILER, text) == sentence


def test_a_read_only_property_refuses_every_wish_and_no_reading() -> None:
    sensor = Property("level", DataType.INT, minimum=0.0)
    assert refusal(sensor, "1") == "the property is read-only"
    assert remark(sensor, "1") is None
    assert remark(sensor, "-1") == "-1 is below the minimum of 0"


def test_limits_are_printed_in_full() -> None:
    counter = Property("count", DataType.INT, maximum=1234567.0)
    assert remark(counter, "9223372036854775807") == "9223372036854775807 is above the maximum of 1234567"


@pytest.mark.parametrize("type_", [DataType.STRING, DataType.STREAM])
def test_free_text_has_no_limits(type_: DataType) -> None:
    assert remark(Property("note", type_, minimum=1.0), "") is None


@pytest.mark.parametrize(("type_", "text"), [(DataType.BOOLEAN, "1"), (DataType.BYTES, "?"), (DataType.INT, "1.5")])
def test_a_wrong_type_is_said_without_limits_too(type_: DataType, text: str) -> None:
    assert remark(Property("p", type_), text) is not None
