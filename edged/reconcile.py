"""What to do next for one pod, from what is wanted and what there is, as the kubelet decides it. Pure.

One action at a time, and the next from a new look at the engine: whoever is killed between two of them, or within
one, is continued by whoever decides next. Nothing is made before what it replaces has ended.
"""

from __future__ import annotations

from collections.abc import Iterable
from math import inf
from typing import NamedTuple

from edged.actions import Action, RemoveContainers, RemoveSandboxes, Run, RunSandbox, Stop, StopOne, StopSandbox, key
from edged.backoff import due
from edged.hooks import ending_of, written
from edged.memory import Memory, note
from edged.outlook import Outlook
from edged.pod import Pod
from edged.report import Moment, next_change, report, report_leaving
from edged.runtime import FoundContainer
from edged.sight import Sight, alive, attempt_of, name_of
from edged.status import PodStatus
from edged.wanted import Held, PodPlan, Wanted

__all__ = ["Decision", "decide"]

CHANGED = "Container {} definition changed, will be restarted"
FAILED = "Container {} failed {} probe, will be restarted"
STOPPING = "Stopping container {}"


class Decision(NamedTuple):
    action: Action | None
    """To be done now."""
    status: PodStatus | None
    """To be told; None: there is nothing left of it."""
    memory: Memory
    wake_at: float
    """Without an action: when to decide again, by the monotonic clock, if nothing happens before."""


class _Step(NamedTuple):
    action: Action | None = None
    wake_at: float = inf


def decide(wanted: Wanted, sight: Sight, memory: Memory, moment: Moment) -> Decision:
    """The next action, what to report until then, and what to remember."""
    if wanted is None or isinstance(wanted, Held):
        memory = Memory(backoffs=memory.backoffs, failures=memory.failures, status=memory.status)
        step = _leave(sight, wanted.pod if wanted else None)
        status = report_leaving(wanted, sight, memory, moment)
    else:
        memory = note(memory, wanted, sight, moment.now) if isinstance(wanted, PodPlan) else memory
        outlook = Outlook(wanted, sight, memory)
        step = _bring_about(wanted, sight, outlook, moment.now) if isinstance(wanted, PodPlan) else _Step()
        status = report(wanted, outlook, moment)
    step = _rested(step, memory, moment.now)
    wake_at = min(step.wake_at, next_change(memory, moment.now))
    return Decision(step.action, status, memory._replace(status=status), wake_at)


def _rested(step: _Step, memory: Memory, now: float) -> _Step:
    """What the engine refused lately is not asked at once again."""
    if step.action is None or isinstance(step.action, Run):
        return step
    failure = memory.failures.get(key(step.action))
    ready = due(memory.backoffs.get(key(step.action)), failure.at) if failure else -inf
    return _Step(None, ready) if ready > now else step


def _leave(sight: Sight, pod: Pod | None) -> _Step:
    """Nothing of it is to run, or to be left."""
    if stop := _stop(((one, STOPPING) for one in sight.containers), pod):
        return stop
    if sight.sandboxes:
        return _Step(RemoveSandboxes(tuple(one.id for one in sight.sandboxes)))
    return _Step(RemoveContainers(tuple(one.id for one in sight.containers)) if sight.containers else None)


def _stop(which: Iterable[tuple[FoundContainer, str]], pod: Pod | None) -> _Step | None:
    """Stop those that run, each with why, `{}` for its name; None where none does."""
    endings = [
        StopOne(one.id, name_of(one), ending_of(one, pod), why.format(name_of(one)))
        for one, why in which
        if alive(one)
    ]
    return _Step(Stop(tuple(endings))) if endings else None


def _bring_about(plan: PodPlan, sight: Sight, outlook: Outlook, now: float) -> _Step:
    return (
        _replace_pod(plan, sight, outlook)
        or _end_leftovers(plan, sight, outlook)
        or _end_some(plan, sight, outlook)
        or _start(plan, outlook, now)
    )


def _replace_pod(plan: PodPlan, sight: Sight, outlook: Outlook) -> _Step | None:
    """A pod that was made from something else goes first, whole."""
    if not (outdated := tuple(one.id for one in outlook.view.outdated)):
        return None
    inside = sight.inside(set(outdated))
    return _stop(((one, STOPPING) for one in inside), plan.pod) or _Step(RemoveSandboxes(outdated))


def _end_leftovers(plan: PodPlan, sight: Sight, outlook: Outlook) -> _Step | None:
    """Containers without their sandbox, in a dead one, of no name that is wanted, or of which the engine knows no
    more what they do."""
    useless = sight.strays() + [one for one in sight.containers if name_of(one) not in outlook.wishes]
    leftovers = {one.id: one for one in useless + sight.inside({one.id for one in outlook.view.dead})}
    if stop := _stop(((one, STOPPING) for one in leftovers.values() if one.state == "running"), plan.pod):
        return stop
    lost = [one for one in sight.containers if one.state == "unknown"]
    ids = tuple(dict.fromkeys(one.id for one in useless + lost))
    return _Step(RemoveContainers(ids)) if ids else None


def _end_some(plan: PodPlan, sight: Sight, outlook: Outlook) -> _Step | None:
    """Running containers that were edited, or that their probes gave up."""
    return _stop(((one, why) for one in sight.containers if (why := _fault(one, outlook))), plan.pod)


def _fault(container: FoundContainer, outlook: Outlook) -> str:
    name = name_of(container)
    if outlook.view.record(name) != container:
        return STOPPING
    if outlook.changed(container, name):
        return CHANGED
    failed = outlook.health(container).failed
    return FAILED.format(name, failed) if failed else ""


def _start(plan: PodPlan, outlook: Outlook, now: float) -> _Step:
    """What is to run, as far as its turn and its pauses allow."""
    view, to_start = outlook.view, outlook.to_start()
    busy = any((record := view.here(one.name)) and alive(record) for one in (*outlook.init, *outlook.containers))
    if not to_start and not busy:
        return _Step(StopSandbox(view.sandbox.id)) if view.sandbox else _Step()
    if to_start and view.sandbox is None:
        return _Step(RunSandbox(plan.sandbox_attempt(view.newest + 1), tuple(one.id for one in view.dead)))
    init = outlook.next_init()
    names = [init.name] if init else [one.name for one in to_start]
    steps = [_start_one(name, plan, outlook, now) for name in names]
    ready = next((step for step in steps if step.action), None)
    return ready or _forget_dead(outlook) or _Step(None, min((step.wake_at for step in steps), default=inf))


def _start_one(name: str, plan: PodPlan, outlook: Outlook, now: float) -> _Step:
    attempts, record, sandbox = outlook.view.attempts(name), outlook.view.record(name), outlook.view.sandbox
    if sandbox is None or (record and alive(record)):
        return _Step()
    if (ready := outlook.due(name)) > now:
        return _Step(None, ready)
    wish, existing = outlook.wishes[name], _to_go_on_with(name, outlook)
    keep = existing or next((one for one in attempts if one.state == "exited"), None)
    before = attempt_of(record.labels) if record else -1
    return _Step(
        Run(
            wish=wish,
            sandbox=sandbox.id,
            restarts=before if existing else before + 1,
            ending=written(wish.container, plan.pod),
            existing=existing.id if existing else None,
            remove=tuple(one.id for one in attempts if one is not keep and not existing),
        )
    )


def _to_go_on_with(name: str, outlook: Outlook) -> FoundContainer | None:
    """A container that was made and not started, by somebody who was cut off."""
    record, failure = outlook.view.here(name), outlook.memory.failures.get(name)
    if record is None or record.state != "created" or outlook.changed(record, name):
        return None
    return None if failure and failure.stage == "start" else record


def _forget_dead(outlook: Outlook) -> _Step | None:
    """Dead sandboxes go when all their containers have successors."""
    needed = {record.sandbox for name in outlook.wishes if (record := outlook.view.record(name))}
    ids = tuple(one.id for one in outlook.view.dead if one.id not in needed)
    return _Step(RemoveSandboxes(ids)) if ids else None
