"""Work that belongs together: it goes on side by side, and ends together."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import Any

__all__ = ["together"]


async def together(**works: Coroutine[Any, Any, None]) -> None:
    """Run these side by side, named by their keywords, until one ends: the others are cancelled then, and its failure
    comes out as it is. (A TaskGroup would wrap it in a group.)"""
    tasks = [asyncio.create_task(work, name=name) for name, work in works.items()]
    try:
        done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.wait(tasks)
    failures = [task.exception() for task in tasks if not task.cancelled()]
    for task in done:
        task.result()
    for failure in failures:
        if failure is not None:
            raise failure
