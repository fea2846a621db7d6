"""What may happen to bytes between a mapper and its device: nothing arrives, it arrives late, it arrives as noise."""

from __future__ import annotations

import asyncio
import math
import random
from collections.abc import Awaitable, Callable
from contextlib import suppress

Read = Callable[[], Awaitable[bytes]]
Write = Callable[[bytes], Awaitable[None]]

MOST_ON_THE_WAY = 1000
"""Pieces that wait for their turn in one direction."""


class Disturbance:
    """`carry` passes bytes on, as well as they get through at present. One disturbance at a time: the last counts.

    `loses`: what is said into silence is lost, as on a serial line; otherwise it arrives when the silence is over,
    as over TCP.
    """

    def __init__(self, *, loses: bool) -> None:
        self._loses = loses
        self._silent = False
        self._delay = 0.0
        self._garbled = False
        self._changed = asyncio.Event()
        self._random = random.Random(0)  # noqa: S311 - noise, the same in each run

    def silence(self) -> None:
        """Nothing arrives, in either direction."""
        self._become(silent=True)

    def slow(self, seconds: float) -> None:
        """What the device says arrives so much later."""
        self._become(delay=seconds)

    def garble(self) -> None:
        """What the device says arrives as noise of the same length."""
        self._become(garbled=True)

    def whole(self) -> None:
        """All arrives, at once and as it was said."""
        self._become()

    def _become(self, *, silent: bool = False, delay: float = 0.0, garbled: bool = False) -> None:
        self._silent, self._delay, self._garbled = silent, delay, garbled
        self._changed.set()
        self._changed = asyncio.Event()

    async def carry(self, read: Read, write: Write, *, from_device: bool) -> None:
        """Pass on what `read` gives, until it gives nothing; that, too, arrives no sooner than other words."""
        on_the_way: asyncio.Queue[tuple[float, bytes]] = asyncio.Queue(MOST_ON_THE_WAY)
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._take(read, on_the_way), name="taking bytes")
            tasks.create_task(self._bring(write, on_the_way, from_device), name="bringing bytes")

    async def _take(self, read: Read, on_the_way: asyncio.Queue[tuple[float, bytes]]) -> None:
        data = b" "
        while data:
            data = await read()
            if not (data and self._silent and self._loses):
                await on_the_way.put((_now(), data))

    async def _bring(self, write: Write, on_the_way: asyncio.Queue[tuple[float, bytes]], from_device: bool) -> None:
        while True:
            said_at, data = await on_the_way.get()
            await self._travel(said_at, from_device)
            if not data:
                return
            await write(self._random.randbytes(len(data)) if self._garbled and from_device else data)

    async def _travel(self, said_at: float, from_device: bool) -> None:
        """Wait as long as it takes, by what is true now."""
        while (wait := said_at + self._duration(from_device) - _now()) > 0:
            with suppress(TimeoutError):
                async with asyncio.timeout(None if wait == math.inf else wait):
                    await self._changed.wait()

    def _duration(self, from_device: bool) -> float:
        if self._silent:
            return math.inf
        return self._delay if from_device else 0.0


def _now() -> float:
    return asyncio.get_running_loop().time()
