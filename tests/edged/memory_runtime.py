"""A container engine in memory, for tests of what works on engines: it may be killed, lag behind, and be visited by
strangers, and it tells when anything was ever there twice."""

from __future__ import annotations

import asyncio
import itertools
import time
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import NoReturn, Self, TypeVar

from edged.runtime import (
    LABEL,
    ContainerPlan,
    ContainerState,
    Executed,
    Found,
    FoundContainer,
    FoundSandbox,
    Image,
    Info,
    NoSuchThing,
    Runtime,
    RuntimeRefused,
    RuntimeUnavailable,
    SandboxPlan,
    Usage,
)
from edged.session import Size

T = TypeVar("T")


@dataclass
class Made:
    """A container."""

    id: str
    sandbox: str
    plan: ContainerPlan
    created: float
    state: ContainerState = "created"
    started: float = 0.0
    finished: float = 0.0
    exit_code: int | None = None
    reason: str = ""

    def found(self) -> FoundContainer:
        return FoundContainer(
            id=self.id,
            sandbox=self.sandbox,
            labels=self.plan.labels,
            state=self.state,
            image_id=self.plan.image,
            created=self.created,
            started=self.started,
            finished=self.finished,
            exit_code=self.exit_code,
            reason=self.reason,
        )


@dataclass
class Sandbox:
    id: str
    plan: SandboxPlan
    created: float
    ready: bool = True


async def executed_well(made: Made, command: Sequence[str]) -> Executed:
    return Executed(0, b"")


@dataclass
class MemoryEngine:
    """What outlives those who use it."""

    up: bool = True
    images: set[str] = field(default_factory=lambda: {"localhost/app:1"})
    registry: set[str] = field(default_factory=set)
    pull_seconds: float = 0.0
    refuse_start: set[str] = field(default_factory=set)
    """Names (in their pods) of containers that cannot be started."""
    programs: dict[str, Callable[[Made], tuple[float, int] | None]] = field(default_factory=dict)
    """By name: after how many seconds it exits, and with what; without one it runs until it is stopped."""
    deaf: set[str] = field(default_factory=set)
    """Names of those that do not hear TERM."""
    execute: Callable[[Made, Sequence[str]], Awaitable[Executed]] = field(default=executed_well)
    sandboxes: dict[str, Sandbox] = field(default_factory=dict)
    containers: dict[str, Made] = field(default_factory=dict)
    calls: Counter[str] = field(default_factory=Counter)
    ever_started: list[Made] = field(default_factory=list)
    twice: list[str] = field(default_factory=list)
    """What ran beside another one of the same name and pod: never anything, one hopes."""
    kills: list[str] = field(default_factory=list)
    """Containers that had to be killed."""
    _numbers: itertools.count[int] = field(default_factory=itertools.count)
    listeners: set[asyncio.Event] = field(default_factory=set)
    _ends: dict[str, asyncio.TimerHandle] = field(default_factory=dict)

    def changed(self) -> None:
        for listener in self.listeners:
            listener.set()

    def go(self, *, up: bool) -> None:
        """Its service ends, or is back; what runs goes on."""
        self.up = up
        self.changed()

    def number(self, kind: str) -> str:
        return f"{kind}{next(self._numbers)}"

    def running(self, pod: str | None = None) -> list[Made]:
        return [
            made
            for made in self.containers.values()
            if made.state == "running" and pod in (None, made.plan.labels.get(LABEL.pod))
        ]

    def get(self, id_: str) -> Made:
        if id_ not in self.containers:
            raise NoSuchThing("", f"no container {id_}")
        return self.containers[id_]

    def run_sandbox(self, plan: SandboxPlan) -> str:
        if any(one.plan.name == plan.name for one in self.sandboxes.values()):
            raise RuntimeRefused("", f"the name {plan.name} is taken")
        ports = {port.host_port for one in self.sandboxes.values() if one.ready for port in one.plan.ports}
        if ports & {port.host_port for port in plan.ports}:
            raise RuntimeRefused("", "a port is taken")
        id_ = self.number("sandbox")
        self.sandboxes[id_] = Sandbox(id_, plan, time.time())
        self.changed()
        return id_

    def create(self, sandbox: str, plan: ContainerPlan) -> str:
        if sandbox not in self.sandboxes or not self.sandboxes[sandbox].ready:
            raise NoSuchThing("", f"no sandbox {sandbox}")
        if plan.image not in self.images:
            raise NoSuchThing("ErrImageNeverPull", f"no image {plan.image}")
        if any(one.plan.name == plan.name for one in self.containers.values()):
            raise RuntimeRefused("CreateContainerError", f"the name {plan.name} is taken")
        id_ = self.number("container")
        self.containers[id_] = Made(id_, sandbox, plan, time.time())
        self.changed()
        return id_

    def start(self, id_: str) -> None:
        made = self.get(id_)
        name = made.plan.labels.get(LABEL.container, "")
        if made.state != "created":
            raise RuntimeRefused("RunContainerError", "it was started already")
        if not self.sandboxes[made.sandbox].ready:
            raise RuntimeRefused("RunContainerError", "its sandbox is dead")
        if name in self.refuse_start:
            raise RuntimeRefused("RunContainerError", "no such program")
        pod = made.plan.labels.get(LABEL.pod)
        for other in self.running(pod):
            if pod and (other.plan.labels.get(LABEL.container) == name or other.sandbox != made.sandbox):
                self.twice.append(f"{pod} {name}")
        made.state, made.started = "running", time.time()
        self.ever_started.append(made)
        if program := self.programs.get(name, lambda _: None)(made):
            seconds, code = program
            self._ends[id_] = asyncio.get_running_loop().call_later(seconds, self.exit, id_, code)
        self.changed()

    def exit(self, id_: str, code: int, reason: str = "") -> None:
        made = self.containers.get(id_)
        if made and made.state == "running":
            made.state, made.exit_code, made.finished = "exited", code, time.time()
            made.reason = reason or ("Completed" if code == 0 else "Error")
            if timer := self._ends.pop(id_, None):
                timer.cancel()
            self.changed()

    def vanish(self, id_: str) -> None:
        self.exit(id_, 137)
        if self.containers.pop(id_, None):
            self.changed()

    def die(self, sandbox: str) -> None:
        for made in list(self.containers.values()):
            if made.sandbox == sandbox:
                self.exit(made.id, 137)
        if sandbox in self.sandboxes:
            self.sandboxes[sandbox].ready = False
            self.changed()

    def remove_sandbox(self, id_: str) -> None:
        for made in list(self.containers.values()):
            if made.sandbox == id_:
                self.vanish(made.id)
        if self.sandboxes.pop(id_, None):
            self.changed()

    def reboot(self) -> None:
        """All ends at once."""
        for id_ in list(self.sandboxes):
            self.die(id_)


class MemoryRuntime(Runtime):
    """One user of the engine. Once killed, nothing it asks for is heard of again: what was under way happens, or not,
    now or later."""

    def __init__(self, engine: MemoryEngine, lag: Callable[[], float] = lambda: 0.0) -> None:
        """`lag`: for how many seconds the next call is under way."""
        self.engine = engine
        self._lag = lag
        self._dead = False
        self._late: Callable[[], float | None] = lambda: None

    def kill(self, late: Callable[[], float | None] = lambda: None) -> None:
        """`late`: after how many seconds a call that was under way happens all the same; None: never."""
        self._dead = True
        self._late = late

    async def _call(self, name: str, act: Callable[[], T]) -> T:
        self.engine.calls[name] += 1
        try:
            await asyncio.sleep(self._lag())
        except asyncio.CancelledError:
            if self._dead and (seconds := self._late()) is not None:
                asyncio.get_running_loop().call_later(seconds, self._happen, act)
            raise
        if not self.engine.up:
            raise RuntimeUnavailable("the engine in memory is down: let it up")
        result = act()
        await asyncio.sleep(self._lag())
        return result

    def _happen(self, act: Callable[[], object]) -> None:
        if self.engine.up:
            with suppress(RuntimeRefused):
                act()

    async def __aenter__(self) -> Self:
        await self._call("enter", lambda: None)
        return self

    async def __aexit__(self, *exc: object) -> None:
        return None

    async def info(self) -> Info:
        return await self._call("info", lambda: Info("memory", "1", isolates=False, lacks=("everything but states",)))

    async def found(self, node: str) -> Found:
        def look() -> Found:
            engine = self.engine
            return Found(
                [
                    FoundSandbox(one.id, one.plan.labels, one.ready, f"10.0.0.{index}", one.created)
                    for index, one in enumerate(engine.sandboxes.values(), 2)
                    if one.plan.labels.get(LABEL.node) == node
                ],
                [made.found() for made in engine.containers.values() if made.plan.labels.get(LABEL.node) == node],
            )

        return await self._call("found", look)

    async def run_sandbox(self, plan: SandboxPlan) -> str:
        return await self._call("run_sandbox", lambda: self.engine.run_sandbox(plan))

    async def stop_sandbox(self, id_: str) -> None:
        await self._call("stop_sandbox", lambda: self.engine.die(id_))

    async def remove_sandbox(self, id_: str) -> None:
        await self._call("remove_sandbox", lambda: self.engine.remove_sandbox(id_))

    async def create(self, sandbox: str, plan: ContainerPlan) -> str:
        return await self._call("create", lambda: self.engine.create(sandbox, plan))

    async def start(self, id_: str) -> None:
        await self._call("start", lambda: self.engine.start(id_))

    async def stop(self, id_: str, grace: float) -> None:
        made = await self._call("stop", lambda: self.engine.containers.get(id_))
        if made is None or made.state != "running":
            return
        if made.plan.labels.get(LABEL.container) in self.engine.deaf:
            await asyncio.sleep(grace)
            await self._call("kill", lambda: self.engine.kills.append(id_))
            await self._call("kill", lambda: self.engine.exit(id_, 137))
        else:
            await self._call("kill", lambda: self.engine.exit(id_, 143))

    async def remove(self, id_: str) -> None:
        await self._call("remove", lambda: self.engine.vanish(id_))

    async def images(self) -> Sequence[Image]:
        return await self._call("images", lambda: [Image(name, [name], 1) for name in self.engine.images])

    async def pull(self, image: str) -> str:
        await asyncio.sleep(self.engine.pull_seconds)

        def pull() -> str:
            if image not in self.engine.registry:
                raise RuntimeRefused("ErrImagePull", f"{image} is not in the registry")
            self.engine.images.add(image)
            return image

        return await self._call("pull", pull)

    async def load(self, archive: str) -> Sequence[str]:
        def load() -> Sequence[str]:
            self.engine.images.add(Path(archive).stem)
            return [Path(archive).stem]

        return await self._call("load", load)

    async def execute(self, id_: str, command: Sequence[str], within: float) -> Executed:
        async with asyncio.timeout(within):
            made = await self._call("execute", lambda: self.engine.get(id_))
            return await self.engine.execute(made, command)

    def session(
        self, id_: str, command: Sequence[str], *, stdin: bool = False, terminal: Size | None = None
    ) -> NoReturn:
        raise RuntimeRefused("", "nobody speaks with a command in memory")

    async def usage(self, id_: str) -> Usage:
        def use() -> Usage:
            self.engine.get(id_)
            return Usage(0.0, 0)

        return await self._call("usage", use)

    async def changes(self) -> AsyncIterator[None]:
        event = asyncio.Event()
        self.engine.listeners.add(event)
        try:
            while True:
                await event.wait()
                event.clear()
                if not self.engine.up:
                    raise RuntimeUnavailable("the engine in memory went down: let it up")
                yield None
        finally:
            self.engine.listeners.discard(event)
