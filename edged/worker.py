"""Looks after one pod: decides, carries out one action at a time, looks again; sleeps while nothing is to be done."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable
from math import inf
from pathlib import Path

from msgspec.structs import replace

from edged.actions import Action, Run, Stop, key
from edged.carry_out import CarryingOut, Refusal
from edged.engine import Engine
from edged.events import Happening, backoffs_begun
from edged.images import Abandoned
from edged.last_words import last_words
from edged.memory import Failure, Health, crashes, done, heard, probed, pulls, refused, started, without_pulls
from edged.probing import Probing
from edged.recollection import Recollection
from edged.reconcile import decide
from edged.runtime import NoSuchThing, RuntimeUnavailable
from edged.sight import Sight, attempt_of, name_of
from edged.status import Condition, PodStatus
from edged.wanted import CannotPlan, Held, PodPlan, Unplanned, Wanted

__all__ = ["Worker"]

logger = logging.getLogger("edged")

SHORTEST_LAG = 0.1
LONGEST_LAG = 10.0
"""Seconds before the same is done again, when the engine looks as if it had not been done."""
AFTER_DEFECT = 10.0
"""Seconds before a pod is looked after again when that failed in a way nobody had thought of."""


class Worker:
    """One pod. Nobody else works on it."""

    def __init__(
        self,
        pod_id: str,
        node: str,
        engine: Engine,
        recollection: Recollection,
        prepare: Callable[[PodPlan], Awaitable[None]],
        tell: Callable[[str, PodStatus], None],
    ) -> None:
        """`prepare` brings about the files of a pod's volumes; CannotPlan: it cannot."""
        self.id = pod_id
        self.wanted: Wanted = None
        self.status: PodStatus | None = None
        self._node = node
        self._engine = engine
        self._recollection = recollection
        self._prepare = prepare
        self._stale = True
        self._tell = tell
        self._memory = recollection.memory(pod_id)
        self._probing = Probing(engine.runtime, pod_id, self._learn, self.say)
        self._news = asyncio.Event()
        self._rewished = asyncio.Event()
        self._carry_out = CarryingOut(engine, self._files, self.say, self._rewished)
        self._last: tuple[Action, Sight] | None = None
        self._lag = SHORTEST_LAG

    def want(self, wanted: Wanted) -> None:
        """From now on this is wanted; the files of its volumes may have changed."""
        self._stale = True
        self.wake()
        if wanted == self.wanted:
            return
        if isinstance(wanted, Held):
            self.say(Happening("Normal", wanted.reason, wanted.message))
        elif isinstance(wanted, Unplanned):
            self.say(Happening("Warning", wanted.reason, wanted.message))
        self.wanted = wanted
        self._rewished.set()

    def say(self, happening: Happening) -> None:
        """This happened to the pod, now."""
        event = self._recollection.events(self.id).add(happening, time.time())
        self._recollection.happened(self.id, event)

    def wake(self) -> None:
        """Something changed: decide again."""
        self._news.set()

    def lose_sight(self, error: RuntimeUnavailable) -> None:
        """The engine does not answer: what is known of the pod may not hold."""
        if self.wanted is not None:
            self._report(_unseen(self.status, str(error)))

    def log(self, container: str, before: int) -> Path | None:
        """The file with the output of a container, or of the one so many restarts before."""
        mine = [one for one in self._engine.of(self.id).containers if name_of(one) == container]
        wishes = (*self.wanted.init, *self.wanted.containers) if isinstance(self.wanted, PodPlan) else ()
        wish = next((one for one in wishes if one.container.name == container), None)
        restarts = max((attempt_of(one.labels) for one in mine), default=-1) - before
        return Path(wish.attempt(restarts, "").log_path) if wish and restarts >= 0 else None

    def retry_images(self) -> None:
        """What could not be pulled may be there now."""
        self._memory = without_pulls(self._memory)
        self.wake()

    async def run(self) -> None:
        """Until the pod is neither declared nor there."""
        async with self._probing:
            while not await self._look_after():
                pass

    async def _look_after(self) -> bool:
        try:
            await self._engine.ready()
            return await self._step()
        except RuntimeUnavailable:
            self._engine.doubt()
            await self._rest(1.0)
        except Exception:
            logger.exception("%s: cannot be looked after, tried again in %g s", self.id, AFTER_DEFECT)
            await asyncio.sleep(AFTER_DEFECT)
        return False

    async def _step(self) -> bool:
        """One decision and what follows from it. True: there is nothing left to look after."""
        self._news.clear()
        self._rewished.clear()
        sight = self._engine.of(self.id)
        await self._listen(sight)
        decision = decide(self.wanted, sight, self._memory, self._engine.moment())
        self._memory = decision.memory
        if decision.status:
            self._report(decision.status)
        if self.wanted is None and sight == Sight():
            return True
        self._probing.attend(self.wanted, sight)
        self._greet(sight)
        self._recollection.remember(self.id, self._memory)
        if decision.action is None:
            await self._idle(decision.wake_at)
        elif not await self._lags(decision.action, sight):
            await self._act(decision.action, _address(sight))
            await self._engine.look()
        return False

    async def _listen(self, sight: Sight) -> None:
        """What containers said at their end is read once."""
        if not isinstance(self.wanted, PodPlan):
            return
        wishes = {one.container.name: one for one in (*self.wanted.init, *self.wanted.containers)}
        for one in {found.id: found for found in (*self._memory.last.values(), *sight.containers)}.values():
            wish = wishes.get(name_of(one))
            if wish and one.state == "exited" and one.id not in self._memory.words:
                plan = wish.attempt(attempt_of(one.labels), "")
                words = await asyncio.to_thread(last_words, wish.container, plan, one)
                self._memory = heard(self._memory, {one.id: words})

    def _greet(self, sight: Sight) -> None:
        """Once in the pod's life."""
        if isinstance(self.wanted, PodPlan) and not self._recollection.planned(self.id) and not sight.sandboxes:
            self.say(Happening("Normal", "Scheduled", f"Successfully assigned {self.id} to {self._node}"))

    async def _idle(self, wake_at: float) -> None:
        if self._stale:
            await self._refresh_files()
        await self._rest(wake_at - asyncio.get_running_loop().time())

    async def _rest(self, seconds: float) -> None:
        """So long, or until there is news."""
        try:
            async with asyncio.timeout(seconds if seconds < inf else None):
                await self._news.wait()
        except TimeoutError:
            pass

    async def _lags(self, action: Action, sight: Sight) -> bool:
        """The same was done just now, and cannot be seen yet: wait a moment."""
        if self._last != (action, sight):
            self._last, self._lag = (action, sight), SHORTEST_LAG
            return False
        await self._rest(self._lag)
        self._lag = min(LONGEST_LAG, self._lag * 2)
        await self._engine.look()
        return self._news.is_set() or self._engine.of(self.id) != sight

    async def _act(self, action: Action, address: str) -> None:
        if isinstance(action, Stop):
            self._probing.leave({one.id for one in action.endings})
        clock = asyncio.get_running_loop().time
        try:
            await self._carry_out(action, address)
        except (NoSuchThing, Abandoned):
            return  # it went behind our back, or is not wanted any more: look
        except Refusal as refusal:
            self._last = None
            failure = Failure(_pause(action, refusal), refusal.stage, refusal.reason, str(refusal), clock())
            self._memory = refused(self._memory, key(action), failure)
        else:
            if isinstance(action, Run):
                self._memory = started(self._memory, action.wish, clock())
            else:
                self._memory = done(self._memory, key(action))
        self._recollection.remember(self.id, self._memory)

    async def _files(self) -> None:
        self._stale = False
        if isinstance(self.wanted, PodPlan):
            await self._prepare(self.wanted)

    async def _refresh_files(self) -> None:
        """What is in volumes follows an edit while containers run."""
        try:
            await self._files()
        except (CannotPlan, OSError) as error:
            reason = error.reason if isinstance(error, CannotPlan) else "FailedMount"
            self.say(Happening("Warning", reason, str(error)))

    def _report(self, status: PodStatus) -> None:
        if status == self.status:
            return
        for happening in backoffs_begun(self.status, status):
            self.say(happening)
        self.status = status
        self._tell(self.id, status)

    def _learn(self, id_: str, health: Health) -> None:
        self._memory = probed(self._memory, id_, health)
        self.wake()


def _pause(action: Action, refusal: Refusal) -> str:
    if not isinstance(action, Run):
        return key(action)
    name, hash_ = action.wish.container.name, action.wish.hash
    return pulls(name, hash_) if refusal.stage == "pull" else crashes(name, hash_)


def _address(sight: Sight) -> str:
    return next((sandbox.address for sandbox in sight.sandboxes if sandbox.ready), "")


def _unseen(status: PodStatus | None, message: str) -> PodStatus:
    """The last status, its readiness unknown; of a pod nothing was ever seen of, that it has no place to run."""
    if status is None or status.reason == "Unschedulable":
        scheduled = Condition(type="PodScheduled", status="False", reason="Unschedulable", message=message)
        return PodStatus(phase="Pending", reason="Unschedulable", message=message, conditions=(scheduled,))
    doubtful = ("Ready", "ContainersReady")
    conditions = tuple(
        replace(one, status="Unknown", reason="RuntimeUnavailable", message=message) if one.type in doubtful else one
        for one in status.conditions
    )
    return replace(status, message=message, conditions=conditions)
