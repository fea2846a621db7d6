from __future__ import annotations

import asyncio

import pytest

from eventbus.owned_task import OwnedTask


async def fail() -> None:
    await asyncio.sleep(0)
    raise LookupError("of the task")


async def for_ever() -> None:
    await asyncio.sleep(3600)


async def test_task_ends_with_the_body() -> None:
    async with OwnedTask(for_ever(), "waits"):
        assert "waits" in {task.get_name() for task in asyncio.all_tasks()}
    assert "waits" not in {task.get_name() for task in asyncio.all_tasks()}


async def test_failure_of_the_task_cancels_the_body_and_comes_out() -> None:
    reached = False

    async def body() -> None:
        nonlocal reached
        async with OwnedTask(fail(), "fails"):
            await asyncio.sleep(3600)
            reached = True

    with pytest.raises(LookupError, match="of the task"):
        await body()
    assert not reached
    assert asyncio.current_task().cancelling() == 0
    await asyncio.sleep(0)  # a cancellation left behind would strike here


async def test_failure_of_the_body_comes_out_as_it_is() -> None:
    with pytest.raises(LookupError, match="of the body"):
        async with OwnedTask(for_ever(), "waits"):
            raise LookupError("of the body")


async def test_task_that_returns_leaves_the_body_alone() -> None:
    async with OwnedTask(asyncio.sleep(0), "returns"):
        await asyncio.sleep(0.01)


async def test_cancelling_the_owner_is_not_swallowed() -> None:
    async def owner() -> None:
        async with OwnedTask(for_ever(), "waits"):
            await asyncio.sleep(3600)

    task = asyncio.create_task(owner())
    await asyncio.sleep(0.01)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
