"""A late answer is never taken for another."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mappers.mapper import NoAnswer
from mappers.serial.late import LATEST, LateAnswers, Question
from mappers.serial.message import Message

A, B = b"A?", b"B?"


def question(request: bytes, device: str = "d", *, tells: bool = False) -> Question:
    """Its answer begins with the first letter of the request."""
    return Question(device, request, 1.0, tells, lambda message: message.text.startswith(chr(request[0])))


def owing(*requests: bytes) -> LateAnswers:
    late = LateAnswers()
    for request in requests:
        late.owe(question(request), 0.0)
    return late


def test_after_a_silence_only_the_same_is_asked() -> None:
    late = owing(A)
    late.ask(question(A), 1.0)
    late.ask(question(B, "another"), 1.0)
    assert late.owes("d", 1.0)
    assert not late.owes("another", 1.0)
    with pytest.raises(NoAnswer, match="could be taken for this one"):
        late.ask(question(B), 1.0)


def test_what_waits_is_not_kept_waiting_by_what_is_asked_again() -> None:
    late = owing(A)
    with pytest.raises(NoAnswer):
        late.ask(question(B), 1.0)
    with pytest.raises(NoAnswer):
        late.ask(question(A), 1.0)
    late.ask(question(B), LATEST + 0.1)
    assert not late.owes("d", LATEST + 0.1)
    late.ask(question(A), LATEST + 0.1)


def test_what_has_a_look_of_its_own_need_not_wait() -> None:
    late = owing(A)
    late.ask(question(B, tells=True), 1.0)
    assert late.claims(question(B, tells=True), Message(b"A=1"), 1.0)
    assert not late.claims(question(B, tells=True), Message(b"B=1"), 1.0)
    assert not late.claims(question(A, tells=True), Message(b"A=1"), 1.0)
    assert not late.claims(question(B, tells=True), Message(b"A=1"), LATEST + 0.1)


STEP = st.tuples(st.sampled_from([A, B]), st.floats(0.01, 3), st.one_of(st.none(), st.floats(0.001, LATEST)))
"""What is asked, after how long a pause, and how long its answer takes."""


@given(st.lists(STEP, max_size=40))
@settings(max_examples=300)
def test_no_answer_is_taken_for_another_however_long_each_takes(
    steps: list[tuple[bytes, float, float | None]],
) -> None:
    """An instrument answers each request after a time of its own, or never; whoever waits takes what comes first."""
    late, now, timeout = LateAnswers(), 0.0, 1.0
    coming: list[tuple[float, bytes]] = []
    for request, pause, takes in steps:
        now += pause
        coming = [answer for answer in coming if answer[0] > now]  # what comes while nobody waits is lost
        try:
            late.ask(question(request), now)
        except NoAnswer:
            continue
        if takes is not None:
            coming.append((now + takes, request))
        first = min(coming, default=(now + 2 * timeout, b""))
        if first[0] <= now + timeout:
            assert first[1] == request
            coming.remove(first)
            now = first[0]
        else:
            now += timeout
            late.owe(question(request), now)
