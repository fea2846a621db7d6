"""When a changed reading is worth a report."""

from __future__ import annotations

import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from device_models import DataType, Deadband, Property
from device_models.deadband import is_worth_reporting


def prop(minimum: float | None = None, maximum: float | None = None, **deadband: float) -> Property:
    return Property("p", DataType.DOUBLE, minimum=minimum, maximum=maximum, deadband=Deadband(**deadband))


def test_without_a_deadband_every_reading_counts() -> None:
    assert is_worth_reporting(Property("p", DataType.INT), 1, 1, 0.0)


def test_the_first_reading_counts() -> None:
    assert is_worth_reporting(prop(absolute=100), None, 1, 0.0)


@pytest.mark.parametrize(("value", "worth"), [(10.5, False), (10.51, True), (9.5, False), (9.4, True), (10, False)])
def test_an_absolute_band_is_left_by_more_than_its_width(value: float, worth: bool) -> None:
    assert is_worth_reporting(prop(absolute=0.5), 10, value, 1.0) is worth


@pytest.mark.parametrize(("value", "worth"), [(52, False), (52.1, True), (48, False), (47.9, True)])
def test_a_percentage_is_of_the_span_where_there_is_one(value: float, worth: bool) -> None:
    assert is_worth_reporting(prop(minimum=-100, maximum=100, percent=1), 50, value, 1.0) is worth


@pytest.mark.parametrize(
    ("last", "value", "worth"),
    [(200, 202, False), (200, 203, True), (-200, -203, True), (0, 0.001, True), (0, 0, False)],
)
def test_else_a_percentage_is_of_the_last_value(last: float, value: float, worth: bool) -> None:
    assert is_worth_reporting(prop(minimum=-100, percent=1), last, value, 1.0) is worth


def test_either_band_suffices() -> None:
    both = prop(absolute=5, percent=1)
    assert is_worth_reporting(both, 100, 102, 1.0)
    assert is_worth_reporting(both, 1000, 1006, 1.0)
    assert not is_worth_reporting(both, 1000, 1004, 1.0)


def test_after_the_longest_silence_the_same_value_counts() -> None:
    quiet = prop(longest_silence=60)
    assert not is_worth_reporting(quiet, 1, 1, 59.9)
    assert is_worth_reporting(quiet, 1, 1, 60.0)
    assert is_worth_reporting(quiet, 1, 2, 0.0)


@pytest.mark.parametrize(
    ("last", "value", "worth"),
    [
        ("a", "a", False),
        ("a", "b", True),
        (True, True, False),
        (True, False, True),
        (b"1", b"2", True),
        (math.nan, math.nan, False),
        (1.0, math.nan, True),
        (math.nan, 1.0, True),
        (math.inf, math.inf, False),
        (math.inf, 5, True),
        (math.inf, -math.inf, True),
    ],
)
def test_what_has_no_distance_counts_when_it_changes(last: Any, value: Any, worth: bool) -> None:
    assert is_worth_reporting(prop(absolute=1000), last, value, 1.0) is worth
    assert is_worth_reporting(prop(percent=50), last, value, 1.0) is worth


@given(st.floats(0, 1e6), st.lists(st.floats(-1e6, 1e6), min_size=1))
def test_a_follower_is_never_further_off_than_the_band(width: float, readings: list[float]) -> None:
    banded, last = prop(absolute=width), None
    for reading in readings:
        if is_worth_reporting(banded, last, reading, 1.0):
            last = reading
        assert last is not None
        assert abs(reading - last) <= width
