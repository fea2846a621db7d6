"""Which cycle is due: every period on its own grid, without drift, late ones skipped rather than piled up. Pure.

The first reading is due at once; the grid after it has a phase of its own, so that many devices of one period do
not all speak at the same instant. Phases fall on common slots: the devices of a slot, of whichever link, report
together, and the bus and the journal carry many reports at the price of one. A cycle of several requests takes
turns with all others that are due.
"""

from __future__ import annotations

import heapq
import itertools
import math
from typing import Generic, Protocol, TypeVar

SLOT = 0.1
"""Seconds between two slots."""
ROUNDING = 1e-6
"""Of a period; a grid point is reached this early already, or it would be met twice."""


class Periodic(Protocol):
    """What is timed."""

    period: float
    """Seconds."""
    origin: float
    """A point of its grid; set by `Timetable.add`."""
    planned: float
    """The grid point it is working on."""
    skipped: int
    """Grid points that passed while it was late."""


C = TypeVar("C", bound=Periodic)


class Timetable(Generic[C]):
    """`pop` what is due, then say `again`, `postpone` or `finished`. Times are monotonic seconds."""

    def __init__(self) -> None:
        self._heap: list[tuple[float, int, C]] = []
        self._serial = itertools.count()

    def add(self, cycle: C, now: float, phase: float) -> None:
        """Due at once, then at `(k + phase) * period` of the clock; phase, in [0, 1), is moved to its slot."""
        slots = max(1, round(cycle.period / SLOT))
        cycle.origin = (math.floor(now / cycle.period) - 1 + math.floor(phase * slots) / slots) * cycle.period
        cycle.planned = now
        self._push(now, cycle)

    def pop(self, now: float) -> C | None:
        """The cycle that has been due for longest, if any is."""
        return heapq.heappop(self._heap)[2] if self._heap and self._heap[0][0] <= now else None

    def next_due(self) -> float:
        """When to look again; infinity when the table is empty."""
        return self._heap[0][0] if self._heap else math.inf

    def again(self, cycle: C, now: float) -> None:
        """It has more to do in this cycle: behind all that is due already."""
        self._push(now, cycle)

    def postpone(self, cycle: C, until: float) -> None:
        """Not before that."""
        self._push(until, cycle)

    def finished(self, cycle: C, now: float) -> None:
        """Due at its next grid point; those that have passed meanwhile are skipped and counted."""
        next_point = math.floor((now - cycle.origin) / cycle.period + ROUNDING) + 1
        due = cycle.origin + next_point * cycle.period
        cycle.skipped += max(0, round((due - cycle.planned) / cycle.period) - 1)
        cycle.planned = due
        self._push(due, cycle)

    def _push(self, due: float, cycle: C) -> None:
        heapq.heappush(self._heap, (due, next(self._serial), cycle))
