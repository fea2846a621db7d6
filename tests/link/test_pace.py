from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from link.pace import Pace


def test_after_a_rest_a_burst_and_then_the_rate():
    pace = Pace(rate=100, burst=10)
    assert pace.ready(0.0) == 10
    pace.spend(10, 0.0)
    assert pace.ready(0.0) == 0
    assert pace.delay(0.0) == pytest.approx(0.01)
    assert pace.ready(0.05) == 5
    assert pace.ready(100.0) == 10
    assert pace.delay(100.0) == 0.0


def test_what_is_spent_beyond_is_a_debt():
    pace = Pace(rate=10, burst=1)
    pace.spend(21, 0.0)
    assert pace.delay(1.0) == pytest.approx(1.1)
    assert pace.ready(1.9) == 0
    assert pace.ready(2.11) == 1


def test_time_never_goes_back():
    pace = Pace(rate=1, burst=5)
    pace.spend(5, 10.0)
    assert pace.ready(9.0) == 0
    assert pace.ready(11.0) == 1


@given(st.lists(st.floats(0.0, 0.5), min_size=1, max_size=60), st.floats(1, 1000), st.floats(1, 50))
def test_never_more_than_the_burst_and_the_rate(waits, rate, burst):
    pace, now, gone = Pace(rate, burst), 0.0, 0
    for wait in waits:
        now += wait
        ready = pace.ready(now)
        pace.spend(ready, now)
        gone += ready
        assert gone <= burst + rate * now + 1e-6
        assert pace.delay(now) > 0
    now += pace.delay(now) + 1e-6
    assert pace.ready(now) >= 1
