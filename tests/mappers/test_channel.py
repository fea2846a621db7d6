from __future__ import annotations

import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from device_models import AccessMode, Conversion, DataType, Deadband, Property
from eventbus.device_side import Reading
from mappers.channel import LARGEST_TEXT, LATEST_TIME, LONGEST_REASON, Channel
from mappers.mapper import Failure, Point, Sample


def channel(type_: DataType = DataType.INT, conversion: Conversion | None = None, **more: Any) -> Channel:
    prop = Property("x", type_, AccessMode.READ_WRITE, **more)
    return Channel(Point("default/a", prop, None, None), conversion)


def test_a_value_is_converted_and_becomes_text() -> None:
    scaled = channel(DataType.FLOAT, Conversion(scale=0.1, offset=-40))
    assert scaled.accept(612, 5) == Reading("x", "21.2", 5)


def test_a_failure_is_said_once_and_has_neither_value_nor_time() -> None:
    it = channel()
    assert it.fail("no answer") == Reading("x", None, 0, "bad", "no answer")
    assert it.fail("no answer") is None
    assert it.accept(Failure("no answer"), 7) is None
    assert it.fail("cable out") == Reading("x", None, 0, "bad", "cable out")
    assert it.accept(5, 8) == Reading("x", "5", 8)
    assert it.fail("cable out") == Reading("x", None, 0, "bad", "cable out")


@given(st.lists(st.one_of(st.integers(0, 3), st.just(Failure("f")), st.just(ValueError("v")), st.just(math.nan))))
def test_no_failure_ever_becomes_a_value_or_a_fresh_time(raws: list[Any]) -> None:
    it = channel(DataType.DOUBLE)
    for time, raw in enumerate(raws, 1):
        reading = it.accept(raw, time)
        if isinstance(raw, int):
            assert reading == Reading("x", f"{raw}.0", time)
        elif reading is not None:
            assert (reading.value, reading.time, reading.quality) == (None, 0, "bad")


@pytest.mark.parametrize("raw", [math.nan, math.inf, -math.inf])
def test_what_is_no_number_is_bad(raw: float) -> None:
    reading = channel(DataType.DOUBLE).accept(raw, 1)
    assert reading is not None
    assert (reading.value, reading.quality, reading.reason) == (None, "bad", f"the device says {raw}")


def test_a_value_that_does_not_fit_its_type_is_bad() -> None:
    reading = channel().accept(2**64 - 1, 1)
    assert reading is not None
    assert (reading.value, reading.quality) == (None, "bad")


def test_a_value_outside_its_limits_is_kept_and_marked() -> None:
    it = channel(minimum=0, maximum=100, unit="%")
    assert it.accept(100, 1) == Reading("x", "100", 1)
    assert it.accept(101, 2) == Reading("x", "101", 2, "uncertain", "101 % is above the maximum of 100 %")


def test_a_deadband_hides_small_changes_but_no_change_of_quality() -> None:
    it = channel(deadband=Deadband(absolute=2, longest_silence=10), maximum=50)
    assert it.accept(10, 1000) is not None
    assert it.accept(11, 2000) is None
    assert it.accept(13, 3000) is not None
    it.fail("no answer")
    assert it.accept(13, 4000) is not None
    assert it.accept(13, 5000) is None
    assert it.accept(13, 14_000) is not None
    assert it.accept(14, 15_000, always=True) is not None


def test_a_reading_that_equals_the_wish_is_spelled_like_it() -> None:
    it = channel(DataType.FLOAT)
    it.wish(21.5, "21.50")
    assert it.accept(21.5, 1) == Reading("x", "21.50", 1)
    assert it.shows("21.50")
    assert it.accept(21.4, 2) == Reading("x", "21.4", 2)
    assert not it.shows("21.50")
    it.fail("gone")
    assert not it.shows("21.4")


def test_a_float32_is_near_enough_to_its_wish_and_a_step_is_not() -> None:
    it = channel(DataType.DOUBLE)
    it.wish(21.3, "21.3")
    assert it.accept(21.299999237060547, 1) == Reading("x", "21.3", 1)
    assert it.accept(21.301, 2) == Reading("x", "21.301", 2)


def test_a_scaled_integer_meets_its_wish() -> None:
    it = channel(DataType.INT, Conversion(scale=0.1))
    it.wish(12, "012")
    assert it.accept(120, 1) == Reading("x", "012", 1)


def test_truth_text_and_bytes() -> None:
    truth = channel(DataType.BOOLEAN)
    truth.wish(True, "true")
    assert truth.accept(True, 1) == Reading("x", "true", 1)
    assert truth.accept(False, 2) == Reading("x", "false", 2)
    assert channel(DataType.STRING).accept("söß", 1) == Reading("x", "söß", 1)
    assert channel(DataType.BYTES).accept(b"\x00\xff", 1) == Reading("x", "AP8=", 1)


@pytest.mark.parametrize("raw", [None, [], {}, object(), "five", 10**400])
@pytest.mark.parametrize("type_", [DataType.INT, DataType.DOUBLE])
def test_what_a_protocol_should_not_have_read_is_bad_and_no_crash(raw: Any, type_: DataType) -> None:
    for it in (channel(type_), channel(type_, Conversion(scale=0.5, offset=1), minimum=0, maximum=5)):
        reading = it.accept(raw, 1)
        assert reading is not None
        assert (reading.value, reading.quality, bool(reading.reason)) == (None, "bad", True)


def test_nothing_is_not_false() -> None:
    reading = channel(DataType.BOOLEAN).accept(None, 1)  # type: ignore[arg-type]
    assert reading is not None
    assert (reading.value, reading.quality) == (None, "bad")


def test_a_conversion_of_text_is_bad_and_no_crash() -> None:
    reading = channel(DataType.STRING, Conversion(scale=2.5)).accept("abc", 1)
    assert reading is not None
    assert reading.quality == "bad"


def test_a_sample_keeps_its_own_time_and_quality() -> None:
    it = channel()
    assert it.accept(Sample(5, 3), 100) == Reading("x", "5", 3)
    assert it.accept(Sample(5), 100) == Reading("x", "5", 100)
    assert it.accept(Sample(6, 4, "uncertain", "SensorNotAccurate"), 100) == Reading(
        "x", "6", 4, "uncertain", "SensorNotAccurate"
    )
    assert it.accept(Sample(6, 5, "uncertain"), 100) == Reading(
        "x", "6", 5, "uncertain", "the device calls it uncertain"
    )


def test_the_same_sample_read_again_is_no_news() -> None:
    it = channel()
    assert it.accept(Sample(5, 3), 100) is not None
    assert it.accept(Sample(5, 3), 200) is None
    assert it.accept(Sample(5, 3), 200, always=True) == Reading("x", "5", 3)
    assert it.accept(Sample(5, 4), 300) == Reading("x", "5", 4)
    assert it.fail("gone") is not None
    assert it.accept(Sample(5, 4), 400) == Reading("x", "5", 4)


def test_samples_without_a_time_are_all_news() -> None:
    it = channel()
    assert it.accept(Sample(5), 100) == Reading("x", "5", 100)
    assert it.accept(Sample(5), 101) == Reading("x", "5", 101)


def test_a_doubtful_sample_beyond_its_limits_has_the_devices_reason() -> None:
    it = channel(maximum=4)
    assert it.accept(Sample(5, 3, "uncertain", "EngineeringUnitsExceeded"), 9) == Reading(
        "x", "5", 3, "uncertain", "EngineeringUnitsExceeded"
    )
    reading = it.accept(Sample(5, 4), 9)
    assert reading is not None
    assert reading.quality == "uncertain"


def test_what_a_hub_would_refuse_with_all_beside_it_is_bad_alone() -> None:
    it = channel(DataType.STRING)
    assert it.accept("a" * LARGEST_TEXT, 1) is not None
    for raw, reason in (
        (
            "é" * LARGEST_TEXT,
            f"the value has {2 * LARGEST_TEXT} bytes, more than the {LARGEST_TEXT} that a twin holds",
        ),
        ("level \udcff", "the text of the device is no UTF-8"),
    ):
        assert it.accept(raw, 2) == Reading("x", None, 0, "bad", reason)
    large = channel(DataType.BYTES).accept(bytes(LARGEST_TEXT), 3)
    assert large is not None
    assert large.quality == "bad"


@pytest.mark.parametrize("quoted", ["7" * 100_000, "\udcff\n\x00" * 10_000])
def test_a_reason_is_one_line_of_bounded_length(quoted: str) -> None:
    readings = (
        channel().fail(quoted),
        channel(DataType.INT).accept(quoted, 1),
        channel().accept(Sample(1, 1, "uncertain", quoted), 1),
    )
    for reading in readings:
        assert reading is not None
        assert 0 < len(reading.reason.encode()) <= 4 * LONGEST_REASON
        assert reading.reason.isprintable()


def test_a_time_beyond_the_calendar_is_none() -> None:
    assert channel().accept(Sample(1, LATEST_TIME), 7) == Reading("x", "1", 7)
    assert channel().accept(Sample(1, LATEST_TIME - 1), 7) == Reading("x", "1", LATEST_TIME - 1)
