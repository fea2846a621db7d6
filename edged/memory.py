"""What a reconciler remembers of a pod between two looks at the engine: pauses, failures, health, who was last seen.

It may be lost at any time: containers and their labels are what counts. All functions are pure; times are seconds of
the monotonic clock.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal, NamedTuple

from edged.backoff import Backoff, again
from edged.runtime import FoundContainer
from edged.sight import Sight, View
from edged.status import PodStatus
from edged.wanted import ContainerWish, PodPlan

__all__ = [
    "NO_HEALTH",
    "Failure",
    "Health",
    "Memory",
    "Stage",
    "crashes",
    "done",
    "heard",
    "note",
    "probed",
    "pulls",
    "refused",
    "started",
    "without_pulls",
]

VANISHED = 137
"""The exit code of a container that vanished while it ran, as the kubelet reports it."""
Stage = Literal["pull", "create", "start", "other"]


class Health(NamedTuple):
    """What the probes of one running container found."""

    started: bool | None = None
    """None: not known yet."""
    ready: bool | None = None
    failed: Literal["", "liveness", "startup"] = ""
    """The probe for which it is to be made anew."""


NO_HEALTH = Health()


class Failure(NamedTuple):
    """Why an action was refused, and when."""

    pause: str
    """What its pause is kept under."""
    stage: Stage
    reason: str
    message: str
    at: float


class Memory(NamedTuple):
    of: str = ""
    """The hash of the plan all this was learnt with."""
    last: Mapping[str, FoundContainer] = {}
    """The newest of each container, by name; stays when it vanishes."""
    ended: Mapping[str, float] = {}
    """When the end of a container was first seen, by its id."""
    backoffs: Mapping[str, Backoff] = {}
    failures: Mapping[str, Failure] = {}
    """By the container's name, or the kind of action."""
    health: Mapping[str, Health] = {}
    """By the container's id."""
    words: Mapping[str, str] = {}
    """What containers said at their end, by their ids."""
    status: PodStatus | None = None
    """What was reported last."""


def crashes(name: str, hash_: str) -> str:
    """What the pauses of a container are kept under: an edit forgets them."""
    return f"{name} {hash_}"


def pulls(name: str, hash_: str) -> str:
    """Its image has pauses of its own: a crash does not lengthen them."""
    return f"{name} {hash_} pull"


def note(memory: Memory, plan: PodPlan, sight: Sight, now: float) -> Memory:
    """What a look at the engine teaches; another plan than before forgets everything but what was reported."""
    of = f"{plan.hash} {plan.pod.metadata.uid}"
    if memory.of != of:
        memory = Memory(of=of, status=memory.status)
    view = View(plan, sight, {})
    last = {name: _ghost(one) for name, one in memory.last.items() if one.state != "created"}
    for wish in _wishes(plan):
        if attempts := view.attempts(wish.container.name):
            last[wish.container.name] = attempts[0]
    ids = {one.id for one in (*last.values(), *sight.containers)}
    ended = {id_: at for id_, at in memory.ended.items() if id_ in ids}
    for one in (*last.values(), *sight.containers):
        if one.state == "exited":
            ended.setdefault(one.id, now)
    failures = _open(memory, plan, last)
    return memory._replace(
        last=last,
        ended=ended,
        backoffs=_standing(memory, plan, failures),
        failures=failures,
        health={id_: one for id_, one in memory.health.items() if id_ in ids},
        words={id_: text for id_, text in memory.words.items() if id_ in ids},
    )


def _wishes(plan: PodPlan) -> tuple[ContainerWish, ...]:
    return (*plan.init, *plan.containers)


def _ghost(container: FoundContainer) -> FoundContainer:
    if container.state == "exited":
        return container
    return container._replace(state="exited", exit_code=VANISHED, reason="ContainerStatusUnknown")


def _open(memory: Memory, plan: PodPlan, last: Mapping[str, FoundContainer]) -> dict[str, Failure]:
    """The failures that still stand: a container that runs after all has none, nor has one that was edited."""
    failures = dict(memory.failures)
    for wish in _wishes(plan):
        name = wish.container.name
        failure, now_there = failures.get(name), last.get(name)
        runs = now_there is not None and now_there.state == "running"
        if failure and (runs or failure.pause not in (crashes(name, wish.hash), pulls(name, wish.hash))):
            del failures[name]
    return failures


def _standing(memory: Memory, plan: PodPlan, failures: Mapping[str, Failure]) -> dict[str, Backoff]:
    """The pauses that anything may still wait for: a container that was edited has none from before."""
    hashes = [(wish.container.name, wish.hash) for wish in _wishes(plan)]
    named = {one.pause for one in failures.values()}
    named |= {pause for name, hash_ in hashes for pause in (crashes(name, hash_), pulls(name, hash_))}
    return {pause: one for pause, one in memory.backoffs.items() if pause in named}


def started(memory: Memory, wish: ContainerWish, now: float) -> Memory:
    """A container was started; the one before it, if any, had ended."""
    name = wish.container.name
    memory = _forget(memory, name, pulls(name, wish.hash))
    before = memory.last.get(name)
    if before is None or before.id not in memory.ended:
        return memory
    crash = crashes(name, wish.hash)
    backoff = again(memory.backoffs.get(crash), memory.ended[before.id], now)
    return memory._replace(backoffs={**memory.backoffs, crash: backoff})


def refused(memory: Memory, key: str, failure: Failure) -> Memory:
    """The engine would not; the next attempt waits. `key`: a container's name, or the kind of action."""
    backoff = again(memory.backoffs.get(failure.pause), failure.at, failure.at)
    return memory._replace(
        failures={**memory.failures, key: failure}, backoffs={**memory.backoffs, failure.pause: backoff}
    )


def done(memory: Memory, key: str) -> Memory:
    """What may have been refused before went well."""
    return _forget(memory, key, key)


def heard(memory: Memory, words: Mapping[str, str]) -> Memory:
    """Containers that have ended said this at last, by their ids."""
    return memory._replace(words={**memory.words, **words})


def without_pulls(memory: Memory) -> Memory:
    """Images that could not be got are asked for anew, without a pause."""
    failures = {key: one for key, one in memory.failures.items() if one.stage != "pull"}
    pauses = {one.pause for one in memory.failures.values() if one.stage == "pull"}
    backoffs = {key: one for key, one in memory.backoffs.items() if key not in pauses}
    return memory._replace(failures=failures, backoffs=backoffs)


def _forget(memory: Memory, key: str, pause: str) -> Memory:
    return memory._replace(
        failures={one: failure for one, failure in memory.failures.items() if one != key},
        backoffs={one: backoff for one, backoff in memory.backoffs.items() if one != pause},
    )


def probed(memory: Memory, id_: str, health: Health) -> Memory:
    """What the probes of a container say now."""
    return memory._replace(health={**memory.health, id_: health})
