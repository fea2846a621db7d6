"""Names, values and types."""

from __future__ import annotations

import pytest

from device_models import DataType
from twin.rules import Rules


@pytest.mark.parametrize("name", ["a", "a_b-c.d,e:f/g@h#i", "n" * 128])
def test_names(name: str) -> None:
    assert Rules().name_fault(name) is None


@pytest.mark.parametrize("name", ["", "a b", "grün", "a+b", "n" * 129, "a\n"])
def test_no_names(name: str) -> None:
    assert "The key of twin must only include" in (Rules().name_fault(name) or "")


@pytest.mark.parametrize("text", ["a b", "grün", '{"a":1}', "50%", "x" * 600, "\x00", "\ud800"])
def test_any_text_is_a_value_unless_strict(text: str) -> None:
    assert Rules().value_fault(text) is None
    assert "The value of twin must only include" in (Rules(strict=True).value_fault(text) or "")


def test_the_size_of_a_value_is_counted_in_bytes() -> None:
    rules = Rules(value_bytes=8)
    assert rules.value_fault("12345678") is None
    assert rules.value_fault("üüüü") is None
    assert rules.value_fault("123456789") is not None
    assert rules.value_fault("üüüüü") is not None


@pytest.mark.parametrize(
    ("type_name", "text", "reason"),
    [
        ("int", "fast", "the value is not int or integer"),
        ("integer", "1.5", "the value is not int or integer"),
        ("int", "9223372036854775808", "the value is not int or integer"),
        ("int", "", "the value is not int or integer"),
        ("int", "-7", None),
        ("float", "warm", "the value is not float"),
        ("float", "NaN", None),
        ("boolean", "True", "the bool value must be true or false"),
        ("string", "anything", None),
        ("", "anything", None),
        ("date", "2026-01-01", "the value type is not allowed"),
        ("INT", "1", "the value type is not allowed"),
        ("double", "1.5", None),
        ("bytes", "AA==", None),
        ("bytes", "?", "the value is not base64"),
    ],
)
def test_types(type_name: str, text: str, reason: str | None) -> None:
    assert Rules().type_fault(type_name, text) == reason


@pytest.mark.parametrize("data_type", list(DataType))
def test_every_declared_type_is_allowed_in_either_mode(data_type: DataType) -> None:
    for rules in (Rules(), Rules(strict=True)):
        assert rules.type_fault(rules.type_of(data_type), "") != "the value type is not allowed"
