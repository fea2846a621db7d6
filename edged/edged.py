"""The reconciler of pods: brings about on a container engine what is declared, and tells what is.

What belongs to a node is known by its labels: the next run adopts what it finds. What no label says is in the
`Recollection`. One lock file keeps two of them from working in the same directory.
"""

from __future__ import annotations

import asyncio
import fcntl
import hashlib
import logging
import os
from collections.abc import Callable, Coroutine, Mapping, Sequence
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Self

from msgspec import Struct
from msgspec.structs import replace

from edged.devices import Devices
from edged.engine import Engine
from edged.events import Happening
from edged.former_engines import leave
from edged.host_ports import conflicts
from edged.pod import DEVICE_ANNOTATION, Container, Pod
from edged.recollection import Recollection
from edged.runtime import LABEL, Info, Runtime, RuntimeUnavailable
from edged.sight import Sight
from edged.status import Event, PodStatus
from edged.wanted import BoundDevice, CannotPlan, Held, Override, Planner, PodPlan, Unplanned, Wanted
from edged.worker import Worker

__all__ = ["Edged", "EdgedInUse", "EdgedSettings"]

logger = logging.getLogger("edged")


class EdgedInUse(Exception):
    """Another edged works in this directory; says which."""


class EdgedSettings(Struct, frozen=True, kw_only=True):
    device_away: float = 30.0
    """Seconds after which a pod is stopped whose device is not online here."""
    relist: float = 15.0
    """Seconds after which the engine is looked at even if it tells of no change."""
    parallel: int = 4
    """So many containers are made and started at the same time."""
    host_ip: str = ""
    """The node's address, for the status of pods."""


class Edged:
    """All pods of one node. `async with` begins to work, and at the end leaves everything running."""

    def __init__(
        self,
        runtime: Runtime,
        node: str,
        directory: Path,
        tell: Callable[[str, PodStatus | None], None],
        settings: EdgedSettings | None = None,
    ) -> None:
        """`runtime` is entered here, and may come and go. `directory`: for edged alone. `tell` hears every change of
        a pod's status, by the pod's id, and None when nothing of it is left; it is called in the event loop."""
        settings = settings or EdgedSettings()
        self._node = node
        self._directory = directory
        self._tell = tell
        self._runtime = runtime
        self._engine = Engine(
            runtime,
            node,
            self._seen,
            self._away,
            self._back,
            relist=settings.relist,
            parallel=settings.parallel,
            host_ip=settings.host_ip,
        )
        self._recollection = Recollection(directory)
        self._devices = Devices(settings.device_away, self._rewish_bound)
        self._planner: Planner | None = None
        self._pods: Mapping[str, Pod] = {}
        self._overrides: dict[str, Override] = {}
        self._conflicts: Mapping[str, str] = {}
        """Pods whose ports others have, and why they cannot be."""
        self._workers: dict[str, Worker] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._group: asyncio.TaskGroup
        self._stack = AsyncExitStack()

    async def __aenter__(self) -> Self:
        """EdgedInUse: another one works in the directory."""
        async with AsyncExitStack() as stack:
            stack.callback(os.close, _lock(self._directory))
            await stack.enter_async_context(self._recollection)
            self._group = await stack.enter_async_context(asyncio.TaskGroup())
            stack.callback(self._leave)
            self._start(self._serve(), f"edged of {self._node}")
            self._stack = stack.pop_all()
        return self

    async def __aexit__(self, *exc: object) -> None:
        await self._stack.aclose()

    def apply(self, pods: Mapping[str, Pod], planner: Planner) -> None:
        """From now on these are declared, by their ids, and no others; what did not change is not disturbed. Before
        the first call nothing on the engine is touched."""
        left = set() if self._planner else set(planner.left())
        self._pods, self._planner = dict(pods), planner
        self._share_out_ports()
        for pod_id in {*self._pods, *self._workers, *self._engine.pods()}:
            self._rewish(pod_id)
        for pod_id in left - self._workers.keys():
            self._begin(pod_id)
        self._recollection.forget_all_but(self._workers)

    def override(self, pod_id: str, override: Override) -> None:
        """This is wished of a pod beside its manifest, in place of what was before."""
        self._overrides[pod_id] = override
        before = self._conflicts
        self._share_out_ports()
        for other in {pod_id, *dict(before.items() ^ self._conflicts.items())}:
            self._rewish(other)

    def device(self, device_id: str, device: BoundDevice | None) -> None:
        """A device's twin is online here, as this; None: it is not."""
        self._devices.hear(device_id, device)

    def status(self, pod_id: str) -> PodStatus | None:
        """As told last; None for a pod that is not there."""
        worker = self._workers.get(pod_id)
        return worker.status if worker else None

    def events(self, pod_id: str) -> Sequence[Event]:
        """What happened to a pod, the newest last."""
        return self._recollection.events(pod_id).all() if pod_id in self._workers else ()

    def say(self, pod_id: str, happening: Happening) -> None:
        """This happened to a pod, now; passed over for one that is not there."""
        if worker := self._workers.get(pod_id):
            worker.say(happening)

    def found(self, pod_id: str) -> Sight:
        """What the engine had of a pod when it was looked at last."""
        return self._engine.of(pod_id)

    def log(self, pod_id: str, container: str, before: int = 0) -> Path | None:
        """The file with the output of a container, or of the one so many restarts before; None: there was none."""
        worker = self._workers.get(pod_id)
        return worker.log(container, before) if worker else None

    @property
    def info(self) -> Info | None:
        """What the engine is; None before it was reached."""
        return self._engine.info

    @property
    def absence(self) -> str:
        """Why the engine cannot be reached at present; empty while it can."""
        return str(self._engine.absence or "")

    def images_changed(self) -> None:
        """Images were loaded: pods that wait for one need not wait any longer."""
        for worker in self._workers.values():
            worker.retry_images()

    async def _serve(self) -> None:
        await leave(self._directory, self._node, self._runtime)
        await self._engine.run()

    def _rewish(self, pod_id: str) -> None:
        if self._planner is None:
            return
        worker = self._workers.get(pod_id)
        if worker is None:
            wanted = self._wish(pod_id, self._planner)
            if wanted is None and self._engine.of(pod_id) == Sight():
                return
            if wanted is None:
                logger.info("pod %s is here and is not declared any more: it is ended", pod_id)
            worker = self._begin(pod_id)
        worker.want(self._wish(pod_id, self._planner))
        if self._engine.absence:
            worker.lose_sight(self._engine.absence)

    def _begin(self, pod_id: str) -> Worker:
        worker = Worker(pod_id, self._node, self._engine, self._recollection, self._prepare, self._report)
        self._workers[pod_id] = worker
        self._start(self._look_after(worker), f"pod {pod_id}")
        return worker

    def _rewish_bound(self, device_id: str) -> None:
        for pod_id, pod in self._pods.items():
            if pod.metadata.annotations.get(DEVICE_ANNOTATION) == device_id:
                self._rewish(pod_id)

    def _share_out_ports(self) -> None:
        """Who had them before keeps them; else who is declared first."""
        to_run = [pod for id_, pod in self._pods.items() if self._override(id_).replicas != 0]
        self._conflicts = conflicts(sorted(to_run, key=lambda pod: not self._recollection.planned(pod.id)))

    def _override(self, pod_id: str) -> Override:
        return self._overrides.get(pod_id, Override())

    def _wish(self, pod_id: str, planner: Planner) -> Wanted:
        pod = self._pods.get(pod_id)
        if pod is None:
            return None
        override = self._override(pod_id)
        if override.replicas == 0:
            return Held(pod, "Stopped", "scaled to 0")
        pod = _with_images(pod, override.images)
        device_id = pod.metadata.annotations.get(DEVICE_ANNOTATION, "")
        absent = f"device {device_id} is not online on this node"
        if device_id and self._devices.gone(device_id):
            return Held(pod, "DeviceAbsent", absent)
        device = self._devices.known(device_id)
        if device_id and device is None:
            return Unplanned(pod, "DeviceAbsent", absent)
        if conflict := self._conflicts.get(pod_id):
            return Unplanned(pod, "HostPortConflict", conflict)
        try:
            return _restarted(planner.plan(pod, device), override.restart)
        except CannotPlan as error:
            return Unplanned(pod, error.reason, str(error), error.container)

    def _seen(self, changed: frozenset[str]) -> None:
        for pod_id in changed:
            if worker := self._workers.get(pod_id):
                worker.wake()
            elif pod_id not in self._pods:
                self._rewish(pod_id)

    def _away(self, error: RuntimeUnavailable) -> None:
        for worker in self._workers.values():
            worker.lose_sight(error)

    def _back(self) -> None:
        for worker in self._workers.values():
            worker.wake()

    async def _look_after(self, worker: Worker) -> None:
        while True:
            await worker.run()
            await self._forget(worker.id)
            if worker.wanted is None:
                break
        del self._workers[worker.id]
        self._recollection.forget(worker.id)
        self._tell(worker.id, None)

    async def _prepare(self, plan: PodPlan) -> None:
        assert self._planner
        await self._planner.prepare(plan)

    async def _forget(self, pod_id: str) -> None:
        assert self._planner
        try:
            await self._planner.forget(pod_id)
        except OSError as error:
            logger.error("%s: files of it are left: %s", pod_id, error)
        except Exception:  # a defect of ours with one pod is no reason to leave the others
            logger.exception("%s: files of it are left", pod_id)

    def _report(self, pod_id: str, status: PodStatus) -> None:
        self._tell(pod_id, status)

    def _start(self, work: Coroutine[object, object, None], name: str) -> None:
        task = self._group.create_task(work, name=name)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    def _leave(self) -> None:
        self._devices.close()
        for task in self._tasks:
            task.cancel()


def _lock(directory: Path) -> int:
    """The lock of this directory, held until it is closed, or its process ends."""
    directory.mkdir(parents=True, exist_ok=True)
    lock = os.open(directory / "edged.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        os.close(lock)
        advice = "stop it, or give this one a directory of its own"
        raise EdgedInUse(f"another edged works in {directory}: {advice}") from None
    return lock


def _with_images(pod: Pod, images: Mapping[str, str]) -> Pod:
    def of(containers: tuple[Container, ...]) -> tuple[Container, ...]:
        return tuple(replace(one, image=images.get(one.name, one.image)) for one in containers)

    spec = replace(pod.spec, containers=of(pod.spec.containers), init_containers=of(pod.spec.init_containers))
    return replace(pod, spec=spec) if images else pod


def _restarted(plan: PodPlan, restart: str) -> PodPlan:
    """A pod whose restart was asked for is another one than before."""
    if not restart:
        return plan
    hash_ = f"{plan.hash}-{hashlib.sha256(restart.encode()).hexdigest()[:8]}"
    sandbox = replace(plan.sandbox, labels={**plan.sandbox.labels, LABEL.spec: hash_})
    return plan._replace(sandbox=sandbox, hash=hash_)
