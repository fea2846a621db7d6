"""What is wanted of the engine for one pod: plans with every reference resolved, and the hashes that say what an edit
makes anew."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

from msgspec.structs import replace

from edged.pod import Container, Pod
from edged.runtime import LABEL, ContainerPlan, SandboxPlan

__all__ = ["CannotPlan", "ContainerWish", "PodPlan"]


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
    """Its labels hold all of `LABEL` but `restarts`; its log lies in a directory of this container alone."""
    hash: str
    """The label `LABEL.spec`: a container with another one is made anew."""

    def attempt(self, restarts: int) -> ContainerPlan:
        """The plan of one container after so many others: its own name, label and log file `<restarts>.log`."""
        return replace(
            self.plan,
            name=f"{self.plan.name}-{restarts}",
            labels={**self.plan.labels, LABEL.restarts: str(restarts)},
            log_path=str(Path(self.plan.log_path).with_name(f"{restarts}.log")),
        )


class PodPlan(NamedTuple):
    """One pod as it is wanted."""

    pod: Pod
    sandbox: SandboxPlan
    """Its label `LABEL.spec` is `hash`."""
    hash: str
    """A sandbox with another one is made anew, with all containers."""
    init: tuple[ContainerWish, ...]
    """Run one after the other, to the end, before `containers`."""
    containers: tuple[ContainerWish, ...]
