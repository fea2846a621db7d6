"""Work that ends together."""

from __future__ import annotations

import asyncio

import pytest

from edgehub.together import together


async def forever(ended: list[str]) -> None:
    try:
        await asyncio.Event().wait()
    finally:
        ended.append("cancelled")


async def failing() -> None:
    await asyncio.sleep(0)
    raise ValueError("the reason")


async def test_the_first_failure_ends_the_others_and_comes_out_as_it_is() -> None:
    ended: list[str] = []
    with pytest.raises(ValueError, match="the reason"):
        await together(a=forever(ended), b=failing(), c=forever(ended))
    assert ended == ["cancelled", "cancelled"]


async def test_the_first_end_ends_the_others() -> None:
    ended: list[str] = []
    await together(a=forever(ended), b=asyncio.sleep(0))
    assert ended == ["cancelled"]


async def test_a_cancelled_owner_takes_its_work_along() -> None:
    ended: list[str] = []
    owner = asyncio.create_task(together(a=forever(ended)))
    await asyncio.sleep(0.01)
    owner.cancel()
    with pytest.raises(asyncio.CancelledError):
        await owner
    assert ended == ["cancelled"]
