"""What the engine tells of changes (containerd 1.7, CRI-O where it is switched on), or else what its lists show
otherwise than a second before."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import suppress

from cri_api.v1 import api_pb2 as cri

from edged.cri.api import Api
from edged.runtime import LABEL, RuntimeRefused, RuntimeUnavailable

__all__ = ["changes"]

PERIOD = 1.0
"""Seconds between two lists while there is something of ours, and between two streams."""
IDLE_PERIOD = 10.0
"""Seconds between two lists while there is nothing."""


async def changes(api: Api, begun: asyncio.Event) -> AsyncIterator[None]:
    """Yields after each change, and once in the beginning. `begun` is set when something of ours is made.
    RuntimeUnavailable: the engine cannot be reached."""
    with suppress(RuntimeRefused):
        while True:
            async for _ in _one_stream(api):
                yield
            await asyncio.sleep(PERIOD)
    async for _ in _lists(api, begun):
        yield


async def _one_stream(api: Api) -> AsyncIterator[None]:
    """Until it is lost. RuntimeUnavailable: it never was there."""
    there = False
    try:
        async for _ in api.events():
            there = True
            yield
    except RuntimeUnavailable:
        if not there:
            raise


async def _lists(api: Api, begun: asyncio.Event) -> AsyncIterator[None]:
    before: object = None
    while True:
        begun.clear()
        now = await _ours(api)
        if now != before:
            yield
        before = now
        if now:
            await asyncio.sleep(PERIOD)
        else:
            await _either(begun, IDLE_PERIOD)


async def _ours(api: Api) -> frozenset[tuple[str, int]]:
    """Ids and states."""
    containers = (await api.call(cri.ListContainersRequest(), cri.ListContainersResponse)).containers
    sandboxes = (await api.call(cri.ListPodSandboxRequest(), cri.ListPodSandboxResponse)).items
    return frozenset((one.id, one.state) for one in (*containers, *sandboxes) if LABEL.node in one.labels)


async def _either(event: asyncio.Event, seconds: float) -> None:
    with suppress(TimeoutError):
        async with asyncio.timeout(seconds):
            await event.wait()
