"""The framework at work: schedules, silence, refusals, defects. Devices are objects, time is real and short."""

from __future__ import annotations

import asyncio
import itertools
import logging
import time
from typing import Any

import pytest

A, B = "default/a", "default/b"


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("mappers.link.FIRST_DELAY", 0.02)
    monkeypatch.setattr("mappers.link.LONGEST_DELAY", 0.1)


async def test_the_first_reading_comes_at_once(stage: Any) -> None:
    stage.thing("a", x=7)
    async with stage.run(stage.device("a", "x", period=3600)):
        await stage.until(lambda: stage.side.value(A, "x") == "7", 1)
        assert stage.side.last(A, "x").quality == "good"
        assert abs(stage.side.last(A, "x").time - time.time() * 1000) < 2000
        assert stage.side.states == [(A, "online")]


async def test_properties_of_one_period_are_one_read_and_one_report(stage: Any) -> None:
    thing = stage.thing("a", x=1, y=2)
    async with stage.run(stage.device("a", "x", "y")):
        await stage.until(lambda: len(stage.side.reports) == 5)
    assert {names for _, names in thing.read} == {("x", "y")}
    assert all(len(readings) == 2 for _, readings in stage.side.reports)


async def test_the_period_is_kept_without_drift(stage: Any) -> None:
    thing = stage.thing("a", x=1)
    thing.delay = 0.02
    async with stage.run(stage.device("a", "x", period=0.05)) as runner:
        await stage.until(lambda: len(thing.read) >= 22)
        skipped = runner.statistics()["things a"].skipped
    times = [at for at, _ in thing.read[1:22]]
    assert times[-1] - times[0] <= (20 + skipped) * 0.05 + 0.045


async def test_a_silent_device_is_bad_once_and_never_has_a_fresh_value(stage: Any) -> None:
    thing = stage.thing("a", x=1)
    async with stage.run(stage.device("a", "x")):
        await stage.until(lambda: stage.side.value(A, "x") == "1")
        thing.silent = True
        await stage.until(lambda: stage.side.state_of(A) == "offline")
        spoken = len(stage.side.reports)
        assert stage.side.last(A, "x").quality == "bad"
        assert stage.side.last(A, "x").value is None
        assert stage.side.last(A, "x").time == 0
        assert "no answer" in stage.side.last(A, "x").reason
        await asyncio.sleep(0.3)
        assert len(stage.side.reports) == spoken
        thing.silent = False
        await stage.until(lambda: stage.side.quality(A, "x") == "good")
        assert stage.side.last(A, "x").value == "1"
        assert stage.side.states == [(A, "online"), (A, "offline"), (A, "online")]


async def test_a_silent_device_delays_no_other_link(stage: Any) -> None:
    stage.thing("a").silent = True
    good = stage.thing("b", x=1)
    config = {"timeout": 5}
    async with stage.run(stage.device("a", "x", config=config), stage.device("b", "x", period=0.02, config=config)):
        await stage.until(lambda: len(good.read) >= 30)
    gaps = [later - earlier for (earlier, _), (later, _) in itertools.pairwise(good.read[1:])]
    assert sorted(gaps)[len(gaps) // 2] < 0.04


async def test_silent_devices_take_a_bounded_share_of_a_shared_line(stage: Any) -> None:
    line = {"line": "l", "timeout": 0.05}
    good = stage.thing("b", x=1)
    devices = [stage.device("b", "x", period=0.02, config=line)]
    for name in ("s1", "s2", "s3"):
        stage.thing(name).silent = True
        devices.append(stage.device(name, "x", period=0.02, config=line))
    async with stage.run(*devices) as runner:
        await stage.until(lambda: stage.side.state_of("default/s3") == "offline")
        begin, silent = time.monotonic(), runner.statistics()["things l"].silent
        await asyncio.sleep(2)
        waited = 0.05 * (runner.statistics()["things l"].silent - silent)
        assert waited / (time.monotonic() - begin) < 0.35
    assert len(good.read) > 50


async def test_one_lost_answer_does_not_make_a_device_offline(stage: Any) -> None:
    line = {"line": "l", "timeout": 0.05}
    stage.thing("b", x=1)
    thing = stage.thing("a", x=1)
    async with stage.run(stage.device("a", "x", config=line), stage.device("b", "x", config=line)):
        await stage.until(lambda: stage.side.value(A, "x"))
        thing.silent = True
        await stage.until(lambda: stage.side.quality(A, "x") == "bad")
        thing.silent = False
        await stage.until(lambda: stage.side.quality(A, "x") == "good")
    assert stage.side.states.count((A, "offline")) == 0


async def test_one_refused_property_costs_the_others_nothing(stage: Any) -> None:
    names = [f"p{number}" for number in range(16)]
    thing = stage.thing("a", **dict.fromkeys(names, 5))
    thing.refuses = {"p11"}
    async with stage.run(stage.device("a", *names)):
        await stage.until(lambda: stage.side.quality(A, "p11") == "bad" and stage.side.value(A, "p15") == "5")
        good = [name for name in names if stage.side.quality(A, name) == "good"]
        assert len(good) == 15
        assert stage.side.state_of(A) == "online"
        thing.read.clear()
        await asyncio.sleep(0.5)
        asked = [names for _, names in thing.read]
        assert (
            asked.count(("p11",)) < 0.6 * asked.count(("p12", "p13", "p14", "p15")[:1] or ())
            or asked.count(("p11",)) <= 4
        )
        assert max(len(request) for request in asked) == 8  # the other half is still one request
        thing.refuses = set()
        await stage.until(lambda: stage.side.quality(A, "p11") == "good")


async def test_one_request_that_is_never_answered_costs_the_others_nothing(stage: Any) -> None:
    """Some devices are silent where others refuse."""
    stage.world.batch = 2
    thing = stage.thing("a", a=1, b=2, c=3, d=4, e=5, f=6)
    thing.ignores = {"c"}
    async with stage.run(stage.device("a", "c", "d", "a", "b", "e", "f")):
        await stage.until(lambda: len(stage.side.readings(A, "f")) > 5)
        assert [stage.side.quality(A, name) for name in "abcdef"] == ["good", "good", "bad", "bad", "good", "good"]
        assert stage.side.state_of(A) == "online"
        thing.ignores = set()
        await stage.until(lambda: stage.side.quality(A, "c") == "good")
    assert len(stage.world.connects) == 1


async def test_a_lost_connection_is_made_again(stage: Any, caplog: pytest.LogCaptureFixture) -> None:
    stage.thing("a", x=1)
    with caplog.at_level(logging.INFO, "mappers"):
        async with stage.run(stage.device("a", "x")):
            await stage.until(lambda: stage.side.value(A, "x"))
            stage.world.unreachable.add("a")
            stage.world.links["a"].set()
            await stage.until(lambda: len(stage.world.connects) >= 4)
            assert stage.side.last(A, "x").quality == "bad"
            assert stage.side.state_of(A) == "offline"
            stage.world.unreachable.clear()
            await stage.until(lambda: stage.side.state_of(A) == "online" and stage.side.quality(A, "x") == "good")
    assert [record.message for record in caplog.records if record.levelno >= logging.INFO] == [
        "things a: connection reset by peer; trying on (default/a)",
        "things a: back",
    ]
    assert len(stage.world.closes) == len(stage.world.connects)


async def test_a_defect_is_said_once_and_harms_nobody(stage: Any, caplog: pytest.LogCaptureFixture) -> None:
    thing = stage.thing("a", x=1)
    thing.defective = True
    stage.thing("b", x=2)
    async with stage.run(stage.device("a", "x"), stage.device("b", "x")):
        await stage.until(lambda: len(thing.read) >= 3 and stage.side.value(B, "x") == "2")
        assert "KeyError" in stage.side.last(A, "x").reason
        thing.defective = False
        await stage.until(lambda: stage.side.quality(A, "x") == "good")
    assert caplog.text.count("Traceback") == 1


async def test_a_device_is_not_blamed_for_a_busy_process(stage: Any) -> None:
    thing = stage.thing("a", x=1)
    thing.delay = 0.03
    async with stage.run(stage.device("a", "x", period=0.05, config={"timeout": 0.1})):
        for _ in range(5):
            before = len(thing.read)
            await stage.until(lambda before=before: len(thing.read) > before)
            time.sleep(0.2)
            await asyncio.sleep(0.06)
    assert not [reading for reading in stage.side.readings(A, "x") if reading.quality == "bad"]


async def test_a_late_cycle_is_skipped_and_counted(stage: Any) -> None:
    thing = stage.thing("a", x=1)
    thing.delay = 0.09
    async with stage.run(stage.device("a", "x", period=0.02, config={"timeout": 1})) as runner:
        await stage.until(lambda: len(thing.read) == 6)
        assert runner.statistics()["things a"].skipped >= 12


async def test_devices_that_speak_by_themselves(stage: Any) -> None:
    thing = stage.thing("a")
    async with stage.run(stage.device("a", "x", "y"), pushing=True):
        await stage.until(lambda: "a" in stage.world.listening)
        points = {point.property.name: point for point in _points(stage)}
        stage.world.listening["a"].deliver({points["x"]: 3, points["y"]: 4})
        assert [readings for _, readings in stage.side.reports] == [
            tuple(stage.side.readings(A, "x") + stage.side.readings(A, "y"))
        ]
        assert (stage.side.value(A, "x"), stage.side.state_of(A)) == ("3", "online")
        stage.side.wish(A, x="9")
        await stage.until(lambda: thing.written == [("x", 9)])
        stage.world.listening["a"].deliver({points["x"]: 9})
        assert stage.side.value(A, "x") == "9"
        stage.world.links["a"].set()
        await stage.until(lambda: stage.side.quality(A, "x") == "bad" and len(stage.world.connects) > 1)
    assert not thing.read


def _points(stage: Any) -> Any:
    return stage.world.listening["a"]._mapper.points
