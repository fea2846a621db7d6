"""A late answer is never taken for another."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mappers.mapper import NoAnswer
from mappers.serial.late import LATEST, LateAnswers


def test_after_a_silence_only_the_same_is_asked() -> None:
    late = LateAnswers()
    late.owe("a", b"x", 0.0, 1.0)
    late.check("a", b"x", 1.0)
    late.check("b", b"y", 1.0)
    with pytest.raises(NoAnswer, match="could be taken for this one"):
        late.check("a", b"y", 1.0)
    assert late.owes("a", 1.0)
    assert not late.owes("b", 1.0)


def test_what_is_too_late_will_not_come() -> None:
    late = LateAnswers()
    late.owe("a", b"x", 0.0, 1.0)
    late.check("a", b"y", LATEST + 0.1)
    assert not late.owes("a", LATEST + 0.1)


def test_on_a_new_connection_nothing_is_late() -> None:
    late = LateAnswers()
    late.owe("a", b"x", 0.0, 1.0)
    late.settle()
    late.check("a", b"y", 0.1)


@given(st.lists(st.tuples(st.integers(0, 50), st.sampled_from("ab"), st.binary(max_size=1)), max_size=60))
def test_it_remembers_no_more_than_is_under_way(steps: list[tuple[int, str, bytes]]) -> None:
    late = LateAnswers()
    for now, (_, device, request) in enumerate(steps):
        late.owe(device, request, now, 1.0)
        assert len(late._owed) <= LATEST + 1
