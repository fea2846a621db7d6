"""The journal: every change of a twin, its version and its outbox entry, durable in one transaction.

SQLite in WAL mode with synchronous FULL. Changes are collected while the last commit is on its way to the disk,
and then committed together: many updates a sync. Who waits for durability is called back after the commit, in
the order of asking (P1).
"""

from __future__ import annotations

import asyncio
import logging
import sqlite3
import time
import uuid
from collections.abc import Callable, Collection, Mapping
from importlib.resources import files
from pathlib import Path
from typing import Self

import msgspec

from twin.batch import Batch, Durable, StoredDevice
from twin.documents import MsgTwin
from twin.handled import HandledMessages
from twin.machine import Record
from twin.migrations import migrate
from twin.outbox import Outbox, OutboxEntry, OutboxReader
from twin.quick_commit import QuickCommit

__all__ = ["Durable", "Journal", "StoredDevice"]

logger = logging.getLogger("twin")

ATTEMPTS = 5
"""How often a failing commit is tried, a second apart, before its updates are refused."""
QUIET_SECONDS = 60.0
"""At most so often the times of unchanged values are written, and only along with a real change."""
TRIM_SECONDS = 0.2
"""So long what the cloud has confirmed waits for a commit that is made anyway."""
PUT_TWINS = "INSERT OR REPLACE INTO twin SELECT ?1, key, value FROM json_each(?2)"
"""One statement a device: SQLite takes the body of a change apart, far faster than a call for each property."""

_twins = msgspec.json.Decoder(dict[str, MsgTwin])


class Journal:
    """Open with `async with`; everything else runs in that event loop, which waits for a quick disk only."""

    def __init__(
        self,
        path: Path,
        *,
        outbox_limit: int = 100_000,
        outbox_age: float = 0.0,
        handled_limit: int = 262_144,
        clock: Callable[[], float] = time.time,
    ) -> None:
        """Every change is kept for the cloud up to `outbox_limit` changes (0 = keep none) and an age of
        `outbox_age` seconds (0 = any); past either, the latest value of each property.

        `handled_limit` is how many messages are remembered as handled: as many as may arrive between two saves
        of the broker's own files. `clock` gives Unix seconds.
        """
        self._path = path
        self._outbox_limit = outbox_limit
        self._outbox_age = outbox_age
        self._handled_limit = handled_limit
        self._clock = clock
        self._pending = Batch()
        self._quiet: dict[str, dict[str, Record]] = {}
        self._newest: dict[str, dict[str, MsgTwin]] = {}
        """The last change of each property that changed since the start, of what is written or being written."""
        self._quiet_written = time.monotonic()
        self._committing: Batch | None = None
        self._wake = asyncio.Event()
        self._closing = False
        self._troubled = False
        self._owner: asyncio.Task[object] | None = None
        self._trimming: asyncio.TimerHandle | None = None
        self.identity = ""
        """32 hex digits, made with the file: by it a cloud knows whose numbers the outbox's are."""
        self.on_grown: Callable[[], None] = lambda: None
        """Called after every commit of changes: the outbox has more."""
        self.sent = 0
        """No number above this has left for a cloud; who sends raises it, after `begin_sending`."""
        self.commits = 0

    async def __aenter__(self) -> Self:
        """Raises `OSError` or `sqlite3.Error` when the file cannot be used, `NewerSchemaError` when it is newer."""
        self._path.parent.mkdir(parents=True, exist_ok=True)
        self._db = sqlite3.connect(self._path, isolation_level=None, check_same_thread=False)
        self._db.execute("PRAGMA journal_mode = WAL")
        self._db.execute("PRAGMA synchronous = FULL")
        self._db.execute("PRAGMA wal_autocheckpoint = 4000")
        migrate(self._db, files("twin") / "schema" / "journal")
        self._count()
        self.sent = self._outbox.sent()
        (self.identity,) = self._db.execute("SELECT value FROM identity").fetchone()
        self._reader = OutboxReader(self._path)
        self._disk = QuickCommit(self._db, "journal")
        self._owner = asyncio.current_task()
        self._task = asyncio.create_task(self._commit_until_closed(), name="journal")
        self._task.add_done_callback(lambda _: self._ended())
        return self

    async def __aexit__(self, *exc: object) -> None:
        """Commits what is pending, the times of unchanged values included, and closes the file. Raises
        `sqlite3.Error` when that cannot be stored; nobody was told that it is."""
        if self._task.done() and self._owner:
            self._owner.uncancel()
        self._closing = True
        self._pending.quiet = self._quiet_rows()
        self._wake.set()
        try:
            await self._task
        finally:
            if self._trimming:
                self._trimming.cancel()
            self._disk.close()
            self._reader.close()
            self._db.close()

    def _ended(self) -> None:
        """Without commits nobody would ever be answered again: what broke them ends the body."""
        if not self._closing and self._owner:
            self._owner.cancel()

    # ---- reading

    def devices(self) -> list[StoredDevice]:
        """The members of this node, what is still to be committed included."""
        members = {
            row[0]: StoredDevice(*row) for row in self._db.execute("SELECT id, state, last_online FROM device")
        }
        for batch in filter(None, (self._committing, self._pending)):
            for device_id in batch.removed:
                members.pop(device_id, None)
            members |= batch.devices()
        return list(members.values())

    def records(self, device: str) -> dict[str, Record]:
        """The twins of a device: as committed, and over that what is still to be committed."""
        decode = msgspec.json.Decoder(MsgTwin).decode
        rows = self._db.execute("SELECT name, record FROM twin WHERE device = ?", (device,))
        left = device in self._pending.removed
        committed = {} if left else {name: Record.from_versions(decode(text)) for name, text in rows}
        for owner, kind, body in self._pending.changes:
            if owner == device and kind != "state":
                committed |= {name: Record.from_versions(twin) for name, twin in _twins.decode(body).items()}
        return committed | self._quiet.get(device, {})

    def handled(self) -> list[bytes]:
        """Digests of the messages handled last, oldest first, those of the running commit included."""
        known = self._handled.digests()
        return [*known, *(self._committing.digests if self._committing else ()), *self._pending.digests]

    def outbox(self, after: int = 0, limit: int = 100) -> list[OutboxEntry]:
        """What the cloud has not confirmed, oldest first; only what is durable."""
        return self._reader.read(after, limit)

    def newest_changes(self, after: int = 0, limit: int = 100) -> list[OutboxEntry]:
        """The end of the outbox, newest first; only what is durable."""
        return self._reader.newest(after, limit)

    def oldest_change_age(self, after: int = 0) -> float:
        """Seconds since the oldest change in the outbox (behind the number `after`) was made; 0 = there is none."""
        made = self._reader.oldest(after)
        return max(0.0, self._clock() - made / 1000) if made else 0.0

    @property
    def outbox_depth(self) -> int:
        return len(self._outbox)

    @property
    def last_seq(self) -> int:
        """The highest number ever given to a change."""
        return self._outbox.last_seq

    @property
    def trimmed(self) -> int:
        """The number up to which a cloud has confirmed the outbox."""
        return self._outbox.trimmed

    @property
    def folded(self) -> int:
        """Changes that went into newer ones of the same property because the outbox was full."""
        return self._outbox.folded

    # ---- writing

    def put(
        self,
        device: str,
        records: Mapping[str, Record],
        changed: Mapping[str, MsgTwin],
        private: Collection[str] = (),
    ) -> None:
        """Remember records of a device; those `changed` with the next commit, the others when it is cheap. The
        cloud hears of what changed, except of the properties named in `private`."""
        if changed:
            self._pending.newest.setdefault(device, {}).update(changed)
            told, kept = (changed, {}) if not private else _split(changed, private)
            if told:
                self._pending.changes.append((device, "twin", msgspec.json.encode(told).decode()))
            if kept:
                self._pending.changes.append((device, "private", msgspec.json.encode(kept).decode()))
        if len(changed) < len(records) or device in self._quiet:
            quiet = self._quiet.setdefault(device, {})
            for name, record in records.items():
                if name in changed:
                    quiet.pop(name, None)
                else:
                    quiet[name] = record

    def put_device(self, device: StoredDevice, change: str | None = None) -> None:
        """Remember a member and its state; `change` is the JSON that the cloud shall hear of it."""
        if change is None:
            self._pending.joined[device.id] = device
        else:
            self._pending.states[device.id] = device
            self._pending.changes.append((device.id, "state", change))

    def remove_device(self, device_id: str) -> None:
        """Forget a member and its twins."""
        self._pending.removed.add(device_id)
        self._pending.joined.pop(device_id, None)
        self._pending.states.pop(device_id, None)
        self._quiet.pop(device_id, None)
        self._pending.newest.pop(device_id, None)
        self._pending.changes = [change for change in self._pending.changes if change[0] != device_id]

    def mark_handled(self, digest: bytes) -> None:
        """Remember a message as handled, with the next commit."""
        self._pending.digests.append(digest)
        if len(self._pending.digests) > self._handled_limit:
            self._pending.digests.popleft()

    def trim(self, seq: int) -> None:
        """Drop the outbox up to and including `seq`, with the next commit or soon: the cloud has committed it."""
        self._pending.trim = max(seq, self._pending.trim)
        if self._trimming is None:
            self._trimming = asyncio.get_running_loop().call_later(TRIM_SECONDS, self._trim_now)

    def _trim_now(self) -> None:
        self._trimming = None
        self._wake.set()

    async def begin_sending(self) -> None:
        """To be called before anything leaves for a cloud. Raises the storage error that prevents it."""
        self._pending.sending = True
        await self.flush()

    async def renew_identity(self) -> None:
        """From now on this is another journal: what a cloud knows of the old one's numbers means nothing here.
        Raises the storage error that prevents it."""
        identity = self._pending.identity = uuid.uuid4().hex
        await self.flush()
        self.identity = identity

    def when_durable(self, callback: Durable) -> None:
        """Call back once everything put so far is on the disk; at once when it is already."""
        if self._committing is None and not self._pending.writes and not self._pending.waiting:
            callback(None)
            return
        self._pending.waiting.append(callback)
        self._wake.set()

    async def flush(self) -> None:
        """Wait until everything put so far is durable. Raises the storage error that prevents it."""
        done: asyncio.Future[None] = asyncio.get_running_loop().create_future()

        def release(error: Exception | None) -> None:
            if done.done():  # whoever waited was cancelled
                return
            done.set_exception(error) if error else done.set_result(None)

        self.when_durable(release)
        await done

    # ---- committing

    async def _commit_until_closed(self) -> None:
        while not self._closing:
            await self._wake.wait()
            self._wake.clear()
            while self._pending.waiting or self._pending.writes:
                await self._commit_pending()

    async def _commit_pending(self) -> None:
        batch, self._pending = self._pending, Batch()
        error = None
        if batch.writes:
            self._take_quiet(batch)
            self._committing = batch
            error = await self._commit(batch)
            self._committing = None
        else:
            self._pending.digests.extendleft(reversed(batch.digests))
        if error:
            self._forsake(batch)
        self._release(batch, error)
        if error and self._closing:
            raise error

    def _forsake(self, batch: Batch) -> None:
        """Forget what could not be stored, and what was put behind it meanwhile, for that builds on it."""
        behind, self._pending = self._pending, self._pending.lasting(batch)
        batch.waiting += behind.waiting
        for device, _, _ in (*batch.changes, *behind.changes):
            self._quiet.pop(device, None)
            self._newest.pop(device, None)

    def _take_quiet(self, batch: Batch) -> None:
        if self._quiet and time.monotonic() - self._quiet_written > QUIET_SECONDS:
            batch.quiet = self._quiet_rows()
            self._quiet = {}
            self._quiet_written = time.monotonic()

    def _quiet_rows(self) -> list[tuple[str, str]]:
        return [
            (device, msgspec.json.encode({name: record.with_versions() for name, record in records.items()}).decode())
            for device, records in self._quiet.items()
            if records
        ]

    async def _commit(self, batch: Batch) -> Exception | None:
        for _ in range(ATTEMPTS):
            try:
                self._write(batch)
                await self._disk.commit()
            except sqlite3.Error as fault:
                error = fault
                if self._db.in_transaction:
                    self._db.execute("ROLLBACK")
                self._count()
                if not self._troubled:
                    self._troubled = True
                    logger.error("journal %s cannot be written: %s; trying again", self._path, fault)
                await asyncio.sleep(1.0)
            else:
                if self._troubled:
                    self._troubled = False
                    logger.info("journal %s is written again", self._path)
                self.commits += 1
                if batch.changes:
                    self.on_grown()
                return None
        return error

    def _write(self, batch: Batch) -> None:
        self._db.execute("BEGIN IMMEDIATE")
        self._write_devices(batch)
        self._db.executemany(PUT_TWINS, [(device, body) for device, kind, body in batch.changes if kind != "state"])
        self._db.executemany(PUT_TWINS, batch.quiet)
        for device, changed in batch.newest.items():
            self._newest.setdefault(device, {}).update(changed)
        self._outbox.append(batch.changes, int(self._clock() * 1000))
        if batch.trim:
            self._outbox.trim(batch.trim)
        if batch.identity:
            self._db.execute("UPDATE identity SET value = ?", (batch.identity,))
        if batch.sending:
            self._outbox.begin_sending()
        if batch.digests:
            self._handled.add(batch.digests)

    def _write_devices(self, batch: Batch) -> None:
        for device_id in batch.removed:
            self._newest.pop(device_id, None)
        gone = [(device_id,) for device_id in batch.removed]
        self._db.executemany("DELETE FROM device WHERE id = ?", gone)
        self._db.executemany("DELETE FROM twin WHERE device = ?", gone)
        self._db.executemany("INSERT OR REPLACE INTO device VALUES (?, ?, ?)", batch.devices().values())

    def _count(self) -> None:
        """Count afresh what the tables hold: they were just opened, or a transaction was rolled back."""
        self._outbox = Outbox(self._db, self._outbox_limit, self._newest, self._outbox_age)
        self._handled = HandledMessages(self._db, self._handled_limit)

    @staticmethod
    def _release(batch: Batch, error: Exception | None) -> None:
        for callback in batch.waiting:
            callback(error)


def _split(changed: Mapping[str, MsgTwin], private: Collection[str]) -> tuple[dict[str, MsgTwin], dict[str, MsgTwin]]:
    """What the cloud is told, and what not."""
    told = {name: twin for name, twin in changed.items() if name not in private}
    return told, {name: twin for name, twin in changed.items() if name in private}
