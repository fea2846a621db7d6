"""Pods as processes of the node: the runtime of a machine without a container engine.

Each container has a keeper (`keeper.py`), which belongs to nobody: what runs goes on when edged is killed, and is
found again in the directory. What this does not give is in `Info.lacks`.
"""

from __future__ import annotations

import asyncio
import os
import platform
import signal
import time
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any, Self

from edged.process import cgroups, record
from edged.process.exec_session import session
from edged.process.images import HOST, Images
from edged.process.nursery import Nursery
from edged.process.orders import check, check_ports, order
from edged.process.processes import all_processes, descendants
from edged.process.rights import Rights, lacks, rights
from edged.process.rooms import Contained, Rooms, Shared, sweep
from edged.runtime import (
    LABEL,
    ContainerPlan,
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
from edged.session import Session, Size

__all__ = ["ProcessRuntime"]

BOOT = Path("/proc/sys/kernel/random/boot_id")
"""Another one after each start of the machine."""
LOOK = 0.25
"""Seconds between looks at whether anything changed: one file's time."""
COUNT = 8
"""Every so many looks, whether each keeper lives."""
BLINK = 0.02
"""Seconds between looks at one that is to end."""
LAST_BREATH = 15.0
"""Seconds a keeper has to kill and bury all; then it is killed too."""


class ProcessRuntime(Runtime):
    """In one directory, which outlives all that use it; several may at the same time."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory.absolute()
        self._bell = self._directory / "bell"
        self._images = Images(self._directory / "images")
        self._sandboxes = Rooms(self._directory / "sandboxes", Shared)
        self._containers = Rooms(self._directory / "containers", Contained)
        self._nursery = Nursery()
        self._rights: Rights = ""
        self._cgroups: cgroups.Cgroups
        self._boot = ""

    async def __aenter__(self) -> Self:
        if platform.system() != "Linux":
            raise RuntimeUnavailable("pods as processes need Linux")
        try:
            self._prepare()
        except OSError as error:
            raise RuntimeUnavailable(f"{self._directory} cannot hold pods: {error}") from error
        self._rights = await asyncio.to_thread(rights)
        self._cgroups = cgroups.Cgroups()
        return self

    async def __aexit__(self, *exc: object) -> None:
        self._nursery.close()

    async def info(self) -> Info:
        absent = lacks(self._rights, self._cgroups.controllers)
        return Info("process", f"{platform.system()} {platform.release()}", isolates=False, lacks=absent)

    async def found(self, node: str) -> Found:
        def ours(thing: Shared | Contained) -> bool:
            return thing.plan.labels.get(LABEL.node) == node

        sandboxes = [self._found_sandbox(one) for one in self._sandboxes.all() if ours(one)]
        containers = [self._found_container(one) for one in self._containers.all() if ours(one)]
        return Found(sandboxes, containers)

    async def run_sandbox(self, plan: SandboxPlan) -> str:
        check_ports(plan.ports)
        made = self._sandboxes.add(plan.name, lambda id_: Shared(id_, time.time(), self._boot, plan))
        record.ring(self._bell)
        return made.id

    async def stop_sandbox(self, id_: str) -> None:
        if self._there(self._sandboxes, id_):
            with suppress(FileNotFoundError):
                (self._sandboxes.path(id_) / "stopped").touch()
            await self._each(id_, lambda one: self.stop(one, 0))
            record.ring(self._bell)

    async def remove_sandbox(self, id_: str) -> None:
        if self._there(self._sandboxes, id_):
            with suppress(FileNotFoundError):
                (self._sandboxes.path(id_) / "stopped").touch()
        await self._each(id_, self.remove)
        if self._there(self._sandboxes, id_):
            sweep(self._sandboxes.discard(id_))
            record.ring(self._bell)

    async def create(self, sandbox: str, plan: ContainerPlan) -> str:
        self._ready(sandbox)
        image = self._images.find(plan.image)
        if not image:
            text = f"image {plan.image} is not there: load it with `twinhub image load FILE.tar`"
            raise NoSuchThing("ErrImageNeverPull", text)
        check(plan, image, self._rights)

        def made(id_: str) -> Contained:
            return Contained(id_, time.time(), sandbox, image.id, self._cgroups.paths(id_), plan)

        container = self._containers.add(plan.name, made)
        record.ring(self._bell)
        return container.id

    async def start(self, id_: str) -> None:
        container = self._containers.get(id_)
        sandbox = self._ready(container.sandbox)
        image = self._images.find(container.image_id)
        if not image:
            raise NoSuchThing("RunContainerError", f"image {container.plan.image} is not there any more")
        plan, room = container.plan, self._containers.path(id_)
        if record.started(room):
            raise RuntimeRefused("RunContainerError", f"{plan.name} was started before")
        try:
            groups = self._cgroups.make(id_, cgroups.Limits(plan.cpu, plan.memory, plan.cpu_shares))
        except OSError as error:
            raise RuntimeRefused("RunContainerError", f"{plan.name}: its limits cannot be set: {error}") from error
        hostname = "" if sandbox.plan.host_network or not self._rights else sandbox.plan.hostname
        program = order(plan, image, room=str(room), rights=self._rights, hostname=hostname, groups=groups)
        answer = await self._nursery.keep({"room": str(room), "program": program._asdict(), "log": plan.log_path})
        record.ring(self._bell)
        if answer != "ok":
            raise RuntimeRefused("RunContainerError", f"{plan.name}: {answer or 'its keeper ended'}")

    async def stop(self, id_: str, grace: float) -> None:
        if container := self._there(self._containers, id_):
            await self._end(container, self._containers.path(id_), grace)

    async def remove(self, id_: str) -> None:
        container = self._there(self._containers, id_)
        if not container:
            return
        await self._end(container, self._containers.path(id_), 0)
        room = self._containers.discard(id_)
        await self._end(container, room, 0)  # it was started at the last moment
        cgroups.remove(container.cgroups)
        await asyncio.to_thread(sweep, room)
        record.ring(self._bell)

    async def images(self) -> Sequence[Image]:
        return [Image(HOST, (HOST,), 0), *await asyncio.to_thread(self._images.all)]

    async def pull(self, image: str) -> str:
        """There is no registry: what was loaded is the newest there is."""
        if stored := self._images.find(image):
            return stored.id
        text = f"image {image} is not there, and none is fetched: load it with `twinhub image load FILE.tar`"
        raise RuntimeRefused("ErrImagePull", text)

    async def load(self, archive: str) -> Sequence[str]:
        return await asyncio.to_thread(self._images.load, archive)

    @asynccontextmanager
    async def session(
        self, id_: str, command: Sequence[str], *, stdin: bool = False, terminal: Size | None = None
    ) -> AsyncIterator[Session]:
        container, state = self._running(id_)
        image = self._images.find(container.image_id)
        if not image:
            raise NoSuchThing("", f"image {container.plan.image} is not there any more")
        room, groups = str(self._containers.path(id_)), container.cgroups
        program = order(container.plan, image, room=room, rights=self._rights, hostname="", groups=groups)
        inside = program._replace(argv=tuple(command), mounts=())._asdict()
        async with session({"program": inside, "pid": state.program}, stdin=stdin, size=terminal) as made:
            yield made

    async def usage(self, id_: str) -> Usage:
        container, state = self._running(id_)
        seconds, memory = cgroups.usage(container.cgroups)
        if seconds is None or memory is None:
            own = descendants(state.keeper)
            seconds = sum(one.cpu_seconds for one in own) if seconds is None else seconds
            memory = sum(one.memory for one in own) if memory is None else memory
        return Usage(seconds, memory)

    async def changes(self) -> AsyncIterator[None]:
        before: object = None
        alive, looks = 0, 0
        while True:
            if looks % COUNT == 0:
                alive = sum(record.alive(path) for path in self._containers.paths())
            looks += 1
            try:
                now = (self._bell.stat().st_mtime_ns, alive)
            except OSError as error:
                raise RuntimeUnavailable(f"{self._directory} is gone: {error}") from error
            if now != before:
                before = now
                yield None
            await asyncio.sleep(LOOK)

    def _prepare(self) -> None:
        self._directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        for part in (self._images, self._sandboxes, self._containers):
            part.prepare()
        self._bell.touch(mode=0o600)
        self._boot = BOOT.read_text().strip()

    def _there(self, rooms: Rooms[Any], id_: str) -> Any:
        with suppress(NoSuchThing):
            return rooms.get(id_)
        return None

    def _ready(self, sandbox: str) -> Shared:
        shared = self._sandboxes.get(sandbox)
        if not self._found_sandbox(shared).ready:
            raise RuntimeRefused("RunContainerError", f"sandbox {shared.plan.name} was stopped")
        return shared

    def _found_sandbox(self, one: Shared) -> FoundSandbox:
        ready = one.boot == self._boot and not (self._sandboxes.path(one.id) / "stopped").exists()
        return FoundSandbox(one.id, one.plan.labels, ready, "", one.created)

    def _found_container(self, one: Contained) -> FoundContainer:
        room = self._containers.path(one.id)
        start = record.started(room)
        end = record.ended(room)
        if start and not end and not record.alive(room):
            end = record.ended(room) or _bury(one, room, start)
        return FoundContainer(
            id=one.id,
            sandbox=one.sandbox,
            labels=one.plan.labels,
            state="exited" if end else "running" if start else "created",
            image_id=one.image_id,
            created=one.created,
            started=start.at if start else 0.0,
            finished=end.at if end else 0.0,
            exit_code=end.exit_code if end else None,
            reason=end.reason if end else "",
        )

    def _running(self, id_: str) -> tuple[Contained, record.Started]:
        container, room = self._containers.get(id_), self._containers.path(id_)
        state = record.started(room)
        if not state or record.ended(room) or not record.alive(room):
            raise NoSuchThing("", f"{container.plan.name} does not run")
        return container, state

    async def _each(self, sandbox: str, act: Callable[[str], Any]) -> None:
        async with asyncio.TaskGroup() as group:
            for one in self._containers.all():
                if one.sandbox == sandbox:
                    group.create_task(act(one.id), name=f"end {one.plan.name}")

    async def _end(self, container: Contained, room: Path, grace: float) -> None:
        if grace > 0 and record.send(room, signal.SIGTERM) and await _gone(room, grace):
            return
        if record.send(room, signal.SIGUSR1) and not await _gone(room, LAST_BREATH):
            record.send(room, signal.SIGKILL)
            await _gone(room, LAST_BREATH)
        start = record.started(room)
        if start and not record.ended(room):
            _bury(container, room, start)


async def _gone(room: Path, within: float) -> bool:
    until = asyncio.get_running_loop().time() + within
    while record.alive(room):
        if asyncio.get_running_loop().time() > until:
            return False
        await asyncio.sleep(BLINK)
    return True


def _bury(container: Contained, room: Path, start: record.Started) -> record.Ended:
    """Its keeper was killed, or the machine: what it left is killed, and nobody knows more of its end."""
    left = cgroups.members(container.cgroups)
    left |= {one.pid for one in all_processes() if one.session == start.program}
    for pid in left - {os.getpid()}:
        with suppress(OSError):
            os.kill(pid, signal.SIGKILL)
    cgroups.remove(container.cgroups)
    with suppress(OSError):
        record.end(room, 137, "Error")
    return record.ended(room) or record.Ended(time.time(), 137, "Error")
