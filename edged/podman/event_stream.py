"""What podman tells of changes, for ever: a stream that was lost is opened again."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from typing import TYPE_CHECKING

from edged.runtime import RuntimeUnavailable

if TYPE_CHECKING:
    from aiohttp import ClientResponse

    from edged.podman.api import Api

__all__ = ["changes"]

FILTERS = json.dumps({"event": ["create", "start", "died", "stop", "remove", "kill"]})
"""Not those of commands in containers: each probe is one. Other people's are among them: libpod (4.3) cannot be asked
for all that bear a label, whatever its value."""
OVERLAP = 2
"""Seconds before the beginning of a stream whose events come in it again: one is lost in between otherwise."""
OPENING = 60.0
"""Seconds."""
LEAST = 0.2
"""Seconds between two streams."""


async def changes(api: Api) -> AsyncIterator[None]:
    """Yields after each change, and once a stream is there. RuntimeUnavailable: there is none any more, and the
    service cannot be reached."""
    while True:
        opened = time.monotonic()
        async for _ in _one_stream(api):
            yield
        await asyncio.sleep(max(0.0, opened + LEAST - time.monotonic()))


async def _one_stream(api: Api) -> AsyncIterator[None]:
    """Until it is lost. RuntimeUnavailable: it never was there."""
    there = False
    try:
        async with AsyncExitStack() as stack:
            response = await _open(api, stack)
            there = True
            yield
            async for _ in response.content.iter_any():
                yield
    except RuntimeUnavailable:
        if not there:
            raise


async def _open(api: Api, stack: AsyncExitStack) -> ClientResponse:
    query = {"stream": "true", "since": str(int(time.time()) - OVERLAP), "filters": FILTERS}
    try:
        async with asyncio.timeout(OPENING):
            return await stack.enter_async_context(api.stream("GET", "/events", query))
    except TimeoutError:
        raise RuntimeUnavailable(f"podman's service told no events for {OPENING:.0f} s") from None
