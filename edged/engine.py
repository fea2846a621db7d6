"""The container engine as edged sees it: it comes and goes, and is looked at when something changed.

Nothing is asked per pod: one look serves all, after a change the engine tells, and slowly in any case.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable
from math import inf

from edged.images import Images
from edged.lookout import Lookout
from edged.no_runtime import NoRuntime
from edged.report import Moment
from edged.runtime import Info, Runtime, RuntimeUnavailable
from edged.sight import Sight
from eventbus.backoff import full_jitter
from eventbus.owned_task import OwnedTask

__all__ = ["Engine"]

logger = logging.getLogger("edged")

TOGETHER = 0.05
"""Seconds in which several changes cost one look."""
LONGEST_PAUSE = 10.0
"""Seconds between attempts to reach an engine that is away."""


class Engine:
    """A runtime and what is known of it. `run` is its one task."""

    def __init__(
        self,
        runtime: Runtime,
        node: str,
        seen: Callable[[frozenset[str]], None],
        gone: Callable[[RuntimeUnavailable], None],
        back: Callable[[], None],
        *,
        relist: float,
        parallel: int,
        host_ip: str,
    ) -> None:
        """`seen` is told which pods look otherwise than before, `gone` that the engine does not answer, `back` that
        it does again. `relist`: seconds after which it is looked at even if nothing is said to have changed.
        `parallel`: how many pods may be worked on at the same time."""
        self.runtime = runtime
        self.images = Images(runtime)
        self.turns = asyncio.Semaphore(parallel)
        self.info: Info | None = None
        """None before it was reached."""
        self.absence: RuntimeUnavailable | None = None
        """Why it cannot be reached at present."""
        self._lookout = Lookout(runtime, node, seen)
        self._gone = gone
        self._returned = back
        self._relist = relist
        self._host_ip = host_ip
        self._there = asyncio.Event()
        self._doubt = asyncio.Event()

    async def run(self) -> None:
        """Attend to the engine for ever."""
        pauses = full_jitter(1.0, LONGEST_PAUSE)
        while True:
            try:
                async with self.runtime:
                    self.info = await self.runtime.info()
                    await self._lookout.look()
                    self._back()
                    pauses = full_jitter(1.0, LONGEST_PAUSE)
                    await self._follow()
            except RuntimeUnavailable as error:
                self._away(error)
            except Exception as error:
                logger.exception("looking at the container engine failed in a way nobody had thought of")
                self._away(RuntimeUnavailable(f"looking at it failed: {error}"))
            await asyncio.sleep(next(pauses))

    async def ready(self) -> None:
        """Returns when the engine is there."""
        await self._there.wait()

    def doubt(self) -> None:
        """Somebody got no answer: find out whether it is there."""
        self._doubt.set()

    async def look(self) -> None:
        """Returns after a look that began after this call. RuntimeUnavailable."""
        await self._lookout.look()

    def of(self, pod_id: str) -> Sight:
        """What was seen of a pod last."""
        return self._lookout.of(pod_id)

    def pods(self) -> frozenset[str]:
        """All pods of which something was seen last."""
        return self._lookout.pods()

    def moment(self) -> Moment:
        """Now, and here."""
        name = self.info.name if self.info else ""
        return Moment(asyncio.get_running_loop().time(), time.time(), name, self._host_ip)

    async def _follow(self) -> None:
        async with OwnedTask(self._look_slowly(), "edged looks at its engine"):
            async for _ in self.runtime.changes():
                number = self._lookout.next()
                await asyncio.sleep(TOGETHER)
                await self._lookout.look(number)

    async def _look_slowly(self) -> None:
        while True:
            self._doubt.clear()
            try:
                async with asyncio.timeout(self._relist if self._relist < inf else None):
                    await self._doubt.wait()
            except TimeoutError:
                pass
            await self._lookout.look()

    def _back(self) -> None:
        if self.absence and self.info:
            logger.info("%s %s is back", self.info.name, self.info.version)
        self.absence = None
        self._there.set()
        self._returned()

    def _away(self, error: RuntimeUnavailable) -> None:
        if self.absence is None and isinstance(self.runtime, NoRuntime):
            logger.info("no pods run here: %s", error)
        elif self.absence is None:
            logger.error("the container engine does not answer, pods are left as they are: %s", error)
        self.absence = error
        self._there.clear()
        self._gone(error)
