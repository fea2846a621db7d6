"""While the readings lag behind, the newest values go ahead of them on the hub channel.

They are copies: nobody confirms them, and each comes once more in its turn. So a cloud shows what is, while it still
learns what was.
"""

from __future__ import annotations

import asyncio
import time
import uuid
from collections.abc import Iterable
from typing import Protocol

import msgspec
from msgspec import Raw

from edgehub.connection import Connection
from edgehub.counts import Counts
from edgehub.reports import FRAME_TARGET, frame, report
from twin.journal import Journal
from twin.outbox import OutboxEntry

__all__ = ["FreshCopies", "newest"]

CHANGES = 2_000
"""Looked at in one go, from the newest back."""
_body = msgspec.json.Decoder(dict[str, Raw])


class Readings(Protocol):
    """How far the readings are."""

    @property
    def confirmed(self) -> int: ...

    @property
    def window(self) -> int: ...


class FreshCopies:
    """Of one connection of the hub channel."""

    def __init__(
        self, connection: Connection, journal: Journal, readings: Readings, every: float, counts: Counts
    ) -> None:
        """`every`: how much the readings may lag, and how often copies are sent, in seconds."""
        self._connection = connection
        self._journal = journal
        self._readings = readings
        self._every = every
        self._counts = counts
        self._told = 0
        """Up to this number everything was told, or needs no copy."""

    async def run(self) -> None:
        """For ever. Raises `LinkLost`."""
        while True:
            await asyncio.sleep(self._every)
            if self._journal.oldest_change_age(self._readings.confirmed) > self._every:
                await self._send()
            else:
                self._told = self._journal.last_seq

    async def _send(self) -> None:
        after = max(self._told, self._readings.confirmed)
        entries = self._journal.newest_changes(after, CHANGES)
        texts = newest(entries, min(FRAME_TARGET, self._readings.window), time.time_ns() // 1_000_000)
        if texts:
            self._told = entries[0].seq
            self._counts.fresh += len(texts)
            await self._connection.send(frame(texts))


def newest(entries: Iterable[OutboxEntry], room: int, now: int) -> list[str]:
    """The newest of each property and state, from entries that are given newest first, as messages: as many as fit
    into `room` characters, but one at least. `now`: Unix milliseconds."""
    seen: set[tuple[str, str]] = set()
    texts: list[str] = []
    for entry in entries:
        body = _unseen(entry, seen)
        if not body:
            continue
        text = report(entry.device, entry.kind, body, str(uuid.uuid4()), now)
        room -= len(text)
        if texts and room < 0:
            break
        texts.append(text)
    return texts


def _unseen(entry: OutboxEntry, seen: set[tuple[str, str]]) -> str:
    """The part of the body of which no newer copy was seen; empty = none."""
    if entry.kind == "state":
        known = (entry.device, "") in seen
        seen.add((entry.device, ""))
        return "" if known else entry.body
    body = _body.decode(entry.body)
    fresh = {name: twin for name, twin in body.items() if (entry.device, name) not in seen}
    seen.update((entry.device, name) for name in fresh)
    if len(fresh) == len(body):
        return entry.body
    return msgspec.json.encode(fresh).decode() if fresh else ""
