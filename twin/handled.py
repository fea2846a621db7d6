"""Which messages the last commits handled, as rows of the journal, so that what comes twice is recognised."""

from __future__ import annotations

import sqlite3
from collections.abc import Collection

__all__ = ["DIGEST_BYTES", "FORGET_EVERY", "HandledMessages"]

DIGEST_BYTES = 8
FORGET_EVERY = 256
"""Commits after which the messages past the limit are forgotten."""


class HandledMessages:
    """The table `handled` of an open journal. `add` runs inside the caller's transaction."""

    def __init__(self, connection: sqlite3.Connection, limit: int) -> None:
        """`limit` in messages."""
        self._db = connection
        self._limit = limit
        last, size = connection.execute("SELECT coalesce(max(id), 0), sum(length(digests)) FROM handled").fetchone()
        self._id, self._count = last, (size or 0) // DIGEST_BYTES

    def digests(self) -> list[bytes]:
        """Of all that are remembered, oldest first."""
        stored = b"".join(row[0] for row in self._db.execute("SELECT digests FROM handled ORDER BY id"))
        return [stored[i : i + DIGEST_BYTES] for i in range(0, len(stored), DIGEST_BYTES)]

    def add(self, digests: Collection[bytes]) -> None:
        """Remember these, in order."""
        self._id += 1
        self._count += len(digests)
        self._db.execute("INSERT INTO handled VALUES (?, ?)", (self._id, b"".join(digests)))
        if self._id % FORGET_EVERY == 0:
            self._forget()

    def _forget(self) -> None:
        oldest = self._db.execute("SELECT id, length(digests) FROM handled ORDER BY id LIMIT ?", (2 * FORGET_EVERY,))
        last = 0
        for row_id, size in oldest.fetchall():
            if self._count - size // DIGEST_BYTES < self._limit:
                break
            self._count -= size // DIGEST_BYTES
            last = row_id
        self._db.execute("DELETE FROM handled WHERE id <= ?", (last,))
