"""Reports of one edge on their way into the log: taken in the order they came, confirmed once they are durable.

While one commit runs, what arrives is decoded and waits, so that the next commit takes all of it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import NamedTuple

from cloud_sync.twin_log import Change
from link.message import Message

__all__ = ["Intake"]

FRAMES = 8
"""Frames that wait for a commit."""

Take = Callable[[Sequence[Change]], Awaitable[None]]
Confirm = Callable[[Sequence[Message]], Awaitable[None]]


class _Frame(NamedTuple):
    changes: Sequence[Change]
    reports: Sequence[Message]


class Intake:
    """`put` and `run` are called from two tasks of one session."""

    def __init__(self, take: Take, confirm: Confirm) -> None:
        """`take` returns once the changes are durable; `confirm` tells the edge that these reports are done with."""
        self._take, self._confirm = take, confirm
        self._frames: asyncio.Queue[_Frame] = asyncio.Queue(FRAMES)

    async def put(self, changes: Sequence[Change], reports: Sequence[Message]) -> None:
        """Hand over what a frame held; waits while too many do."""
        await self._frames.put(_Frame(changes, reports))

    async def run(self) -> None:
        """Take and confirm, for as long as the session lasts."""
        while True:
            frames = [await self._frames.get()]
            while not self._frames.empty():
                frames.append(self._frames.get_nowait())
            if changes := [change for frame in frames for change in frame.changes]:
                await self._take(changes)
            if reports := [report for frame in frames for report in frame.reports]:
                await self._confirm(reports)
