"""The packets of one source, counted by their sequence count. Pure."""

from __future__ import annotations

from mappers.satellite.packets import LAST_COUNT

__all__ = ["SequenceCount"]


class SequenceCount:
    """`hear` the count of each packet as it comes."""

    __slots__ = ("_expected", "missed", "received")

    def __init__(self) -> None:
        self._expected: int | None = None
        self.received = 0
        self.missed = 0
        """By the gaps in the counts; packets that are lost together by the 16,384 cannot be seen."""

    def hear(self, count: int) -> int:
        """How many are missing right before this one."""
        gap = 0 if self._expected is None else count - self._expected & LAST_COUNT
        self._expected = count + 1
        self.received += 1
        self.missed += gap
        return gap
