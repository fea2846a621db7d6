from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from edged.backoff import FIRST, MOST, RESET, Backoff, again, due

SPANS = st.lists(st.integers(0, 2000).map(float), min_size=1, max_size=20)
"""Whole seconds, so that no sum is rounded."""


@given(SPANS)
def test_pauses_grow_to_their_limit_and_begin_anew_after_a_long_run(spans: list[float]) -> None:
    now, last = 0.0, None
    for ran in spans:
        ended = now + ran
        before = last
        now = max(ended, due(last, ended))
        last = again(last, ended, now)
        if before is None or ran > RESET:
            assert (now, last.pause) == (ended, FIRST)
        else:
            assert now == ended + before.pause
            assert last.pause == min(MOST, before.pause * 2)


def test_the_pause_is_counted_from_the_end() -> None:
    assert due(Backoff(20.0, since=100.0), ended=130.0) == 150.0
