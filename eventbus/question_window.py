"""Questions about many devices, a few under way at a time, repeated until they are answered. Pure, no I/O."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import islice

WIDTH = 32
"""Questions under way at a time."""
PATIENCE = 5.0
"""Seconds after which an unanswered question goes to the end of the row."""


class QuestionWindow:
    """`ask` for devices, publish what `due` gives, tell `answered` and `forget`."""

    def __init__(self, width: int = WIDTH, patience: float = PATIENCE) -> None:
        self._width = width
        self._patience = patience
        self._row: dict[str, None] = {}
        self._asked: dict[str, float] = {}
        """Device → when to give up waiting for its answer."""

    def ask(self, device_ids: Iterable[str]) -> None:
        """Put devices into the row; one whose question is under way is asked once more."""
        for device_id in device_ids:
            self._asked.pop(device_id, None)
            self._row[device_id] = None

    def due(self, now: float) -> list[str]:
        """Whom to ask now."""
        for device_id in [device_id for device_id, until in self._asked.items() if now >= until]:
            del self._asked[device_id]
            self._row[device_id] = None
        chosen = list(islice(self._row, self._width - len(self._asked)))
        for device_id in chosen:
            del self._row[device_id]
            self._asked[device_id] = now + self._patience
        return chosen

    def answered(self, device_id: str) -> bool:
        """False when nobody of us asked."""
        return self._asked.pop(device_id, None) is not None

    def forget(self, device_id: str) -> None:
        """The device is ours no more."""
        self._row.pop(device_id, None)
        self._asked.pop(device_id, None)
