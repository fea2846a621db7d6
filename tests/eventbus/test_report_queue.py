"""A hub in a few lines behind a channel that loses, repeats and delays: order is kept, nothing vanishes uncounted."""

from __future__ import annotations

import itertools
from collections import deque
from collections.abc import Sequence

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from eventbus.report_queue import LONGEST_WAIT, Reading, ReportQueue, Sent, merge


class Books:
    """Encodes a report as its event id, and remembers what was in it."""

    def __init__(self) -> None:
        self.numbers = itertools.count(1)
        self.contents: dict[str, tuple[Reading, ...]] = {}

    def encode(self, report: Sequence[Reading]) -> Sent:
        event_id = f"e{next(self.numbers)}"
        self.contents[event_id] = tuple(report)
        return Sent(event_id, event_id.encode())


class Delivery(RuleBasedStateMachine):
    @initialize(limit=st.integers(1, 4))
    def start(self, limit: int) -> None:
        self.books = Books()
        self.queue = ReportQueue(self.books.encode, limit)
        self.limit = limit
        self.now = 0.0
        self.serial = itertools.count(1)
        self.reported = 0
        self.wire: deque[str] = deque()
        self.replies: deque[str] = deque()
        self.at_hub: list[str] = []

    @rule(names=st.lists(st.sampled_from("abc"), min_size=1, max_size=3, unique=True))
    def report(self, names: list[str]) -> None:
        self.queue.add(tuple(Reading(name, str(next(self.serial))) for name in names), self.now)
        self.reported += len(names)

    @rule(seconds=st.floats(0, 2 * LONGEST_WAIT))
    def send(self, seconds: float) -> None:
        self.now += seconds
        payload = self.queue.due(self.now)
        if payload is not None:
            self.wire.append(payload.decode())

    @rule(again=st.booleans())
    def hub_receives(self, again: bool) -> None:
        if self.wire:
            event_id = self.wire[0] if again else self.wire.popleft()
            self.at_hub.append(event_id)
            self.replies.append(event_id)

    @rule(again=st.booleans())
    def answer_arrives(self, again: bool) -> None:
        if self.replies:
            self.queue.answered(self.replies[0] if again else self.replies.popleft())

    @rule(what=st.sampled_from(["wire", "replies"]))
    def lose_everything_under_way(self, what: str) -> None:
        getattr(self, what).clear()

    @rule()
    def reconnect(self) -> None:
        self.queue.hurry(self.now, 1.0)

    @invariant()
    def bounded(self) -> None:
        assert self.queue.depth <= self.limit + 1

    @invariant()
    def first_arrivals_are_in_order_and_complete(self) -> None:
        first = list(dict.fromkeys(self.at_hub))
        assert first == [f"e{number}" for number in range(1, len(first) + 1)]
        for name in "abc":
            values = [int(r.value or 0) for e in first for r in self.books.contents[e] if r.property == name]
            assert values == sorted(values)

    @invariant()
    def every_reading_is_somewhere(self) -> None:
        left = sum(len(content) for content in self.books.contents.values())
        assert self.reported == left + self.queue.size + self.queue.folded

    def teardown(self) -> None:
        if hasattr(self, "queue"):
            self.drain()

    def drain(self) -> None:
        while self.queue.depth:
            self.now += 2 * LONGEST_WAIT
            payload = self.queue.due(self.now)
            assert payload is not None
            self.at_hub.append(payload.decode())
            assert self.queue.answered(payload.decode())
        assert set(self.at_hub) == set(self.books.contents)


TestDelivery = Delivery.TestCase
TestDelivery.settings = settings(max_examples=60, stateful_step_count=40, deadline=None)


@pytest.fixture
def queue() -> ReportQueue:
    return ReportQueue(Books().encode, 2)


def test_the_next_report_leaves_only_after_the_answer(queue: ReportQueue) -> None:
    queue.add((Reading("a", "1"),), 1)
    queue.add((Reading("a", "2"),), 2)
    assert queue.due(0) == b"e1"
    assert queue.due(0) is None
    assert not queue.answered("foreign")
    assert queue.oldest == 1
    assert queue.answered("e1")
    assert queue.oldest == 2
    assert queue.due(0) == b"e2"
    assert queue.answered("e2")
    assert queue.oldest is None


def test_what_is_not_answered_is_repeated_unchanged_and_ever_rarer(queue: ReportQueue) -> None:
    queue.add((Reading("a", "1"),), 1)
    queue.due(0)
    times = [second for second in range(1, 400) if queue.due(second) == b"e1"]
    gaps = [b - a for a, b in itertools.pairwise([0, *times])]
    assert 4 <= gaps[0] <= 7
    assert 48 <= gaps[-1] <= 73
    assert queue.repeated == len(times)


def test_a_refused_report_is_given_up_and_counted(queue: ReportQueue) -> None:
    queue.add((Reading("a", "1"),), 1)
    queue.due(0)
    assert queue.dropped("e1")
    assert not queue.dropped("e1")
    assert (queue.refused, queue.depth) == (1, 0)


def test_the_oldest_are_folded_and_counted(queue: ReportQueue) -> None:
    for number in range(4):
        queue.add((Reading("a", str(number)), Reading(f"only{number}", "x")), number)
    assert (queue.folded, queue.oldest) == (2, 0)
    queue.due(0)
    assert queue.flying is not None
    assert queue.depth == 2


def test_folding_keeps_a_value_whose_quality_turned_bad() -> None:
    merged = merge((Reading("a", "1", 5), Reading("b", "2", 5)), (Reading("a", None, 0, "bad", "no answer"),))
    assert merged == (Reading("a", "1", 5, "bad", "no answer"), Reading("b", "2", 5))
