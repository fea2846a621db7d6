"""The packets of one source, counted by their sequence count. Pure."""

from __future__ import annotations

from mappers.satellite.packets import LAST_COUNT

__all__ = ["SequenceCount"]


class SequenceCount:
    """`hear` the count of each packet as it comes."""

    __slots__ = ("_anew", "_expected", "missed", "received")

    def __init__(self) -> None:
        self._expected: int | None = None
        self._anew: int | None = None
        """What would follow the last step back, if the source had begun anew there."""
        self.received = 0
        self.missed = 0
        """By the gaps in the counts; packets that are lost together by the 8,192 cannot be seen."""

    def hear(self, count: int) -> int:
        """How many are missing right before this one. More than half of all counts ahead is a step back: a packet
        that came twice or late, of which nothing is to be concluded, unless the next one follows it."""
        gap = 0 if self._expected is None else count - self._expected & LAST_COUNT
        self.received += 1
        if gap > LAST_COUNT // 2:
            gap = 0
            if count != self._anew:
                self._anew = count + 1 & LAST_COUNT
                return 0
        self._expected = count + 1
        self.missed += gap
        return gap
