"""The status of a pod, as the kubelet computes it: phase, conditions, container statuses. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from math import inf
from typing import NamedTuple

from msgspec.structs import replace

from edged.memory import Memory
from edged.outlook import Outlook, ended_well
from edged.pod import Container
from edged.runtime import FoundContainer
from edged.sight import Sight, alive, attempt_of
from edged.status import (
    Condition,
    ConditionType,
    ContainerState,
    ContainerStatus,
    Phase,
    PodStatus,
    Running,
    Terminated,
    Waiting,
)
from edged.status_word import TERMINATING
from edged.wanted import Held, PodPlan, Unplanned

__all__ = ["Moment", "next_change", "report", "report_leaving", "stamp"]

SHOWN = 1.0
"""Seconds for which a failure is shown as such, before the pause after it."""


class Moment(NamedTuple):
    """When and where a decision is made."""

    now: float
    """Seconds of the monotonic clock."""
    wall: float = 0.0
    """Unix seconds, for stamps alone."""
    engine: str = ""
    host_ip: str = ""


def stamp(seconds: float) -> str:
    """RFC 3339, UTC, whole seconds; empty for 0."""
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%SZ") if seconds > 0 else ""


def next_change(memory: Memory, now: float) -> float:
    """When the status changes by itself: a failure turns into its pause."""
    shown = (failure.at + SHOWN for failure in memory.failures.values())
    return min((at for at in shown if at > now), default=inf)


def report_leaving(held: Held | None, sight: Sight, memory: Memory, moment: Moment) -> PodStatus | None:
    """Of a pod that is not to run. None: it is not declared either, and nothing is left of it, or was known of it."""
    if memory.status and any(alive(one) for one in sight.containers):
        return replace(memory.status, reason=TERMINATING, message=held.message if held else "")
    return _held(held, memory, moment) if held else None


def _held(held: Held, memory: Memory, moment: Moment) -> PodStatus:
    kinds: tuple[ConditionType, ...] = ("Initialized", "ContainersReady", "Ready")
    conditions = [_no(kind, held.reason, held.message) for kind in kinds]
    return PodStatus(
        phase="Pending",
        reason=held.reason,
        message=held.message,
        host_ip=moment.host_ip,
        conditions=_stamped([Condition(type="PodScheduled", status="True"), *conditions], memory, stamp(moment.wall)),
        container_statuses=tuple(_not_running(one, held.reason) for one in held.pod.spec.containers),
    )


def _no(kind: ConditionType, reason: str, message: str) -> Condition:
    return Condition(type=kind, status="False", reason=reason, message=message)


def _not_running(container: Container, reason: str) -> ContainerStatus:
    state = ContainerState(waiting=Waiting(reason))
    return ContainerStatus(
        name=container.name, image=container.image, ready=False, started=False, restart_count=0, state=state
    )


def report(wanted: PodPlan | Unplanned, outlook: Outlook, moment: Moment) -> PodStatus:
    """Of a pod that is to run."""
    blame = wanted if isinstance(wanted, Unplanned) else None
    init = tuple(_init_status(one, outlook, moment, blame) for one in outlook.init)
    containers = tuple(_container_status(one, outlook, moment, blame) for one in outlook.containers)
    phase = _phase(outlook, containers)
    sandbox, before = outlook.view.sandbox, outlook.memory.status
    reason, message = _trouble(outlook.memory, blame)
    return PodStatus(
        phase=phase,
        reason=reason,
        message=message,
        host_ip=moment.host_ip,
        pod_ip=sandbox.address if sandbox else "",
        start_time=(before and before.start_time) or stamp(sandbox.created if sandbox else moment.wall),
        conditions=_stamped(_conditions(phase, outlook, init, containers), outlook.memory, _since(outlook, moment)),
        init_container_statuses=init,
        container_statuses=containers,
    )


def _trouble(memory: Memory, blame: Unplanned | None) -> tuple[str, str]:
    """What keeps the whole pod from running, as reason and message."""
    if blame:
        return ("", "") if blame.container else (blame.reason, blame.message)
    failure = memory.failures.get("RunSandbox")
    return (failure.reason, failure.message) if failure else ("", "")


def _since(outlook: Outlook, moment: Moment) -> str:
    """The stamp for what is seen now; what was found running has been so since it was started."""
    records = [outlook.view.here(one.name) for one in outlook.containers]
    begun = max((one.started for one in records if one), default=0.0)
    return stamp(begun if outlook.memory.status is None and begun else moment.wall)


def _stamped(conditions: Sequence[Condition], memory: Memory, now: str) -> tuple[Condition, ...]:
    """Each with the time at which its status changed last."""
    before = (
        {(one.type, one.status): one.last_transition_time for one in memory.status.conditions}
        if memory.status
        else {}
    )
    return tuple(replace(one, last_transition_time=before.get((one.type, one.status), now)) for one in conditions)


def _container_status(
    container: Container, outlook: Outlook, moment: Moment, blame: Unplanned | None
) -> ContainerStatus:
    view, name = outlook.view, container.name
    record = view.record(name)
    health = outlook.health(record) if record else None
    running = record is not None and record.state == "running"
    started = running and (container.startup_probe is None or (health is not None and health.started is True))
    ready = started and (container.readiness_probe is None or (health is not None and health.ready is True))
    state, last = _states(container, record, outlook, moment, blame)
    return _status(container, record, state, last, moment, ready=ready, started=started)


def _init_status(container: Container, outlook: Outlook, moment: Moment, blame: Unplanned | None) -> ContainerStatus:
    record = outlook.view.record(container.name)
    if record is None and outlook.initialised:
        state = ContainerState(terminated=Terminated(0, "Completed", "its container is not there any more"))
        return _status(container, None, state, ContainerState(), moment, ready=True, started=False)
    state, last = _states(container, record, outlook, moment, blame)
    ready = record is not None and ended_well(record)
    return _status(container, record, state, last, moment, ready=ready, started=False)


def _status(
    container: Container,
    record: FoundContainer | None,
    state: ContainerState,
    last: ContainerState,
    moment: Moment,
    *,
    ready: bool,
    started: bool,
) -> ContainerStatus:
    return ContainerStatus(
        name=container.name,
        image=container.image,
        image_id=record.image_id if record else "",
        container_id=f"{moment.engine}://{record.id}" if record else "",
        ready=ready,
        started=started,
        restart_count=attempt_of(record.labels) if record else 0,
        state=state,
        last_state=last,
    )


def _states(
    container: Container, record: FoundContainer | None, outlook: Outlook, moment: Moment, blame: Unplanned | None
) -> tuple[ContainerState, ContainerState]:
    """What it is now, and what it was before."""
    name = container.name
    previous = outlook.view.previous(name)
    before = ContainerState(terminated=_terminated(previous, outlook.memory)) if previous else ContainerState()
    if record and record.state == "running":
        return ContainerState(running=Running(stamp(record.started))), before
    if record and record.state == "exited":
        ended = ContainerState(terminated=_terminated(record, outlook.memory))
        waiting = _pause(container, outlook, moment)
        return (ContainerState(waiting=waiting), ended) if waiting else (ended, before)
    if record and outlook.lost(record, name):
        failure = outlook.memory.failures[name]
        return ContainerState(terminated=Terminated(128, "StartError", failure.message)), before
    waiting = _pause(container, outlook, moment) or _blamed(container, blame) or _turn(outlook)
    return ContainerState(waiting=waiting), before


def _terminated(record: FoundContainer, memory: Memory) -> Terminated:
    code = 137 if record.exit_code is None else record.exit_code
    return Terminated(
        exit_code=code,
        reason=record.reason or ("Completed" if code == 0 else "Error"),
        message=memory.words.get(record.id, ""),
        started_at=stamp(record.started),
        finished_at=stamp(record.finished),
    )


def _turn(outlook: Outlook) -> Waiting:
    return Waiting("PodInitializing" if outlook.init else "ContainerCreating")


def _blamed(container: Container, blame: Unplanned | None) -> Waiting | None:
    if blame is None or blame.container not in ("", container.name):
        return None
    return Waiting(blame.reason, blame.message)


def _pause(container: Container, outlook: Outlook, moment: Moment) -> Waiting | None:
    """Why it is not started now, where its turn has come."""
    name = container.name
    if name not in outlook.wishes or not outlook.waits(container):
        return None
    failure = outlook.memory.failures.get(name)
    if failure is None:
        return _crash_loop(name, outlook) if outlook.due(name) > moment.now else None
    if failure.at + SHOWN > moment.now or failure.stage == "create" or failure.reason == "ErrImageNeverPull":
        return Waiting(failure.reason, failure.message)
    if failure.stage == "pull":
        return Waiting("ImagePullBackOff", f'Back-off pulling image "{container.image}": {failure.message}')
    return _crash_loop(name, outlook)


def _crash_loop(name: str, outlook: Outlook) -> Waiting:
    pod = outlook.pod.id.replace("/", "_")
    return Waiting(
        "CrashLoopBackOff", f"back-off {outlook.pause(name):.0f}s restarting failed container={name} pod={pod}"
    )


def _phase(outlook: Outlook, containers: Sequence[ContainerStatus]) -> Phase:
    """The kubelet's `getPhase`."""
    if outlook.init_failed:
        return "Failed"
    if not outlook.initialised and any(not _is_over(one) for one in containers):
        return "Pending"
    states = [one.state for one in containers]
    if any(one.state.waiting and not one.last_state.terminated for one in containers):
        return "Pending"
    if any(state.running for state in states):
        return "Running"
    if outlook.policy == "Always":
        return "Running"
    if all(state.terminated and state.terminated.exit_code == 0 for state in states):
        return "Succeeded"
    return "Failed" if outlook.policy == "Never" else "Running"


def _is_over(one: ContainerStatus) -> bool:
    return one.state.terminated is not None


def _conditions(
    phase: Phase, outlook: Outlook, init: Sequence[ContainerStatus], containers: Sequence[ContainerStatus]
) -> tuple[Condition, ...]:
    return (
        Condition(type="PodScheduled", status="True"),
        _initialized(phase, outlook, init),
        _ready("ContainersReady", phase, containers),
        _ready("Ready", phase, containers),
    )


def _initialized(phase: Phase, outlook: Outlook, init: Sequence[ContainerStatus]) -> Condition:
    if phase == "Succeeded":
        return Condition(type="Initialized", status="True", reason="PodCompleted")
    if outlook.initialised or all(one.ready for one in init):
        return Condition(type="Initialized", status="True")
    names = " ".join(one.name for one in init if not one.ready)
    return _no("Initialized", "ContainersNotInitialized", f"containers with incomplete status: [{names}]")


def _ready(kind: ConditionType, phase: Phase, containers: Sequence[ContainerStatus]) -> Condition:
    if phase in ("Succeeded", "Failed"):
        return _no(kind, "PodCompleted" if phase == "Succeeded" else "PodFailed", "")
    names = " ".join(one.name for one in containers if not one.ready)
    if names:
        return _no(kind, "ContainersNotReady", f"containers with unready status: [{names}]")
    return Condition(type=kind, status="True")
