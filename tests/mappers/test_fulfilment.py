"""Wishes: written, read back, met; refused, clamped, repeated. Devices are objects."""

from __future__ import annotations

import asyncio
import logging
from typing import Any

import pytest

from device_models import AccessMode, Conversion, DataType

A = "default/a"


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("mappers.wishes.FIRST_PAUSE", 0.05)
    monkeypatch.setattr("mappers.wishes.LONGEST_PAUSE", 0.2)
    monkeypatch.setattr("mappers.link.FIRST_DELAY", 0.02)
    monkeypatch.setattr("mappers.link.LONGEST_DELAY", 0.1)


async def test_a_wish_is_written_read_back_and_reported_at_once(stage: Any) -> None:
    thing = stage.thing("a", x=1)
    async with stage.run(stage.device("a", "x", period=3600)):
        await stage.until(lambda: stage.side.value(A, "x") == "1")
        stage.side.wish(A, x="5")
        await stage.until(lambda: stage.side.value(A, "x") == "5", 1)
    assert thing.written == [("x", 5)]


async def test_the_wish_is_spelled_as_it_was_wished_also_later(stage: Any) -> None:
    stage.thing("a", x=1.0)
    async with stage.run(stage.device("a", "x", type=DataType.DOUBLE)):
        stage.side.wish(A, x="21.50")
        await stage.until(lambda: [r.value for r in stage.side.readings(A, "x")][-3:] == ["21.50"] * 3)


async def test_the_conversion_is_undone(stage: Any) -> None:
    thing = stage.thing("a", x=0)
    device = stage.device("a", "x", type=DataType.DOUBLE, conversion=Conversion(scale=0.1, offset=-40))
    async with stage.run(device):
        stage.side.wish(A, x="21.2")
        await stage.until(lambda: stage.side.value(A, "x") == "21.2")
    assert thing.written[0][1] == pytest.approx(612)


async def test_the_same_wish_again_is_not_written_again(stage: Any) -> None:
    thing = stage.thing("a", x=1)
    async with stage.run(stage.device("a", "x")):
        for _ in range(5):
            stage.side.wish(A, x="5")
        await stage.until(lambda: stage.side.value(A, "x") == "5")
        for _ in range(5):
            stage.side.wish(A, x="5")  # the hub had not heard the report yet
            await asyncio.sleep(0.02)
    assert thing.written == [("x", 5)]


async def test_a_device_that_moved_away_is_brought_back(stage: Any) -> None:
    thing = stage.thing("a", x=1)
    async with stage.run(stage.device("a", "x")):
        stage.side.wish(A, x="5")
        await stage.until(lambda: stage.side.value(A, "x") == "5")
        thing.values["x"] = 1  # somebody turned the knob
        await stage.until(lambda: stage.side.value(A, "x") == "1")
        stage.side.wish(A, x="5")
        await stage.until(lambda: stage.side.value(A, "x") == "5")
    assert thing.written == [("x", 5), ("x", 5)]


async def test_a_refused_write_is_tried_again_while_the_wish_stands(
    stage: Any, caplog: pytest.LogCaptureFixture
) -> None:
    thing = stage.thing("a", x=1, y=2)
    thing.refuses = {"x"}
    with caplog.at_level(logging.INFO, "mappers"):
        async with stage.run(stage.device("a", "x", "y", period=3600)):
            stage.side.wish(A, x="5")
            await stage.until(lambda: len(thing.written) >= 3)
            thing.refuses = set()
            await stage.until(lambda: stage.side.value(A, "x") == "5")
    assert caplog.text.count("cannot be set to 5: it does not want to; trying on") == 1
    assert caplog.text.count("is 5 now, as wished") == 1


async def test_the_newest_wish_wins(stage: Any) -> None:
    thing = stage.thing("a", x=1)
    thing.refuses = {"x"}
    async with stage.run(stage.device("a", "x", period=3600)):
        stage.side.wish(A, x="5")
        await stage.until(lambda: thing.written)
        stage.side.wish(A, x="6")
        thing.refuses = set()
        await stage.until(lambda: stage.side.value(A, "x") == "6")
        await asyncio.sleep(0.3)
    assert thing.written[-1] == ("x", 6)
    assert thing.values["x"] == 6


async def test_a_withdrawn_wish_is_not_written_any_more(stage: Any) -> None:
    thing = stage.thing("a", x=1, y=1)
    thing.refuses = {"x"}
    async with stage.run(stage.device("a", "x", "y", period=3600)):
        stage.side.wish(A, x="5")
        await stage.until(lambda: thing.written)
        stage.side.wish(A, y="2")
        await stage.until(lambda: ("y", 2) in thing.written)
        count = len(thing.written)
        await asyncio.sleep(0.5)
        assert len(thing.written) == count


async def test_a_clamped_wish_is_left_open_with_the_truth_shown(stage: Any, caplog: pytest.LogCaptureFixture) -> None:
    thing = stage.thing("a", x=1)
    thing.keep = lambda _name, value: min(value, 50)
    async with stage.run(stage.device("a", "x", period=3600)):
        stage.side.wish(A, x="80")
        await stage.until(lambda: "the device keeps 50" in caplog.text)
        for _ in range(3):
            stage.side.wish(A, x="80")
            await asyncio.sleep(0.1)
        assert stage.side.value(A, "x") == "50"
        assert len(thing.written) == 3
        stage.side.wish(A, x="40")
        await stage.until(lambda: stage.side.value(A, "x") == "40")
    assert caplog.text.count("the wish is left open") == 1


async def test_a_device_that_is_slow_to_follow_is_not_written_to_again(stage: Any) -> None:
    thing = stage.thing("a", x=1)
    thing.keep = lambda _name, _value: 1  # a PLC that copies its set-points once in a while
    async with stage.run(stage.device("a", "x", period=3600)):
        stage.side.wish(A, x="5")
        await stage.until(lambda: thing.written)
        thing.values["x"] = 5
        await stage.until(lambda: stage.side.value(A, "x") == "5")
    assert thing.written == [("x", 5)]


async def test_a_silent_device_gets_its_wish_when_it_is_back(stage: Any) -> None:
    thing = stage.thing("a", x=1)
    async with stage.run(stage.device("a", "x", period=3600)):
        await stage.until(lambda: stage.side.value(A, "x"))
        thing.silent = True
        stage.side.wish(A, x="5")
        await stage.until(lambda: stage.side.quality(A, "x") == "bad")
        thing.silent = False
        await stage.until(lambda: stage.side.value(A, "x") == "5")


async def test_a_wish_waits_for_a_lost_link(stage: Any) -> None:
    thing = stage.thing("a", x=1)
    stage.world.unreachable.add("a")
    async with stage.run(stage.device("a", "x")):
        await stage.until(lambda: len(stage.world.connects) > 1)
        stage.side.wish(A, x="5")
        assert not thing.written
        stage.world.unreachable.clear()
        await stage.until(lambda: stage.side.value(A, "x") == "5")


@pytest.mark.parametrize(
    ("more", "wish", "words"),
    [
        ({"access": AccessMode.READ_ONLY}, "5", "the property is read-only"),
        ({"maximum": 10}, "11", "above the maximum of 10"),
        ({}, "five", "the value is not int"),
    ],
)
async def test_what_may_not_be_set_is_never_written(
    stage: Any, caplog: pytest.LogCaptureFixture, more: dict[str, Any], wish: str, words: str
) -> None:
    thing = stage.thing("a", x=1)
    async with stage.run(stage.device("a", "x", **more)):
        for _ in range(3):
            stage.side.wish(A, x=wish)
            await asyncio.sleep(0.05)
    assert not thing.written
    assert caplog.text.count(words) == 1


async def test_a_wish_for_an_unknown_property_is_nobodys(stage: Any) -> None:
    thing = stage.thing("a", x=1)
    async with stage.run(stage.device("a", "x")):
        stage.side.wish(A, nothing="5")
        await stage.until(lambda: stage.side.value(A, "x"))
    assert not thing.written


async def test_a_defect_while_writing_harms_nobody(stage: Any, caplog: pytest.LogCaptureFixture) -> None:
    thing = stage.thing("a", x=1, y=1)

    def surprise(name: str, value: Any) -> Any:
        return {"y": value}[name]

    thing.keep = surprise
    async with stage.run(stage.device("a", "x", "y")):
        stage.side.wish(A, x="5", y="6")
        await stage.until(lambda: stage.side.value(A, "y") == "6" and len(stage.side.readings(A, "x")) > 3)
        assert stage.side.quality(A, "x") == "good"
    assert len(stage.world.connects) == 1
    assert caplog.text.count("Traceback") == 1


async def test_a_wish_that_is_taken_back_is_never_written(stage: Any) -> None:
    """Its device was away all the while; the hub says that nothing is wished any more."""
    thing = stage.thing("a", x=10)
    thing.silent = True
    async with stage.run(stage.device("a", "x")):
        await stage.until(lambda: stage.side.state_of(A) == "offline")
        stage.side.wish(A, x="20")
        await stage.until(lambda: thing.written)
        stage.side.wish(A)
        thing.written.clear()
        thing.silent = False
        await stage.until(lambda: stage.side.state_of(A) == "online")
        await asyncio.sleep(0.5)
        assert thing.written == []
