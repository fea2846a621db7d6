"""What is reported of a pod, in the words and fields of Kubernetes (`PodStatus`, `ContainerStatus`, events)."""

from __future__ import annotations

from typing import Literal

from msgspec import Struct, field

Phase = Literal["Pending", "Running", "Succeeded", "Failed", "Unknown"]
ConditionType = Literal["PodScheduled", "Initialized", "ContainersReady", "Ready"]


class Waiting(Struct, frozen=True, omit_defaults=True):
    """Not running yet, or not now: ContainerCreating, PodInitializing, CrashLoopBackOff, ErrImagePull,
    ImagePullBackOff, ErrImageNeverPull, CreateContainerConfigError, CreateContainerError, RunContainerError."""

    reason: str
    message: str = ""


class Running(Struct, frozen=True, rename="camel"):
    started_at: str
    """RFC 3339, UTC."""


class Terminated(Struct, frozen=True, omit_defaults=True, rename="camel"):
    exit_code: int
    reason: str
    """Completed, Error, OOMKilled, ContainerStatusUnknown …"""
    message: str = ""
    started_at: str = ""
    finished_at: str = ""


class ContainerState(Struct, frozen=True, omit_defaults=True):
    """One of them."""

    waiting: Waiting | None = None
    running: Running | None = None
    terminated: Terminated | None = None


class ContainerStatus(Struct, frozen=True, rename="camel", kw_only=True):
    name: str
    image: str
    image_id: str = field(default="", name="imageID")
    container_id: str = field(default="", name="containerID")
    """`<runtime>://<id>`."""
    ready: bool
    started: bool
    restart_count: int
    state: ContainerState
    last_state: ContainerState = ContainerState()


class Condition(Struct, frozen=True, omit_defaults=True, rename="camel"):
    type: ConditionType
    status: Literal["True", "False", "Unknown"]
    last_transition_time: str = ""
    reason: str = ""
    message: str = ""


class PodStatus(Struct, frozen=True, rename="camel", kw_only=True, omit_defaults=True):
    phase: Phase
    reason: str = ""
    """Why the whole pod is as it is: Unschedulable, DeviceAbsent, Stopped …; empty = nothing special."""
    message: str = ""
    host_ip: str = field(default="", name="hostIP")
    pod_ip: str = field(default="", name="podIP")
    start_time: str = ""
    conditions: tuple[Condition, ...] = ()
    init_container_statuses: tuple[ContainerStatus, ...] = ()
    container_statuses: tuple[ContainerStatus, ...] = ()

    @property
    def ready(self) -> tuple[int, int]:
        """Containers that are ready, and all."""
        return sum(one.ready for one in self.container_statuses), len(self.container_statuses)

    @property
    def restarts(self) -> int:
        """Of all its containers."""
        return sum(one.restart_count for one in (*self.init_container_statuses, *self.container_statuses))


class Event(Struct, frozen=True, rename="camel", kw_only=True):
    """One thing that happened to a pod; equal ones are counted, not repeated."""

    type: Literal["Normal", "Warning"] = "Normal"
    reason: str
    """Scheduled, Pulling, Pulled, Created, Started, Killing, BackOff, Failed, Unhealthy, FailedMount …"""
    message: str
    count: int = 1
    first: float
    """Unix seconds."""
    last: float
