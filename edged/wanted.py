"""What is wanted of the engine for one pod: plans with every reference resolved, and the hashes that say what an edit
makes anew."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Literal, NamedTuple, Protocol

from msgspec import Struct
from msgspec.structs import replace

from edged.pod import Container, Pod
from edged.runtime import LABEL, ContainerPlan, SandboxPlan

__all__ = [
    "BoundDevice",
    "CannotPlan",
    "ContainerWish",
    "Held",
    "Override",
    "Planner",
    "PodPlan",
    "Unplanned",
    "Wanted",
]


class CannotPlan(Exception):
    """The pod cannot be brought about as it is declared now. `reason` is Kubernetes': CreateContainerConfigError,
    FailedMount, DeviceAbsent …; `container` names the one it is about, empty for the whole pod."""

    def __init__(self, reason: str, message: str, container: str = "") -> None:
        self.reason = reason
        self.container = container
        super().__init__(message)


class ContainerWish(NamedTuple):
    """One container as it is wanted."""

    container: Container
    """As declared: its probes, hooks and pull policy."""
    plan: ContainerPlan
    """Its labels hold `LABEL`'s node, pod, uid, container and spec; its log lies in a directory of its own."""
    hash: str
    """The label `LABEL.spec`: a container with another one is made anew."""

    def attempt(self, restarts: int, ending: str) -> ContainerPlan:
        """The plan of the container after so many others: its own name, labels, log file `<restarts>.log` and the
        file `<restarts>.message` for its last words."""
        return replace(
            self.plan,
            name=f"{self.plan.name}-{restarts}",
            labels={**self.plan.labels, LABEL.restarts: str(restarts), LABEL.ending: ending},
            log_path=str(Path(self.plan.log_path).with_name(f"{restarts}.log")),
            message_file=str(Path(self.plan.log_path).with_name(f"{restarts}.message")),
        )


class PodPlan(NamedTuple):
    """One pod as it is wanted."""

    pod: Pod
    sandbox: SandboxPlan
    """Its labels hold `LABEL`'s node, pod, uid and spec."""
    hash: str
    """The label `LABEL.spec`: a sandbox with another one is made anew, with all containers."""
    init: tuple[ContainerWish, ...]
    """Run one after the other, to the end, before `containers`."""
    containers: tuple[ContainerWish, ...]
    files: str = ""
    """What its volumes show, as a digest: with another one they are to be prepared anew."""

    def sandbox_attempt(self, restarts: int) -> SandboxPlan:
        """The plan of the sandbox after so many others."""
        labels = {**self.sandbox.labels, LABEL.restarts: str(restarts)}
        return replace(self.sandbox, name=f"{self.sandbox.name}-{restarts}", labels=labels)


class Unplanned(NamedTuple):
    """It cannot be planned at present: what runs goes on, nothing is started."""

    pod: Pod
    reason: str
    message: str
    container: str = ""


class Held(NamedTuple):
    """It is declared, and is not to run: Stopped, DeviceAbsent."""

    pod: Pod
    reason: str
    message: str


Wanted = PodPlan | Unplanned | Held | None
"""None: it is not declared (any more)."""


class Override(Struct, frozen=True, kw_only=True):
    """What was wished of a pod beside its manifest."""

    replicas: Literal[0, 1] | None = None
    images: Mapping[str, str] = {}
    """By the container's name."""
    restart: str = ""
    """Another text than before makes the whole pod anew."""


class BoundDevice(NamedTuple):
    """The device a pod is bound to, while its twin is online here."""

    id: str
    env: Mapping[str, str]
    """What the pod's containers get to know of it, as environment variables."""


class Planner(Protocol):
    """Turns manifests into plans, with the ConfigMaps and Secrets of the same declaration."""

    def plan(self, pod: Pod, device: BoundDevice | None) -> PodPlan:
        """CannotPlan: something it refers to is not there."""
        ...

    async def prepare(self, plan: PodPlan) -> None:
        """Bring about the files of its volumes, or bring them up to date. CannotPlan: it cannot, FailedMount."""
        ...

    async def forget(self, pod_id: str) -> None:
        """Remove all files of a pod that is gone."""
        ...

    def left(self) -> Collection[str]:
        """The ids of all pods that have files, those of former runs too."""
        ...
