"""Does to the engine what was decided for one pod, and says what happened."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress
from pathlib import Path

from edged.actions import Action, RemoveContainers, RemoveSandboxes, Run, RunSandbox, Stop, StopOne, StopSandbox
from edged.engine import Engine
from edged.events import Happening
from edged.hooks import end
from edged.last_words import place
from edged.memory import Stage
from edged.runtime import NoSuchThing, RuntimeRefused
from edged.wanted import CannotPlan

__all__ = ["CarryingOut", "Refusal"]


class Refusal(Exception):
    """The engine would not, at this stage of the action; `reason` is Kubernetes'."""

    def __init__(self, stage: Stage, reason: str, message: str) -> None:
        self.stage = stage
        self.reason = reason
        super().__init__(message)


class CarryingOut:
    """For one pod. RuntimeUnavailable: the engine went away in the midst; look, and decide again."""

    def __init__(
        self,
        engine: Engine,
        prepare: Callable[[], Awaitable[None]],
        say: Callable[[Happening], None],
        rewished: asyncio.Event,
    ) -> None:
        """`prepare` brings about the files of the pod's volumes; CannotPlan: it cannot. `rewished` is set when the
        pod is wished otherwise: the pull of an image is given up."""
        self._runtime = engine.runtime
        self._images = engine.images
        self._turns = engine.turns
        self._prepare = prepare
        self._say = say
        self._rewished = rewished

    async def __call__(self, action: Action, address: str) -> None:
        """Do it whole; Refusal, Abandoned. `address`: of the pod."""
        match action:
            case Run():
                await self._run(action)
            case Stop(endings):
                await self._stop(endings, address)
            case RunSandbox():
                await self._run_sandbox(action)
            case StopSandbox(id_):
                await self._end(self._runtime.stop_sandbox, (id_,))
            case RemoveSandboxes(ids):
                await self._end(self._runtime.remove_sandbox, ids)
            case RemoveContainers(ids):
                await self._end(self._runtime.remove, ids)

    async def _run_sandbox(self, action: RunSandbox) -> None:
        if action.instead:
            self._say(Happening("Normal", "SandboxChanged", "Pod sandbox changed, it will be killed and re-created."))
        await self._end(self._runtime.stop_sandbox, action.instead)
        await self._ready()
        try:
            async with self._turns:
                await self._runtime.run_sandbox(action.plan)
        except RuntimeRefused as error:
            raise self._refusal("other", "FailedCreatePodSandBox", f"Failed to create pod sandbox: {error}") from None

    async def _run(self, action: Run) -> None:
        await self._end(self._runtime.remove, action.remove)
        await self._ready()
        await self._image(action)
        async with self._turns:
            await self._start(action.existing or await self._create(action))
        self._say(Happening("Normal", "Started", f"Started container {action.wish.container.name}"))

    async def _start(self, id_: str) -> None:
        try:
            await self._runtime.start(id_)
        except RuntimeRefused as error:
            raise self._failed("start", error, "RunContainerError") from None

    async def _ready(self) -> None:
        try:
            await self._prepare()
        except CannotPlan as error:
            raise self._refusal("create", error.reason, str(error)) from None
        except OSError as error:
            raise self._refusal("create", "FailedMount", f"the files of its volumes: {error}") from None

    async def _image(self, action: Run) -> None:
        container = action.wish.container
        try:
            await self._images.ensure(container, self._say, self._rewished)
        except RuntimeRefused as error:
            never = error.reason == "ErrImageNeverPull"
            text = str(error) if never else f'Failed to pull image "{container.image}": {error}'
            self._say(Happening("Warning", "ErrImageNeverPull" if never else "Failed", text))
            raise self._failed("pull", error, "ErrImagePull") from None

    async def _create(self, action: Run) -> str:
        plan = action.wish.attempt(action.restarts, action.ending)
        try:
            await asyncio.to_thread(_place_log, Path(plan.log_path), action.restarts)
            await asyncio.to_thread(place, plan)
            id_ = await self._runtime.create(action.sandbox, plan)
        except RuntimeRefused as error:
            raise self._failed("create", error, "CreateContainerError") from None
        except OSError as error:
            raise self._refusal("create", "CreateContainerError", f"the directory of its log: {error}") from None
        self._say(Happening("Normal", "Created", f"Created container {action.wish.container.name}"))
        return id_

    async def _stop(self, endings: tuple[StopOne, ...], address: str) -> None:
        """All at the same time, each to its end, whatever happens to another."""
        work = [self._stop_one(one, address) for one in endings]
        for failure in await asyncio.gather(*work, return_exceptions=True):
            if failure is not None:
                raise failure

    async def _stop_one(self, one: StopOne, address: str) -> None:
        self._say(Happening("Normal", "Killing", one.why))
        try:
            trouble = await end(self._runtime, one.id, one.ending, address)
        except RuntimeRefused as error:
            raise self._refusal("other", "FailedKillPod", f"error killing container {one.name}: {error}") from None
        if trouble:
            self._say(Happening("Warning", "FailedPreStopHook", f"PreStopHook of {one.name} failed: {trouble}"))

    async def _end(self, how: Callable[[str], Awaitable[None]], ids: tuple[str, ...]) -> None:
        for id_ in ids:
            try:
                with suppress(NoSuchThing):
                    await how(id_)
            except RuntimeRefused as error:
                raise self._refusal("other", "FailedKillPod", f"error killing pod: {error}") from None

    def _failed(self, stage: Stage, error: RuntimeRefused, reason: str) -> Refusal:
        reason = error.reason or reason
        self._say(Happening("Warning", "Failed", f"Error: {reason if stage == 'pull' else error}"))
        return Refusal(stage, reason, str(error))

    def _refusal(self, stage: Stage, reason: str, message: str) -> Refusal:
        self._say(Happening("Warning", reason, message))
        return Refusal(stage, reason, message)


def _place_log(log: Path, restarts: int) -> None:
    """Its directory, in which nothing is left but what is of the attempt before."""
    log.parent.mkdir(parents=True, exist_ok=True)
    for old in log.parent.iterdir():
        number = old.name.partition(".")[0]
        if number.isdecimal() and int(number) < restarts - 1:
            old.unlink(missing_ok=True)
