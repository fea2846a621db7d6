"""Devices that speak by themselves, and those that fall silent."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any

import pytest

from mappers.ear import Ear
from mappers.mapper import LinkLost, Point

A, B = "default/a", "default/b"


async def listening(stage: Any) -> Ear:
    await stage.until(lambda: "line" in stage.world.listening)
    ear = stage.world.listening["line"]
    assert isinstance(ear, Ear)
    return ear


def points(ear: Ear) -> Mapping[str, Point[Any, Any]]:
    return {point.device_id: point for point in ear._mapper.points}


def pair(stage: Any, silence: float) -> list[Any]:
    for name in "ab":
        stage.thing(name)
    return [stage.device(name, "x", config={"line": "line", "silence": silence}) for name in "ab"]


async def test_one_that_falls_silent_goes_offline_and_the_others_stay(stage: Any) -> None:
    async with stage.run(*pair(stage, 0.2), pushing=True):
        ear = await listening(stage)
        here = points(ear)
        ear.deliver({here[A]: 1, here[B]: 2})

        def b_is_silent_though_a_speaks() -> bool:
            ear.deliver({here[A]: 1})
            return bool(stage.side.state_of(B) == "offline")

        await stage.until(b_is_silent_though_a_speaks)
        assert (stage.side.state_of(A), stage.side.value(A, "x")) == ("online", "1")
        assert stage.side.last(B, "x").reason == "nothing heard for 0.2 s"
        assert len(stage.world.connects) == 1
        ear.deliver({here[A]: 1, here[B]: 3})
        assert (stage.side.state_of(B), stage.side.value(B, "x")) == ("online", "3")


async def test_when_nobody_speaks_the_connection_is_made_anew(stage: Any) -> None:
    async with stage.run(*pair(stage, 0.1), pushing=True):
        await stage.until(lambda: len(stage.world.connects) > 1)
        assert stage.side.state_of(A) == stage.side.state_of(B) == "offline"
        assert stage.side.last(A, "x").quality == "bad"


async def test_without_a_silence_nobody_is_missed(stage: Any) -> None:
    async with stage.run(*pair(stage, 0), pushing=True):
        ear = await listening(stage)
        watching = asyncio.create_task(ear.watch())
        await asyncio.sleep(0.3)
        watching.cancel()
        await asyncio.gather(watching, return_exceptions=True)
        assert stage.side.states == []


async def test_a_protocol_can_say_that_one_is_gone(stage: Any) -> None:
    async with stage.run(*pair(stage, 0), pushing=True):
        ear = await listening(stage)
        here = points(ear)
        ear.deliver({here[A]: 1, here[B]: 2})
        ear.silent(A, "out of range")
        assert (stage.side.state_of(A), stage.side.last(A, "x").reason) == ("offline", "out of range")
        assert stage.side.state_of(B) == "online"


async def test_a_listener_that_returns_has_lost_the_link(stage: Any) -> None:
    async with stage.run(*pair(stage, 0), pushing=True):
        ear = await listening(stage)
        stage.world.links["line"].set()
        with pytest.raises(LinkLost, match="the other side ended the connection"):
            await ear.listen()


async def test_what_was_written_gets_its_time_to_be_said(stage: Any) -> None:
    thing = stage.thing("a", x=1)
    async with stage.run(stage.device("a", "x", config={"line": "line", "timeout": 0.6}), pushing=True):
        ear = await listening(stage)
        stage.side.wish(A, x="9")
        await stage.until(lambda: thing.written == [("x", 9)])
        await asyncio.sleep(0.4)
        assert thing.written == [("x", 9)]
        ear.deliver({points(ear)[A]: 9})
        await asyncio.sleep(0.6)
        assert thing.written == [("x", 9)]
