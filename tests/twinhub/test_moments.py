import argparse
import contextlib
import time
from datetime import datetime

import pytest
from hypothesis import given, strategies

from twinhub.moments import moment


@pytest.mark.parametrize(
    ("text", "seconds"), [("90s", 90), ("15min", 900), ("15m", 900), ("1.5h", 5400), ("3d", 259_200)]
)
def test_so_long_ago(text: str, seconds: float) -> None:
    assert moment(text) == pytest.approx((time.time() - seconds) * 1000, abs=2000)


def test_a_date() -> None:
    assert moment("2026-03-01T14:00:00+00:00") == 1_772_373_600_000
    assert moment("2026-03-01T14:00") == int(datetime(2026, 3, 1, 14).astimezone().timestamp() * 1000)


@given(strategies.text(max_size=20))
def test_any_text_is_a_time_or_refused(text: str) -> None:
    with contextlib.suppress(argparse.ArgumentTypeError):
        assert moment(text) >= 0


@pytest.mark.parametrize("text", ["", "5", "5 s", "-5s", "1e9d", "yesterday", "0000-01-01"])
def test_what_is_no_time_is_refused_with_advice(text: str) -> None:
    with pytest.raises(argparse.ArgumentTypeError, match="15min"):
        moment(text)


def test_longer_ago_than_time_itself_is_its_beginning() -> None:
    assert moment("999999999d") == 0
