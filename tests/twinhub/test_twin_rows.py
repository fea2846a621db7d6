import argparse

import pytest

from twin.documents import MsgTwin, TwinValue, TypeMetadata, ValueMetadata
from twinhub.twin_rows import device_id, is_met, row

NOW = 1_786_000_000.0


def value(text: str | None, seconds_ago: float = 0.0, **more: str) -> TwinValue:
    at = int((NOW - seconds_ago) * 1000)
    return TwinValue(text, ValueMetadata(timestamp=at, **more))  # type: ignore[arg-type]


def test_a_row_shows_value_unit_wish_quality_and_age() -> None:
    twin = MsgTwin(expected=value("1500"), actual=value("1200", 3.0), metadata=TypeMetadata("int", "rpm"))
    assert row("speed", twin, NOW) == ("speed", "1200", "rpm", "→ 1500", "good", "3.0 s")


def test_age_counts_from_the_reading_not_from_its_arrival() -> None:
    metadata = ValueMetadata(timestamp=int(NOW * 1000), sourceTimestamp=int((NOW - 60) * 1000))
    assert row("speed", MsgTwin(actual=TwinValue("1", metadata)), NOW)[-1] == "60 s"


def test_bad_quality_says_why() -> None:
    twin = MsgTwin(actual=value("1200", quality="bad", reason="no answer"))
    assert row("speed", twin, NOW)[4] == "bad: no answer"


def test_a_property_that_was_never_read_shows_no_number() -> None:
    assert row("speed", MsgTwin(expected=value("5")), NOW)[:5] == ("speed", "-", "", "→ 5", "no reading yet")
    never = MsgTwin(actual=TwinValue(None, ValueMetadata(quality="bad", reason="connection refused")))
    assert row("speed", never, NOW)[4] == "bad: connection refused"


@pytest.mark.parametrize(
    ("desired", "reported", "met"),
    [("5", "5", True), ("5", "5.0", True), ("5", "6", False), ("on", "off", False), ("5", None, False)],
)
def test_a_wish_is_met_by_an_equal_value(desired: str, reported: str | None, met: bool) -> None:
    assert is_met(desired, reported) is met


def test_device_ids() -> None:
    assert device_id("pump") == "default/pump"
    assert device_id("line-2/pump") == "line-2/pump"
    for wrong in ("", "/", "a/", "a/b/c", "a/#", "+"):
        with pytest.raises(argparse.ArgumentTypeError):
            device_id(wrong)
