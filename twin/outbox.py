"""What the cloud has not confirmed yet, oldest first, as rows of the journal.

The outbox holds every change up to a number of rows. Past that it keeps the latest value of each property and
counts what it folded into it, a few rows with every commit, so that no commit has to pay for all.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Literal, NamedTuple

import msgspec

from twin.documents import MsgTwin

Kind = Literal["twin", "state"]
Change = tuple[str, Literal["twin", "state", "private"], str]
"""(device, kind, body), as in an entry. What is private is a twin's change that the cloud does not hear of."""


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


ENTRIES = "SELECT seq, device, kind, body FROM outbox"


def read(connection: sqlite3.Connection, query: str, *values: int) -> list[OutboxEntry]:
    return list(map(OutboxEntry._make, connection.execute(query, values)))


class OutboxReader:
    """Reads the outbox beside the journal's own connection, and so sees nothing before it is durable."""

    def __init__(self, path: Path) -> None:
        # any thread may ask: SQLite itself takes them one after the other
        self._db = sqlite3.connect(path, isolation_level=None, check_same_thread=False)

    def close(self) -> None:
        self._db.close()

    def read(self, after: int = 0, limit: int = 100) -> list[OutboxEntry]:
        """Up to `limit` entries with a seq greater than `after`, oldest first."""
        return read(self._db, f"{ENTRIES} WHERE seq > ? ORDER BY seq LIMIT ?", after, limit)

    def newest(self, after: int, limit: int) -> list[OutboxEntry]:
        """Up to `limit` of the last entries with a seq greater than `after`, newest first."""
        return read(self._db, f"{ENTRIES} WHERE seq > ? ORDER BY seq DESC LIMIT ?", after, limit)

    def oldest(self, after: int) -> int:
        """When the first entry with a seq greater than `after` was made, Unix milliseconds; 0 = there is none."""
        row = self._db.execute("SELECT made FROM outbox WHERE seq > ? ORDER BY seq LIMIT 1", (after,)).fetchone()
        return row[0] if row else 0


class Outbox:
    """The outbox table of an open journal. Every method runs inside the caller's transaction."""

    def __init__(
        self,
        connection: sqlite3.Connection,
        limit: int,
        newest: Mapping[str, Mapping[str, MsgTwin]],
        age: float = 0.0,
    ) -> None:
        """`limit` in changes, 0 = keep none; `age` in seconds, 0 = any. `newest`: the last change of properties
        that changed lately, by device and name; who is in there need not be looked up to see whether an entry is
        their latest."""
        self._age = int(age * 1000)
        self._db = connection
        self._newest = newest
        self._limit = limit
        self._cursor = 0
        self._count: int = connection.execute("SELECT count(*) FROM outbox").fetchone()[0]
        last = connection.execute("SELECT max(seq) FROM outbox").fetchone()[0] or 0
        self.trimmed = self._counter("trimmed")
        """The number up to which a cloud has confirmed them."""
        self._seq = max(last, self.trimmed)

    def __len__(self) -> int:
        return self._count

    @property
    def folded(self) -> int:
        """Changes folded into newer ones of the same property, since the journal was made."""
        return self._counter("folded")

    @property
    def last_seq(self) -> int:
        """The highest number ever given."""
        return self._seq

    def sent(self) -> int:
        """A number above which nothing can have left for a cloud. It stays as it is until `begin_sending`; when a
        journal is opened after that, whatever it holds may have left."""
        if not self._db.execute("SELECT 1 FROM counter WHERE name = 'sent'").fetchone():
            self._set_counter("sent", self._seq)
        return self._counter("sent")

    def begin_sending(self) -> None:
        """From now on only who sends knows what has left."""
        self._db.execute("DELETE FROM counter WHERE name = 'sent'")

    def append(self, changes: Iterable[Change], now: int) -> None:
        """Add what is not private, in order, made `now` (Unix milliseconds); fold as many old entries as the
        bounds ask for."""
        if not self._limit:
            return
        told = [change for change in changes if change[1] != "private"]
        if not told:
            return
        rows = [(self._seq + n, *change, now) for n, change in enumerate(told, start=1)]
        self._db.executemany("INSERT INTO outbox (seq, device, kind, body, made) VALUES (?, ?, ?, ?, ?)", rows)
        self._seq += len(rows)
        self._count += len(rows)
        if self._count > self._limit:
            self._fold(2 * len(rows), now)
        elif self._age:
            self._fold(2 * len(rows), now - self._age)

    def trim(self, seq: int) -> None:
        """Forget the entries up to and including `seq`: the cloud has them."""
        self._count -= self._db.execute("DELETE FROM outbox WHERE seq <= ?", (seq,)).rowcount
        self.trimmed = max(seq, self.trimmed)
        self._set_counter("trimmed", self.trimmed)

    def _fold(self, rows: int, until: int) -> None:
        """Go on folding, by so many entries made up to then (Unix milliseconds)."""
        entries = read(
            self._db, f"{ENTRIES} WHERE seq > ? AND made <= ? ORDER BY seq LIMIT ?", self._cursor, until, rows
        )
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
