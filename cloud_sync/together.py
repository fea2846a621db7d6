"""Several coroutines that make up one thing: when one fails, so do all."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import Any

__all__ = ["together"]


async def together(**parts: Coroutine[Any, Any, None]) -> None:
    """Run these, each as a task of its name, until all have returned or one raises; what the first raised is raised
    here itself, not in a group."""
    try:
        async with asyncio.TaskGroup() as tasks:
            for name, part in parts.items():
                tasks.create_task(part, name=name)
    except BaseExceptionGroup as failed:
        raise failed.exceptions[0] from None
