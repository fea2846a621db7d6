from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edged.quantity import amount, millicores, whole_bytes

SUFFIXES = {"m": Fraction(1, 1000), "": 1, "k": 10**3, "M": 10**6, "Ki": 2**10, "Mi": 2**20, "Gi": 2**30, "e3": 10**3}


@pytest.mark.parametrize(
    ("quantity", "worth"),
    [
        ("500m", Fraction(1, 2)),
        ("64Mi", 64 * 2**20),
        ("1.5Gi", 3 * 2**29),
        ("1e3", 1000),
        ("12E2", 1200),
        ("1E", 10**18),
        ("2Ei", 2**61),
        ("100n", Fraction(1, 10**7)),
        ("5.", 5),
        (".5", Fraction(1, 2)),
        ("+1", 1),
        (2, 2),
        (0.1, Fraction(1, 10)),
        (1e-7, Fraction(1, 10**7)),
        ("0.1", Fraction(1, 10)),
    ],
)
def test_a_quantity_is_read_exactly(quantity: str | float, worth: Fraction) -> None:
    assert amount(quantity) == worth


@pytest.mark.parametrize(
    "text",
    ["", "m", "1 Mi", "1mi", "1KI", "1K", "0x10", "1e", "1e999", "--1", "1,5", "\uff11", "1\n", "9" * 41, "1Ei1"],
)
def test_what_is_no_quantity_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="is no quantity"):
        amount(text)


@pytest.mark.parametrize(("text", "why"), [("-1", "less than nothing"), ("8Ei", "64 bits"), ("1e99", "64 bits")])
def test_what_nobody_can_have_is_refused(text: str, why: str) -> None:
    with pytest.raises(ValueError, match=why):
        amount(text)


def test_fractions_are_rounded_up() -> None:
    assert millicores("100.1m") == 101
    assert millicores("1n") == 1
    assert whole_bytes("0.5") == 1
    assert whole_bytes("1.5Ki") == 1536


@given(st.integers(0, 10**6), st.sampled_from(sorted(SUFFIXES)))
def test_number_times_suffix(number: int, suffix: str) -> None:
    assert amount(f"{number}{suffix}") == number * SUFFIXES[suffix]


@given(st.text(max_size=50))
def test_any_text_is_a_quantity_or_a_value_error(text: str) -> None:
    try:
        assert amount(text) >= 0
    except ValueError as error:
        assert str(error)  # noqa: PT017 - a message there must be
