"""A node for tests: an engine in memory, an edged on it, and pods that are declared in a few words."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Callable, Collection, Mapping
from pathlib import Path
from typing import Any, Self

import msgspec
from memory_runtime import MemoryEngine, MemoryRuntime

from edged.edged import Edged, EdgedSettings
from edged.pod import Container, Pod
from edged.runtime import LABEL, ContainerPlan, SandboxPlan
from edged.status import PodStatus
from edged.wanted import BoundDevice, CannotPlan, ContainerWish, PodPlan

NODE = "edge-1"


def container(name: str = "app", **fields: Any) -> dict[str, Any]:
    return {"name": name, "image": "localhost/app:1", **fields}


def pod(name: str = "web", *containers: dict[str, Any], meta: Mapping[str, Any] | None = None, **spec: Any) -> Pod:
    return msgspec.convert(
        {
            "apiVersion": "v1",
            "kind": "Pod",
            "metadata": {"name": name, **(meta or {})},
            "spec": {"containers": containers or (container(),), **spec},
        },
        Pod,
    )


class PlainPlanner:
    """Plans without files: what a container is made from is its manifest."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self.missing: set[str] = set()
        """Names of pods that cannot be planned."""
        self.prepared: list[str] = []
        self.forgotten: list[str] = []

    def plan(self, pod: Pod, device: BoundDevice | None) -> PodPlan:
        if pod.metadata.name in self.missing:
            raise CannotPlan("CreateContainerConfigError", "configmap is not there", pod.spec.containers[0].name)
        labels = {LABEL.node: NODE, LABEL.pod: pod.id, LABEL.uid: pod.metadata.uid}
        hash_ = short_hash((pod.spec.hostname, pod.spec.host_network))
        sandbox = SandboxPlan(
            name=pod.metadata.name, hostname=pod.metadata.name, labels={**labels, LABEL.spec: hash_}
        )
        wishes = [
            [self._wish(pod, one, labels, device) for one in several]
            for several in (pod.spec.init_containers, pod.spec.containers)
        ]
        return PodPlan(pod, sandbox, hash_, tuple(wishes[0]), tuple(wishes[1]))

    def _wish(self, pod: Pod, one: Container, labels: Mapping[str, str], device: BoundDevice | None) -> ContainerWish:
        env = dict(device.env) if device else {}
        hash_ = short_hash((one.name, one.image, one.args, env))
        plan = ContainerPlan(
            name=f"{pod.metadata.name}-{one.name}",
            image=one.image,
            env=env,
            labels={**labels, LABEL.container: one.name, LABEL.spec: hash_},
            log_path=str(self._directory / pod.metadata.name / one.name / "0.log"),
        )
        return ContainerWish(one, plan, hash_)

    async def prepare(self, plan: PodPlan) -> None:
        self.prepared.append(plan.pod.id)

    async def forget(self, pod_id: str) -> None:
        self.forgotten.append(pod_id)

    def left(self) -> Collection[str]:
        return ()


def short_hash(thing: object) -> str:
    return hashlib.sha256(repr(thing).encode()).hexdigest()[:12]


class Node:
    """`async with` runs edged on the engine; it may be killed and begun anew."""

    def __init__(self, directory: Path, engine: MemoryEngine | None = None, **settings: Any) -> None:
        self.engine = engine or MemoryEngine()
        self.planner = PlainPlanner(directory / "pods")
        self.told: list[tuple[str, PodStatus | None]] = []
        self.lag: Callable[[], float] = lambda: 0.01
        self.edged: Edged
        self.runtime: MemoryRuntime
        self._settings = EdgedSettings(**settings)
        self._directory = directory

    async def __aenter__(self) -> Self:
        await self.begin()
        return self

    async def __aexit__(self, *exc: object) -> None:
        await self.edged.__aexit__(None, None, None)

    async def begin(self) -> None:
        self.runtime = MemoryRuntime(self.engine, lambda: self.lag())
        self.edged = Edged(self.runtime, NODE, self._directory, self._hear, self._settings)
        await self.edged.__aenter__()

    async def kill(self, late: Callable[[], float | None] = lambda: None) -> None:
        """As by -9: what was under way is not finished, or later."""
        self.runtime.kill(late)
        await self.edged.__aexit__(None, None, None)

    def _hear(self, pod_id: str, status: PodStatus | None) -> None:
        self.told.append((pod_id, status))

    def apply(self, *pods: Pod) -> None:
        self.edged.apply({one.id: one for one in pods}, self.planner)

    def status(self, name: str = "web") -> PodStatus:
        status = self.edged.status(f"default/{name}")
        assert status is not None
        return status

    def reasons(self, name: str = "web") -> list[str]:
        return [event.reason for event in self.edged.events(f"default/{name}")]

    async def until(self, condition: Callable[[], object], within: float = 60.0, every: float = 0.005) -> None:
        async with asyncio.timeout(within):
            while not condition():
                await asyncio.sleep(every)

    async def phase(self, phase: str, name: str = "web", within: float = 60.0) -> PodStatus:
        def reached() -> bool:
            status = self.edged.status(f"default/{name}")
            return status is not None and status.phase == phase

        await self.until(reached, within)
        return self.status(name)

    async def ready(self, name: str = "web", within: float = 60.0) -> PodStatus:
        await self.phase("Running", name, within)
        await self.until(lambda: len({*self.status(name).ready}) == 1, within)
        return self.status(name)
