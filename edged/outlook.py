"""How a pod stands between its manifest and the engine: who is to run, who has ended for good, who waits. Pure.

The rules are those of the kubelet: init containers one after the other, the restart policy, pauses between crashes.
"""

from __future__ import annotations

from math import inf

from edged.backoff import due
from edged.memory import NO_HEALTH, Health, Memory, crashes
from edged.pod import Container
from edged.runtime import LABEL, FoundContainer
from edged.sight import Sight, View
from edged.wanted import PodPlan, Unplanned

__all__ = ["Outlook"]


class Outlook:
    """One pod at one moment."""

    def __init__(self, wanted: PodPlan | Unplanned, sight: Sight, memory: Memory) -> None:
        plan = wanted if isinstance(wanted, PodPlan) else None
        self.pod = wanted.pod
        self.memory = memory
        self.view = View(plan, sight, memory.last)
        self.wishes = {wish.container.name: wish for wish in (*plan.init, *plan.containers)} if plan else {}
        """By name; empty where nothing can be planned."""
        self.init = self.pod.spec.init_containers
        self.containers = self.pod.spec.containers
        self.policy = self.pod.spec.restart_policy

    def changed(self, record: FoundContainer, name: str) -> bool:
        """It was made from something else than what is wanted now."""
        wish = self.wishes.get(name)
        return wish is not None and record.labels.get(LABEL.spec) != wish.hash

    @property
    def initialised(self) -> bool:
        """All init containers have ended well in this sandbox; once others were made there, they had."""
        if any(self.view.here(one.name) for one in self.containers):
            return True
        return all(self._done(one) for one in self.init)

    @property
    def init_failed(self) -> bool:
        """An init container has failed for good."""
        return self.policy == "Never" and any(self._failed(one) for one in self.init)

    def next_init(self) -> Container | None:
        """The init container whose turn it is; None where all are done, or none will ever be."""
        if self.initialised or self.init_failed:
            return None
        return next((one for one in self.init if not self._done(one)), None)

    def _done(self, container: Container) -> bool:
        record = self.view.here(container.name)
        return record is not None and ended_well(record) and not self.changed(record, container.name)

    def _failed(self, container: Container) -> bool:
        record = self.view.record(container.name)
        if record is None or self.changed(record, container.name):
            return False
        return self.lost(record, container.name) or (record.state == "exited" and not ended_well(record))

    def lost(self, record: FoundContainer, name: str) -> bool:
        """It could not be started, and under its policy it is not tried again."""
        failure = self.memory.failures.get(name)
        refused = record.state == "created" and failure is not None and failure.stage == "start"
        return refused and self.policy == "Never"

    def to_run(self, name: str) -> bool:
        """This container does not run, and is to: now, or after a pause."""
        record = self.view.record(name)
        if record is None or self.changed(record, name):
            return record is None or record.state in ("created", "exited")
        if record.state == "created":
            return not self.lost(record, name)
        return record.state == "exited" and (self.policy == "Always" or self._again(record))

    def _again(self, record: FoundContainer) -> bool:
        return self.policy == "OnFailure" and not ended_well(record)

    def to_start(self) -> list[Container]:
        """The containers (not init) that are to run and do not."""
        return [] if self.init_failed else [one for one in self.containers if self.to_run(one.name)]

    def waits(self, container: Container) -> bool:
        """It does not run, and will: at its turn, or after a pause."""
        record = self.view.record(container.name)
        if container in self.containers or record is None or record.state != "exited":
            return self.to_run(container.name)
        return self.policy != "Never" and not ended_well(record)

    def due(self, name: str) -> float:
        """From when on this container may be started."""
        wish, record, failure = self.wishes[name], self.view.record(name), self.memory.failures.get(name)
        ready = -inf
        if failure and not (failure.stage == "create" and record and record.state == "created"):
            ready = due(self.memory.backoffs.get(failure.pause), failure.at)
        if record and record.id in self.memory.ended and not self.changed(record, name):
            crash = self.memory.backoffs.get(crashes(name, wish.hash))
            ready = max(ready, due(crash, self.memory.ended[record.id]))
        return ready

    def pause(self, name: str) -> float:
        """How long the present pause between its crashes is, seconds."""
        crash = self.memory.backoffs.get(crashes(name, self.wishes[name].hash))
        return crash.pause if crash else 0.0

    def health(self, record: FoundContainer) -> Health:
        """What is known of it from its probes."""
        return self.memory.health.get(record.id, NO_HEALTH)


def ended_well(record: FoundContainer) -> bool:
    """It has ended with exit code 0."""
    return record.state == "exited" and record.exit_code == 0
