"""What happened to a pod: bounded, and equal things counted, in the words of Kubernetes' events."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Literal, NamedTuple

from msgspec.structs import replace

from edged.status import ContainerStatus, Event, PodStatus

__all__ = ["MOST", "Events", "Happening", "backoffs_begun"]

MOST = 50
"""Kept per pod; the one that was not seen for longest goes first."""
LONGEST = 1024
"""Characters of a message, as Kubernetes limits them."""


class Happening(NamedTuple):
    type: Literal["Normal", "Warning"]
    reason: str
    message: str


class Events:
    """Those of one pod."""

    def __init__(self) -> None:
        self._kept: dict[Happening, Event] = {}

    def add(self, one: Happening, wall: float) -> Event:
        """It happened now, Unix seconds; as it stands now."""
        one = one._replace(message=one.message[:LONGEST])
        before = self._kept.get(one)
        event = (
            replace(before, count=before.count + 1, last=wall)
            if before
            else Event(type=one.type, reason=one.reason, message=one.message, first=wall, last=wall)
        )
        self.put(event)
        return event

    def put(self, event: Event) -> None:
        """It is the newest now, in place of an equal one."""
        one = Happening(event.type, event.reason, event.message)
        self._kept.pop(one, None)
        self._kept[one] = event
        if len(self._kept) > MOST:
            del self._kept[next(iter(self._kept))]

    def all(self) -> tuple[Event, ...]:
        """The newest last."""
        return tuple(self._kept.values())


def backoffs_begun(before: PodStatus | None, after: PodStatus | None) -> Iterator[Happening]:
    """The pauses that began between two reports of a pod."""
    known = {one.name: _pause(one) for one in _containers(before)}
    for one in _containers(after):
        pause = _pause(one)
        if pause and pause != known.get(one.name):
            waiting = one.state.waiting
            if pause == "CrashLoopBackOff":
                yield Happening("Warning", "BackOff", f"Back-off restarting failed container {one.name}")
            elif waiting:
                yield Happening("Normal", "BackOff", waiting.message.partition('": ')[0].rstrip('"') + '"')


def _containers(status: PodStatus | None) -> tuple[ContainerStatus, ...]:
    return (*status.init_container_statuses, *status.container_statuses) if status else ()


def _pause(status: ContainerStatus) -> str:
    reason = status.state.waiting.reason if status.state.waiting else ""
    return reason if reason in ("CrashLoopBackOff", "ImagePullBackOff") else ""
