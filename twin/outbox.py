"""What the cloud has not confirmed yet, oldest first, as rows of the journal.

The outbox holds every change up to a number of rows. Past that it keeps the latest value of each property and
counts what it folded into it, a few rows with every commit, so that no commit has to pay for all.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Mapping
from typing import Literal, NamedTuple

import msgspec

from twin.documents import MsgTwin

Kind = Literal["twin", "state"]


Change = tuple[str, Kind, str]
"""(device, kind, body), as in an entry."""


class OutboxEntry(NamedTuple):
    """One change on its way to the cloud."""

    seq: int
    """Rises by one a change, and never comes again."""
    device: str
    kind: Kind
    body: str
    """twin: JSON object of property name → MsgTwin with versions; state: JSON of the device's state."""


_bodies = msgspec.json.Decoder(dict[str, MsgTwin])
_record = msgspec.json.Decoder(MsgTwin)


class Outbox:
    """The outbox table of an open journal. Every method runs inside the caller's transaction."""

    def __init__(
        self, connection: sqlite3.Connection, limit: int, newest: Mapping[str, Mapping[str, MsgTwin]]
    ) -> None:
        """`newest`: the last change of properties that changed lately, by device and name; who is in there need
        not be looked up to see whether an entry is their latest."""
        self._db = connection
        self._newest = newest
        self._limit = limit
        self._cursor = 0
        self._count: int = connection.execute("SELECT count(*) FROM outbox").fetchone()[0]
        last = connection.execute("SELECT max(seq) FROM outbox").fetchone()[0] or 0
        self._seq = max(last, self._counter("trimmed"))

    def __len__(self) -> int:
        return self._count

    @property
    def folded(self) -> int:
        """Changes folded into newer ones of the same property, since the journal was made."""
        return self._counter("folded")

    def append(self, changes: Iterable[Change]) -> None:
        """Add (device, kind, body) rows in order; fold as many old ones as the bound asks for."""
        if not self._limit:
            return
        rows = [(self._seq + n, *change) for n, change in enumerate(changes, start=1)]
        if not rows:
            return
        self._db.executemany("INSERT INTO outbox (seq, device, kind, body) VALUES (?, ?, ?, ?)", rows)
        self._seq += len(rows)
        self._count += len(rows)
        if self._count > self._limit:
            self._fold(2 * len(rows))

    def read(self, after: int = 0, limit: int = 100) -> list[OutboxEntry]:
        """Up to `limit` entries with a seq greater than `after`, oldest first."""
        rows = self._db.execute(
            "SELECT seq, device, kind, body FROM outbox WHERE seq > ? ORDER BY seq LIMIT ?", (after, limit)
        )
        return [OutboxEntry(*row) for row in rows]

    def trim(self, seq: int) -> None:
        """Forget the entries up to and including `seq`: the cloud has them."""
        self._count -= self._db.execute("DELETE FROM outbox WHERE seq <= ?", (seq,)).rowcount
        self._set_counter("trimmed", max(seq, self._counter("trimmed")))

    def _fold(self, rows: int) -> None:
        entries = self.read(self._cursor, rows)
        self._cursor = entries[-1].seq if len(entries) == rows else 0
        folded = sum(self._fold_entry(entry) for entry in entries)
        if folded:
            self._set_counter("folded", self.folded + folded)

    def _fold_entry(self, entry: OutboxEntry) -> int:
        """Take out of one entry what a newer entry says anew; returns how many changes that were."""
        if entry.kind == "state":
            return self._fold_state(entry)
        body = _bodies.decode(entry.body)
        latest = {name: twin for name, twin in body.items() if self._is_latest(entry.device, name, twin)}
        if not latest:
            self._delete(entry.seq)
        elif len(latest) < len(body):
            text = msgspec.json.encode(latest).decode()
            self._db.execute("UPDATE outbox SET body = ? WHERE seq = ?", (text, entry.seq))
        return len(body) - len(latest)

    def _is_latest(self, device: str, name: str, twin: MsgTwin) -> bool:
        """Every change of a twin raises a version, so an entry with the twin's own versions is its latest."""
        newest = self._newest.get(device, {}).get(name)
        if newest is not None:
            return newest.actual_version == twin.actual_version and newest.expected_version == twin.expected_version
        row = self._db.execute("SELECT record FROM twin WHERE device = ? AND name = ?", (device, name)).fetchone()
        if row is None:
            return False
        now = _record.decode(row[0])
        return (now.expected_version, now.actual_version) == (twin.expected_version, twin.actual_version)

    def _fold_state(self, entry: OutboxEntry) -> int:
        newer = self._db.execute(
            "SELECT 1 FROM outbox WHERE kind = 'state' AND device = ? AND seq > ? LIMIT 1", (entry.device, entry.seq)
        ).fetchone()
        if newer:
            self._delete(entry.seq)
        return int(newer is not None)

    def _delete(self, seq: int) -> None:
        self._db.execute("DELETE FROM outbox WHERE seq = ?", (seq,))
        self._count -= 1

    def _counter(self, name: str) -> int:
        row = self._db.execute("SELECT value FROM counter WHERE name = ?", (name,)).fetchone()
        return row[0] if row else 0

    def _set_counter(self, name: str, value: int) -> None:
        self._db.execute("INSERT OR REPLACE INTO counter VALUES (?, ?)", (name, value))
