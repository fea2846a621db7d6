"""Links end when they are told to, though a library swallows the cancellation."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from mappers import ending

A = "default/a"


async def test_a_read_that_swallows_a_cancellation_ends_its_link_at_once(stage: Any) -> None:
    thing = stage.thing("a", x=1)
    thing.delay, thing.swallows = 3600, 1
    clock = asyncio.get_running_loop().time
    async with stage.run(stage.device("a", "x", config={"timeout": 3600})):
        await stage.until(lambda: thing.read)
        asked = clock()
    assert clock() - asked < ending.AGAIN
    assert stage.world.closes == ["a"]


async def test_a_listener_that_swallows_cancellations_is_cancelled_again(
    stage: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ending, "AGAIN", 0.02)
    thing = stage.thing("a", x=1)
    thing.swallows = 3
    async with stage.run(stage.device("a", "x"), pushing=True):
        await stage.until(lambda: stage.world.listening)
    assert thing.swallows == 0
    assert stage.world.closes == ["a"]


async def test_a_task_that_was_not_cancelled_goes_on() -> None:
    ending.heed()
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.01):
            await asyncio.sleep(3600)
    ending.heed()


async def test_errors_of_tasks_that_end_are_nobody_s() -> None:
    async def fail() -> None:
        raise KeyError("mine")

    await ending.end([asyncio.create_task(fail()), asyncio.create_task(asyncio.sleep(3600))])
    await ending.end([])
