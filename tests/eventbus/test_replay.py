"""What a resumed session repeats is recognised, and what is new never is taken for a repeat."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from eventbus.replay import Handled, Replay, digest, refused


def repeats(history: list[str], delivered: list[str]) -> list[bool]:
    replay = Replay([digest("d", text.encode()) for text in history])
    return [replay.find(digest("d", text.encode())) is not None for text in delivered]


def test_the_old_part_is_recognised_and_the_new_is_not() -> None:
    assert repeats(["1", "2", "3"], ["2", "3", "4", "3"]) == [True, True, False, False]


def test_holes_in_what_is_repeated_do_not_matter() -> None:
    assert repeats(["1", "2", "3", "4"], ["1", "3", "5"]) == [True, True, False]


def test_without_history_everything_is_new() -> None:
    assert repeats([], ["1"]) == [False]


def test_what_was_refused_is_recognised_as_refused() -> None:
    """A message that was refused, then sent again and accepted, is both, in this order."""
    first, second = digest("d", b"1"), digest("d", b"2")
    replay = Replay([refused(first), second, first])
    assert [replay.find(mark) for mark in (first, second, first, second)] == [
        Handled.REFUSED,
        Handled.ACCEPTED,
        Handled.ACCEPTED,
        None,
    ]


def test_the_same_payload_of_another_device_is_another_message() -> None:
    assert digest("default/a", b"{}") != digest("default/b", b"{}")


messages = st.lists(st.integers().map(str), unique=True, max_size=30)


@given(messages, st.data())
def test_a_broker_that_went_back_in_time_changes_nothing(sent: list[str], data: st.DataObject) -> None:
    """History, then a repeat of any stretch of it, then what is new: exactly the stretch is recognised."""
    split = data.draw(st.integers(0, len(sent)))
    history, new = sent[:split], sent[split:]
    start = data.draw(st.integers(0, split))
    end = data.draw(st.integers(start, split))
    assert repeats(history, history[start:end] + new) == [True] * (end - start) + [False] * len(new)
