from __future__ import annotations

import math
from dataclasses import dataclass

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from mappers.timetable import SLOT, Timetable


@dataclass
class Cycle:
    period: float
    origin: float = 0.0
    planned: float = 0.0
    skipped: int = 0


@given(
    st.floats(0.05, 100),
    st.floats(0, 0.999),
    st.lists(st.floats(0, 3), min_size=1, max_size=30),
)
@example(11.652882173916122, 0.0, [0.0] * 5)
def test_each_point_of_the_grid_is_met_or_counted(period: float, phase: float, lateness: list[float]) -> None:
    """`lateness`: how long each cycle took, in periods."""
    table: Timetable[Cycle] = Timetable()
    cycle = Cycle(period)
    table.add(cycle, 0.0, phase)
    slots = max(1, round(period / SLOT))
    phase = math.floor(phase * slots) / slots
    now, done = 0.0, 0
    for late in lateness:
        assert table.pop(now) is cycle
        done += 1
        now += late * period
        table.finished(cycle, now)
        due = table.next_due()
        assert now < due + 1e-9 * period
        assert due <= now + period * (1 + 1e-5)
        assert (due / period - phase) % 1 == pytest.approx(0, abs=1e-6) or (due / period - phase) % 1 > 1 - 1e-6
        now = max(now, due)
    points = round((table.next_due() - phase * period) / period) + 1  # 0 and each grid point before the next
    assert abs(done + cycle.skipped - points) <= 1


def test_links_that_begin_at_different_times_share_their_slots() -> None:
    due = set()
    for began in (0.0, 0.31, 7.77):
        table: Timetable[Cycle] = Timetable()
        cycle = Cycle(1.0)
        table.add(cycle, began, 0.4711)
        assert table.pop(began) is cycle
        table.finished(cycle, began + 0.01)
        due.add(round(table.next_due() % 1, 6))
    assert due == {0.4}


def test_the_longest_due_goes_first_and_turns_are_taken() -> None:
    table: Timetable[Cycle] = Timetable()
    first, second = Cycle(10), Cycle(10)
    table.add(first, 0.0, 0.5)
    table.add(second, 1.0, 0.5)
    assert table.pop(2.0) is first
    table.again(first, 2.0)
    assert table.pop(2.0) is second
    table.finished(second, 2.0)
    assert table.pop(2.0) is first
    table.postpone(first, 3.0)
    assert table.pop(2.9) is None
    assert table.next_due() == 3.0
    assert table.pop(3.0) is first


def test_an_empty_table_never_wakes_anybody() -> None:
    table: Timetable[Cycle] = Timetable()
    assert table.pop(1e9) is None
    assert table.next_due() == math.inf
