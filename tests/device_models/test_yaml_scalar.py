"""What a plain scalar means."""

from __future__ import annotations

import pytest

from device_models.yaml_scalar import Scalar, resolve


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("", None),
        ("~", None),
        ("null", None),
        ("true", True),
        ("False", False),
        ("0", 0),
        ("-12", -12),
        ("+7", 7),
        ("0x0fff", 4095),
        ("0o17", 15),
        ("18446744073709551615", 2**64 - 1),
        ("1.50", 1.5),
        ("-.5", -0.5),
        ("1.", 1.0),
        ("1e3", 1000.0),
        ("6.02E+23", 6.02e23),
        # text, although some YAML reads otherwise
        ("on", "on"),
        ("No", "No"),
        ("y", "y"),
        ("010", "010"),
        ("-01.5", "-01.5"),
        ("1_000", "1_000"),
        ("0b1", "0b1"),
        ("1:30", "1:30"),
        ("12:34:56:12:34:56", "12:34:56:12:34:56"),
        ("2024-01-01", "2024-01-01"),
        ("10.0.0.1", "10.0.0.1"),
        ("-", "-"),
        (".", "."),
        ("+", "+"),
        ("1e", "1e"),
        ("٣", "٣"),
    ],
)
def test_meanings(text: str, value: Scalar) -> None:
    assert resolve(text) == value
    assert type(resolve(text)) is type(value)


@pytest.mark.parametrize(
    "text", [".inf", "-.INF", ".nan", "1e999", "18446744073709551616", "-9223372036854775809", "9" * 5000]
)
def test_numbers_that_json_cannot_carry_are_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"not a finite number|does not fit into 64 bits"):
        resolve(text)
