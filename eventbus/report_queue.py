"""The reports of one device on their way to the hub: one in flight, the others wait in order. Pure, no I/O.

A report is in flight until the hub answered it, and is said again, byte for byte, while no answer comes; the
next one leaves only then. So the hub sees the reports of a device in their order, whatever is lost on the way.
Waiting reports are bounded: past the bound the two oldest become one, which keeps the latest value of each
property, and every reading that vanishes this way is counted.
"""

from __future__ import annotations

import random
from collections import deque
from collections.abc import Callable, Sequence
from typing import NamedTuple

from msgspec import Struct, structs

from twin.documents import Quality

FIRST_WAIT = 5.0
"""Seconds an answer is waited for before the first repetition; the wait doubles with each."""
LONGEST_WAIT = 60.0
"""Seconds; repetitions never get rarer than this."""


class Reading(Struct, frozen=True, gc=False):
    """One property as it was read: what a mapper reports."""

    property: str
    value: str | None
    """As text, whatever the type; None when only the quality changed (a failed read has no value)."""
    time: int = 0
    """Unix milliseconds at which the device was read; 0 for a read that failed."""
    quality: Quality = "good"
    reason: str = ""
    """Why the quality is not good."""


Report = Sequence[Reading]


class Sent(NamedTuple):
    """A report as it left."""

    event_id: str
    payload: bytes


class ReportQueue:
    """`add` reports, publish what `due` gives, tell `answered` what came back."""

    __slots__ = (
        "_due",
        "_encode",
        "_limit",
        "_oldest",
        "_tries",
        "_waiting",
        "flying",
        "folded",
        "refused",
        "repeated",
        "size",
    )

    def __init__(self, encode: Callable[[Report], Sent], limit: int) -> None:
        self._encode = encode
        self._limit = limit
        self._waiting: deque[tuple[float, Report]] = deque()
        """When it was added, and the report."""
        self._oldest = 0.0
        self._due = 0.0
        self._tries = 0
        self.flying: Sent | None = None
        self.size = 0
        """Readings that wait, those in flight not counted."""
        self.folded = 0
        """Readings that were replaced by a later one of their property before they left."""
        self.repeated = 0
        """Messages said again."""
        self.refused = 0
        """Messages the hub refused for good."""

    @property
    def depth(self) -> int:
        """Reports that are not answered yet."""
        return len(self._waiting) + (self.flying is not None)

    @property
    def oldest(self) -> float | None:
        """When the oldest report that is not answered was added; None when there is none."""
        if self.flying is not None:
            return self._oldest
        return self._waiting[0][0] if self._waiting else None

    def add(self, report: Report, now: float) -> None:
        """Append a report, folding the oldest ones when the bound is passed. `now`: monotonic seconds."""
        self._waiting.append((now, report))
        self.size += len(report)
        while len(self._waiting) > self._limit:
            self.fold()

    def fold(self) -> bool:
        """Make the two oldest waiting reports one; False when fewer than two wait."""
        if len(self._waiting) < 2:
            return False
        (since, older), (_, newer) = self._waiting.popleft(), self._waiting.popleft()
        merged = merge(older, newer)
        lost = len(older) + len(newer) - len(merged)
        self.folded += lost
        self.size -= lost
        self._waiting.appendleft((since, merged))
        return True

    def due(self, now: float) -> bytes | None:
        """What must leave now, if anything: the next report, or the one in flight once more."""
        if self.flying is None:
            return self._launch(now) if self._waiting else None
        if now < self._due:
            return None
        self.repeated += 1
        self._wait(now)
        return self.flying.payload

    def answered(self, event_id: str) -> bool:
        """The hub has it. False when this answers nothing that is in flight (an old or a foreign answer)."""
        if self.flying is None or self.flying.event_id != event_id:
            return False
        self.flying = None
        return True

    def dropped(self, event_id: str) -> bool:
        """The hub refused it and always will: it is given up, and counted."""
        known = self.answered(event_id)
        self.refused += known
        return known

    def hurry(self, now: float, within: float) -> None:
        """The connection is new: what is in flight may be lost, so repeat it within that many seconds."""
        self._tries = 0
        self._due = now + random.uniform(0, within)  # noqa: S311 - jitter, not a secret

    def _launch(self, now: float) -> bytes:
        self._oldest, report = self._waiting.popleft()
        self.size -= len(report)
        self.flying = self._encode(report)
        self._tries = 0
        self._wait(now)
        return self.flying.payload

    def _wait(self, now: float) -> None:
        longest = min(LONGEST_WAIT, FIRST_WAIT * 2**self._tries)
        self._due = now + longest * random.uniform(0.8, 1.2)  # noqa: S311 - jitter, not a secret
        self._tries = min(self._tries + 1, 8)


def merge(older: Report, newer: Report) -> Report:
    """One report with the latest of each property. A later change of quality alone keeps the earlier value."""
    latest = {reading.property: reading for reading in older}
    for reading in newer:
        before = latest.get(reading.property)
        if reading.value is None and before is not None and before.value is not None:
            reading = structs.replace(before, quality=reading.quality, reason=reading.reason)  # noqa: PLW2901
        latest[reading.property] = reading
    return tuple(latest.values())
