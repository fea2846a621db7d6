from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from device_models import DataType, Property
from mappers.channel import Channel
from mappers.mapper import Batch, Mapper, Point
from mappers.station import LONGEST_PAUSE, LONGEST_REST, SHARE, Station


class Halves(Mapper[Any, Any]):
    """Two points to a request."""

    async def connect(self) -> None: ...

    async def close(self) -> None: ...

    def plan(self, points: Any) -> list[Batch[Any, Any]]:
        return [Batch(tuple(points[i : i + 2])) for i in range(0, len(points), 2)]


def station(*periods: float) -> Station:
    points = [
        Point("default/a", Property(f"p{n}", DataType.INT, collect_cycle=p), None, None)
        for n, p in enumerate(periods)
    ]
    return Station("default/a", [Channel(point, None) for point in points], 1.0)


def planned(*periods: float) -> Station:
    it = station(*periods)
    it.plan(Halves([channel.point for channel in it.channels.values()]))
    return it


@given(st.floats(0.05, 5), st.integers(1, 20), st.integers(1, 30))
def test_silent_devices_leave_most_of_a_shared_line_to_the_others(waited: float, silent: int, failures: int) -> None:
    it = station(1.0)
    for _ in range(failures):
        it.silent(0.0, waited, silent=silent, all_silent=False)
    assert silent * waited / (waited + it.retry_at) <= SHARE + 1e-9
    assert it.retry_at <= max(waited + LONGEST_PAUSE, waited * silent / SHARE)


@given(st.floats(0.05, 5), st.integers(1, 30))
def test_a_silent_device_is_left_alone_for_as_long_as_it_was_waited_for(waited: float, failures: int) -> None:
    it = station(1.0)
    for _ in range(failures):
        it.silent(0.0, waited, silent=1, all_silent=True)
    assert waited <= it.retry_at <= waited + LONGEST_PAUSE


def test_pauses_are_full_of_jitter() -> None:
    pauses = set()
    for _ in range(50):
        it = station(1.0)
        for _ in range(6):
            it.silent(0.0, 1.0, silent=1, all_silent=True)
        pauses.add(round(it.retry_at))
    assert len(pauses) > 10


def test_offline_comes_with_the_second_silence_online_with_the_first_answer() -> None:
    it = station(1.0)
    assert it.silent(0.0, 1.0, silent=1, all_silent=True)  # it was never heard of
    it.online = False
    assert it.answered()
    it.online = True
    assert not it.silent(0.0, 1.0, silent=1, all_silent=True)
    assert it.silent(0.0, 1.0, silent=1, all_silent=True)


def test_each_period_is_a_cycle_of_its_own() -> None:
    it = planned(1.0, 5.0, 1.0, 1.0)
    assert [(cycle.period, len(cycle.requests)) for cycle in it.cycles] == [(1.0, 2), (5.0, 1)]


def test_a_refused_request_rests_and_the_others_go_on() -> None:
    [cycle] = planned(1.0, 1.0, 1.0, 1.0).cycles
    first, second = cycle.requests
    assert cycle.next_request(0.0) is first
    first.rest(0.0, 1.0)
    assert cycle.next_request(0.0) is second
    cycle.turn += 1
    assert cycle.next_request(0.0) is None
    cycle.restart()
    assert cycle.next_request(LONGEST_REST) is first


def test_parts_take_the_place_of_a_refused_request() -> None:
    [cycle] = planned(1.0, 1.0, 1.0).cycles
    whole, last = cycle.requests
    cycle.replace([Batch(whole.batch.points[:1]), Batch(whole.batch.points[1:])])
    assert [request.batch.points for request in cycle.requests] == [
        whole.batch.points[:1],
        whole.batch.points[1:],
        last.batch.points,
    ]
    assert [channel.name for request in cycle.requests for channel in request.channels] == ["p0", "p1", "p2"]


@pytest.mark.parametrize("name", ["a", "b", "c"])
def test_the_phase_is_a_fixed_part_of_the_period(name: str) -> None:
    it = Station(f"default/{name}", [], 1.0)
    assert 0 <= it.phase < 1
    assert it.phase == Station(f"default/{name}", [], 2.0).phase
