"""A background task with an owner: `async with` starts it and ends it, and its failure is the owner's failure."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import Any, Self


class OwnedTask:
    """`async with OwnedTask(work(), "its name"):` runs `work()` beside the body and cancels it at the end.

    When it fails, the body is cancelled and the failure comes out of the `async with` as it is. (A TaskGroup would
    do so too, but wraps each exception of the body in a group of its own.)
    """

    def __init__(self, work: Coroutine[Any, Any, None], name: str) -> None:
        self._work = work
        self._name = name
        self._ending = False
        self._owner: asyncio.Task[Any] | None = None
        self._task: asyncio.Task[None]

    async def __aenter__(self) -> Self:
        self._owner = asyncio.current_task()
        self._task = asyncio.create_task(self._work, name=self._name)
        self._task.add_done_callback(lambda _: self._interrupt())
        return self

    async def __aexit__(self, *exc: object) -> None:
        interrupted = self._failure() is not None
        self._ending = True
        self._task.cancel()
        await asyncio.wait([self._task])
        if interrupted and self._owner:
            self._owner.uncancel()
        if failure := self._failure():
            raise failure

    def _failure(self) -> BaseException | None:
        if not self._task.done() or self._task.cancelled():
            return None
        return self._task.exception()

    def _interrupt(self) -> None:
        if not self._ending and self._failure() and self._owner:
            self._owner.cancel()
