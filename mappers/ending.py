"""Ending tasks for certain, though libraries swallow cancellations: `asyncio.wait_for` of Python 3.11 forgets one
that comes in the moment of its result (bpo-37658)."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from typing import Any

AGAIN = 10.0
"""Seconds after which a task that has not ended is cancelled once more; it may be saying goodbye to a device."""


def heed() -> None:
    """CancelledError when this task was cancelled, and who was awaited kept it to himself."""
    task = asyncio.current_task()
    if task is not None and task.cancelling():
        raise asyncio.CancelledError


async def end(tasks: Iterable[asyncio.Task[Any]]) -> None:
    """Cancel them, and return when they have ended, however that was."""
    pending = set(tasks)
    while pending:
        for task in pending:
            task.cancel()
        _, pending = await asyncio.wait(pending, timeout=AGAIN)
    await asyncio.gather(*tasks, return_exceptions=True)
