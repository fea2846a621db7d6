"""What the engine has of one pod, and how that stands to what is wanted. No I/O."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from typing import NamedTuple, TypeVar

from edged.runtime import LABEL, Found, FoundContainer, FoundSandbox
from edged.wanted import PodPlan

Thing = TypeVar("Thing", FoundSandbox, FoundContainer)

__all__ = ["Sight", "View", "alive", "attempt_of", "by_pod", "made_from", "name_of"]


class Sight(NamedTuple):
    """All that the engine has of one pod."""

    sandboxes: tuple[FoundSandbox, ...] = ()
    containers: tuple[FoundContainer, ...] = ()

    def inside(self, sandboxes: set[str]) -> list[FoundContainer]:
        """The containers in these sandboxes."""
        return [one for one in self.containers if one.sandbox in sandboxes]

    def strays(self) -> list[FoundContainer]:
        """Containers whose sandbox is gone."""
        known = {sandbox.id for sandbox in self.sandboxes}
        return [one for one in self.containers if one.sandbox not in known]


def by_pod(found: Found) -> dict[str, Sight]:
    """What was found, by the pod's id."""
    sandboxes: defaultdict[str, list[FoundSandbox]] = defaultdict(list)
    containers: defaultdict[str, list[FoundContainer]] = defaultdict(list)
    for sandbox in found.sandboxes:
        sandboxes[sandbox.labels.get(LABEL.pod, "")].append(sandbox)
    for container in found.containers:
        containers[container.labels.get(LABEL.pod, "")].append(container)
    pods = (sandboxes.keys() | containers.keys()) - {""}
    return {pod: Sight(_ordered(sandboxes[pod]), _ordered(containers[pod])) for pod in pods}


def _ordered(things: list[Thing]) -> tuple[Thing, ...]:
    return tuple(sorted(things, key=lambda thing: thing.id))


def attempt_of(labels: Mapping[str, str]) -> int:
    """How often it was made anew before, as it says itself."""
    text = labels.get(LABEL.restarts, "")
    return int(text) if text.isdecimal() and len(text) < 10 else 0


def name_of(container: FoundContainer) -> str:
    """The container's name in its pod."""
    return container.labels.get(LABEL.container, "")


def alive(container: FoundContainer) -> bool:
    """It runs, or may."""
    return container.state in ("running", "unknown")


class View:
    """A pod's sight beside its plan."""

    def __init__(self, plan: PodPlan | None, sight: Sight, ghosts: Mapping[str, FoundContainer]) -> None:
        """`plan`: None takes everything as it is. `ghosts`: by name, the last known of each container; stands in
        where nothing is there any more."""
        self._ghosts = ghosts
        valid = [sandbox for sandbox in sight.sandboxes if plan is None or made_from(plan, sandbox)]
        busy = {one.sandbox for one in sight.containers if alive(one)}
        valid.sort(key=lambda one: (one.id in busy, attempt_of(one.labels), one.created), reverse=True)
        self.outdated = [sandbox for sandbox in sight.sandboxes if sandbox not in valid]
        """Sandboxes that were made from something else."""
        self.sandbox = next((one for one in valid if one.ready), None)
        """The one whose containers count as running."""
        self.dead = [one for one in valid if one is not self.sandbox]
        """Former ones, kept for what their containers say."""
        self.newest = max((attempt_of(one.labels) for one in valid), default=-1)
        self._attempts: defaultdict[str, list[FoundContainer]] = defaultdict(list)
        for container in sight.inside({one.id for one in valid}):
            self._attempts[name_of(container)].append(container)
        for several in self._attempts.values():
            several.sort(key=lambda one: (attempt_of(one.labels), one.created), reverse=True)

    def attempts(self, name: str) -> list[FoundContainer]:
        """All there are of one container, the newest first."""
        return self._attempts[name]

    def record(self, name: str) -> FoundContainer | None:
        """The newest one; one that vanished counts as ended."""
        return next(iter(self._attempts[name]), self._ghosts.get(name))

    def here(self, name: str) -> FoundContainer | None:
        """The newest one, if it is in the present sandbox."""
        record = self.record(name)
        return record if record and self.sandbox and record.sandbox == self.sandbox.id else None

    def previous(self, name: str) -> FoundContainer | None:
        """The one before, if it is still there."""
        return next((one for one in self._attempts[name][1:] if one.state == "exited"), None)


def made_from(plan: PodPlan, sandbox: FoundSandbox) -> bool:
    """It is this pod's, and nothing in it was edited since."""
    wanted = plan.sandbox.labels.get(LABEL.uid, "")
    return sandbox.labels.get(LABEL.spec) == plan.hash and sandbox.labels.get(LABEL.uid, "") == wanted
