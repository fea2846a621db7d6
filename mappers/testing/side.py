"""A side of the bus that remembers: what a mapper said, and a way to wish."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

from eventbus.device_side import Reading

PATIENCE = 20.0
"""Seconds that a condition is waited for: long, because test machines are busy."""
LOOK = 0.005
"""Seconds between two looks at a condition."""


class Heard(NamedTuple):
    """A reading, and when it came."""

    reading: Reading
    at: int
    """Unix milliseconds."""


class MemorySide:
    """Stands where the bus would be: remembers what mappers say, and says wishes. `device_id` is
    `namespace/name`."""

    def __init__(self) -> None:
        self.reports: list[tuple[str, Sequence[Reading]]] = []
        """Device and readings, message by message."""
        self.states: list[tuple[str, str]] = []
        self.removed: list[str] = []
        self._on_wishes: dict[str, Callable[[Mapping[str, str]], None]] = {}
        self._heard: dict[tuple[str, str], list[Heard]] = {}

    # -- what a mapper uses ---------------------------------------------------------------------------------

    def add(self, device_id: str, on_wishes: Callable[[Mapping[str, str]], None]) -> None:
        """As in `DeviceSide`."""
        self._on_wishes[device_id] = on_wishes

    def remove(self, device_id: str) -> None:
        """As in `DeviceSide`."""
        self.removed.append(device_id)
        del self._on_wishes[device_id]

    def report(self, device_id: str, readings: Sequence[Reading]) -> None:
        """As in `DeviceSide`."""
        assert device_id in self._on_wishes, f"{device_id} is reported and was never added"
        now = time.time_ns() // 1_000_000
        self.reports.append((device_id, tuple(readings)))
        for reading in readings:
            self._heard.setdefault((device_id, reading.property), []).append(Heard(reading, now))

    def state(self, device_id: str, state: str) -> None:
        """As in `DeviceSide`."""
        self.states.append((device_id, state))

    def behind(self, _device_id: str) -> bool:
        """This hub is never slow."""
        return False

    # -- what a test uses -----------------------------------------------------------------------------------

    def wish(self, device_id: str, **wishes: str) -> None:
        """The hub says which wishes are open: property → desired value as text."""
        self._on_wishes[device_id](wishes)

    def heard(self, device_id: str, name: str) -> Sequence[Heard]:
        """All that was reported of a property, and when."""
        return self._heard.get((device_id, name), [])

    def readings(self, device_id: str, name: str) -> list[Reading]:
        """All that was reported of a property."""
        return [heard.reading for heard in self.heard(device_id, name)]

    def last(self, device_id: str, name: str) -> Reading | None:
        """What was reported last of a property."""
        heard = self.heard(device_id, name)
        return heard[-1].reading if heard else None

    def value(self, device_id: str, name: str) -> str | None:
        """What a twin would show."""
        return next((r.value for r in reversed(self.readings(device_id, name)) if r.value is not None), None)

    def quality(self, device_id: str, name: str) -> str:
        """The quality reported last; empty before the first."""
        last = self.last(device_id, name)
        return last.quality if last else ""

    def state_of(self, device_id: str) -> str:
        """`online`, `offline`, or empty before either was said."""
        return next((state for id_, state in reversed(self.states) if id_ == device_id), "")

    async def until(self, condition: Callable[[], object], within: float = PATIENCE) -> None:
        """Wait for it. TimeoutError after so many seconds."""
        await until(condition, within)


async def until(condition: Callable[[], object], within: float = PATIENCE) -> None:
    """Wait for a condition. TimeoutError after so many seconds."""
    async with asyncio.timeout(within):
        while not condition():  # noqa: ASYNC110 - it may be about anything
            await asyncio.sleep(LOOK)
