"""The ordered readings of an open twin log: added with its commits, asked for by time, dropped when too old."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Sequence
from typing import Any

from cloud_sync.twin_log import Reading

__all__ = ["History"]

PRUNED_AT_ONCE = 2_000
"""Readings dropped in one step."""
LOOKED_AT_ONCE = 200
"""Properties looked through in one step."""
PRUNE = """
DELETE FROM reading WHERE property = ?1 AND number IN
    (SELECT number FROM reading WHERE property = ?1 AND time < ?2 ORDER BY time LIMIT ?3)
"""
_COLUMNS = "time, source_time, quality, value, reason"


class History:
    """The reading table. Raises `sqlite3.Error`; `add` runs inside the caller's transaction."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._db = connection
        self._prune_after = 0
        """Of the properties, the one looked through last."""
        found = connection.execute("SELECT value FROM counter WHERE name = 'reading'").fetchone()
        self.next_number: int = found[0] if found else 1
        """Of the next reading; no other ever has it."""

    def row(self, property_id: int, reading: Reading) -> tuple[Any, ...]:
        """A reading for `add`, with its number."""
        number, self.next_number = self.next_number, self.next_number + 1
        return property_id, number, *reading

    def add(self, rows: Sequence[tuple[Any, ...]]) -> None:
        """Write what `row` made."""
        if rows:
            self._db.executemany("INSERT INTO reading VALUES (?, ?, ?, ?, ?, ?, ?)", rows)
            self._db.execute("INSERT OR REPLACE INTO counter VALUES ('reading', ?)", (rows[-1][1] + 1,))

    def between(self, property_id: int, since: int, until: int, limit: int) -> list[Reading]:
        """Those with since ≤ time < until, by time, then as they were made."""
        query = (
            f"SELECT {_COLUMNS} FROM reading WHERE property = ? AND time >= ? AND time < ?"  # noqa: S608 - our own names
            " ORDER BY time, number LIMIT ?"
        )
        return _readings(self._db.execute(query, (property_id, since, until, limit)))

    def at(self, property_id: int, time: int) -> Reading | None:
        """The last one made at or before this time."""
        query = (
            f"SELECT {_COLUMNS} FROM reading WHERE property = ? AND time <= ?"  # noqa: S608 - our own names
            " ORDER BY time DESC, number DESC LIMIT 1"
        )
        return next(iter(_readings(self._db.execute(query, (property_id, time)))), None)

    def prune(self, before: int) -> tuple[int, bool]:
        """One step through the properties, dropping readings older than `before` (Unix ms), in a transaction of its
        own: how many were dropped, and whether the last property is still ahead."""
        gone = looked = 0
        with self._db:
            self._db.execute("BEGIN IMMEDIATE")
            while gone < PRUNED_AT_ONCE and looked < LOOKED_AT_ONCE:
                number = self._db.execute(
                    "SELECT min(id) FROM property WHERE id > ?", (self._prune_after,)
                ).fetchone()[0]
                if number is None:
                    self._prune_after = 0
                    return gone, False
                gone += self._db.execute(PRUNE, (number, before, PRUNED_AT_ONCE - gone)).rowcount
                looked += 1
                if gone < PRUNED_AT_ONCE:
                    self._prune_after = number
        return gone, True


def _readings(rows: Iterable[tuple[Any, ...]]) -> list[Reading]:
    return [Reading(*row) for row in rows]
