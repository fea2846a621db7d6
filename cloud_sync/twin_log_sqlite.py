"""The twin log in an SQLite file: WAL, synchronous FULL, the changes of all edges committed together.

One process has it open, which a lock beside the file sees to. Twins in use are kept at hand, but the file is the
truth: what could not be committed is forgotten, and read again from there.
"""

from __future__ import annotations

import asyncio
import fcntl
import logging
import sqlite3
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from importlib.resources import files
from pathlib import Path
from typing import Any, Self

from cloud_sync.history import History
from cloud_sync.known_twins import KnownProperty, KnownTwin
from cloud_sync.staged import Staged
from cloud_sync.twin_log import Change, Latest, LostWish, Reading, TwinLog, TwinLogError
from cloud_sync.twins_at_hand import TwinsAtHand
from twin.documents import DeviceState, MsgTwin
from twin.migrations import NewerSchemaError, migrate
from twin.quick_commit import QuickCommit

__all__ = ["SqliteTwinLog"]

logger = logging.getLogger("cloud_sync")

MONTH = 30 * 24 * 3600.0
PRUNE_EVERY = 10.0
"""Seconds between two looks for readings that are too old; while there are more of them it goes on at once."""
LOST_WISHES_KEPT = 10
FORGET_LOST_WISHES = """
DELETE FROM lost_wish WHERE device = ?1 AND id <=
    (SELECT id FROM lost_wish WHERE device = ?1 ORDER BY id DESC LIMIT 1 OFFSET ?2)
"""


class SqliteTwinLog(TwinLog):
    """`TwinLog` in one file."""

    def __init__(self, path: Path, *, history: float = MONTH, clock: Callable[[], float] = time.time) -> None:
        """`history`: for how many seconds readings are kept. `clock` gives Unix seconds."""
        self._path, self._age, self._clock = path, history, clock
        self._db: sqlite3.Connection
        self._staged = Staged()
        self._cursors: dict[tuple[str, str], int] = {}
        self._begun: set[tuple[str, str]] = set()
        """Nodes and journals of which it was seen to that they begin anew where they do."""
        self._wake = asyncio.Event()
        self._writing = asyncio.Lock()
        self._closing = self._failing = False
        self.pruned = 0
        """Readings that were too old, since the start."""
        self.taken = 0
        """Changes taken, since the start."""
        self.lost = 0
        """Wishes that gave way to the edge, since the start."""
        self.passed_over = 0
        """Properties in reports of devices that have too many already, since the start."""

    @property
    def depth(self) -> int:
        """Readings staged and not yet committed."""
        return len(self._staged.readings)

    async def __aenter__(self) -> Self:
        try:
            self._open()
        except (OSError, sqlite3.Error, NewerSchemaError) as error:
            raise TwinLogError(f"{self._path} cannot be used: {error}") from error
        self._disk = QuickCommit(self._db, "twin log")
        self._committer = asyncio.create_task(self._commit_until_closed(), name="twin log")
        self._pruner = asyncio.create_task(self._prune_for_ever(), name="twin log, old readings")
        return self

    async def __aexit__(self, *exc: object) -> None:
        self._pruner.cancel()
        self._closing = True
        self._wake.set()
        await asyncio.gather(self._committer, self._pruner, return_exceptions=True)
        self._disk.close()
        self._db.close()
        self._lock.close()

    def _open(self) -> None:
        self._path.parent.mkdir(parents=True, exist_ok=True)
        self._lock = self._path.with_name(f"{self._path.name}.lock").open("a")
        try:
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            self._lock.close()
            raise TwinLogError(f"{self._path} is in use: another cloud process has it open") from error
        self._db = sqlite3.connect(self._path, isolation_level=None, check_same_thread=False)
        self._db.execute("PRAGMA journal_mode = WAL")
        self._db.execute("PRAGMA synchronous = FULL")
        self._db.execute("PRAGMA wal_autocheckpoint = 4000")
        migrate(self._db, files("cloud_sync") / "schema" / "twin_log")
        self._at_hand = TwinsAtHand(self._db)
        self._history = History(self._db)

    # ---- reports

    async def cursor(self, node: str, journal: str) -> int:
        if self._writing.locked() or self._staged.waiting:
            await self._durable()
        known = self._cursor(node, journal)
        if not known:
            del self._cursors[node, journal]  # an edge may name ever new journals
        return known

    def _cursor(self, node: str, journal: str) -> int:
        known = self._cursors.get((node, journal))
        if known is None:
            rows = self._rows("SELECT seq FROM cursor WHERE node = ? AND journal = ?", (node, journal))
            known = self._cursors[node, journal] = rows[0][0] if rows else 0
        return known

    async def take(self, node: str, journal: str, changes: Sequence[Change], *, history: bool = True) -> None:
        self._check_home(node, {change.device for change in changes})
        now, reached = self._now(), self._cursor(node, journal)
        if journal and (node, journal) not in self._begun:
            self._begin(node, journal)
        for change in changes:
            if change.seq and change.seq <= reached:
                continue
            reached = max(reached, change.seq)
            self._take(node, journal, change, now, history=history)
        if journal and reached > self._cursors[node, journal]:
            self._cursors[node, journal] = self._staged.cursors[node, journal] = reached
        await self._durable()

    def _check_home(self, node: str, devices: Iterable[str]) -> None:
        """Before anything is staged: what raises must have changed nothing."""
        for device in devices:
            if (twin := self._find(device)) and twin.node not in ("", node):
                raise TwinLogError(f"{device} lives at {twin.node}: a report of {node} is not taken")

    def _take(self, node: str, journal: str, change: Change, now: int, *, history: bool) -> None:
        self.taken += 1
        twin = self._twin(change.device, node)
        if journal and twin.journal != journal:
            self._begin_anew(twin, journal)
        if isinstance(change.body, DeviceState):
            twin.state, twin.received = change.body, now
        else:
            if change.seq and twin.counts_anew(change.body):
                self._begin_anew(twin, journal)
            self._report(twin, change.body, now, history=history)
        self._staged.twins[twin.name] = twin

    def _begin(self, node: str, journal: str) -> None:
        """All devices of a node whose journal is new begin anew at once: its edge lacks their desired values."""
        names = self._rows("SELECT name FROM device WHERE node = ? AND journal NOT IN ('', ?)", (node, journal))
        for (name,) in names:
            if (twin := self._find(name)) and twin.node == node and twin.journal != journal:
                self._begin_anew(twin, journal)
        self._begun.add((node, journal))

    def _report(self, twin: KnownTwin, sent: Mapping[str, MsgTwin], now: int, *, history: bool) -> None:
        fitting = twin.fitting(sent)
        self.passed_over += len(sent) - len(fitting)
        for name, said in fitting.items():
            known = self._property(twin, name)
            if history and (reading := known.reading(said, now)):
                self._staged.readings.append(self._history.row(known.id, reading))
        lost = twin.report(fitting, now)
        self.lost += len(lost)
        self._staged.lost += [(twin.name, *wish) for _, wish in lost]

    # ---- wishes

    async def wish(self, node: str, device: str, values: Mapping[str, str]) -> Mapping[str, MsgTwin]:
        twin = self._twin(device, node)
        now = self._now()
        wished = {}
        for name, value in values.items():
            self._property(twin, name)
            wished[name] = twin.wish(name, value, now)
        self._staged.twins[twin.name] = twin
        await self._durable()
        return wished

    async def open_wishes(self, devices: Iterable[str]) -> Mapping[str, Mapping[str, MsgTwin]]:
        found = {}
        for device in devices:
            twin = self._find(device)
            wishes = {name: known.wish() for name, known in twin.properties.items() if known.open} if twin else {}
            if wishes:
                found[device] = wishes
        return found

    async def confirm(self, device: str, sent: Mapping[str, MsgTwin]) -> None:
        twin = self._find(device)
        for name, wish in sent.items():
            known = twin.properties.get(name) if twin else None
            if twin and known and known.open and known.record.expected_version == wish.expected_version:
                known.open = False
                self._staged.properties[known.id] = twin, name, known
        await self._durable()

    async def lost_wishes(self, device: str) -> Sequence[LostWish]:
        query = "SELECT property, wanted, kept, at FROM lost_wish WHERE device = ? ORDER BY id DESC LIMIT ?"
        return [LostWish(*row) for row in self._rows(query, (device, LOST_WISHES_KEPT))]

    # ---- devices that move or go

    async def rehome(self, device: str, node: str) -> None:
        twin = self._twin(device, node)
        twin.node = node
        self._begin_anew(twin, "")
        await self._durable()

    async def forget(self, device: str) -> None:
        twin = self._find(device)
        if twin is None:
            return
        twin.forget()
        self._stage(twin)
        self._staged.forgotten.append((device,))
        await self._durable()

    def _begin_anew(self, twin: KnownTwin, journal: str) -> None:
        twin.begin_anew(journal)
        self._stage(twin)

    def _stage(self, twin: KnownTwin) -> None:
        """All of it."""
        self._staged.twins[twin.name] = twin
        for name, known in twin.properties.items():
            self._staged.properties[known.id] = twin, name, known

    # ---- questions

    async def latest(self, devices: Iterable[str]) -> Mapping[str, Latest]:
        found = {device: twin for device in devices if (twin := self._find(device)) and twin.node}
        return {device: twin.latest() for device, twin in found.items()}

    async def readings(
        self, device: str, name: str, *, since: int, until: int, limit: int = 1000
    ) -> Sequence[Reading]:
        with self._reading():
            return self._history.between(self._id(device, name), since, until, limit)

    async def at(self, device: str, name: str, time: int) -> Reading | None:
        with self._reading():
            return self._history.at(self._id(device, name), time)

    def _id(self, device: str, name: str) -> int:
        twin = self._find(device)
        known = twin.properties.get(name) if twin else None
        return known.id if known else 0

    # ---- twins at hand

    def _twin(self, device: str, node: str) -> KnownTwin:
        try:
            return self._at_hand.get(device, node)
        except sqlite3.Error as error:
            raise self._unreadable(error) from error

    def _find(self, device: str) -> KnownTwin | None:
        try:
            return self._at_hand.find(device)
        except sqlite3.Error as error:
            raise self._unreadable(error) from error

    def _property(self, twin: KnownTwin, name: str) -> KnownProperty:
        known = self._at_hand.property(twin, name)
        self._staged.properties[known.id] = twin, name, known
        return known

    # ---- committing

    async def _durable(self) -> None:
        """Until everything staged so far is committed."""
        if self._closing:
            raise TwinLogError(f"{self._path} is closed")
        done: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._staged.waiting.append(done)
        self._wake.set()
        await done

    async def _commit_until_closed(self) -> None:
        while not self._closing or self._staged.waiting:
            await self._wake.wait()
            self._wake.clear()
            while self._staged.waiting:
                async with self._writing:
                    await self._commit()

    async def _commit(self) -> None:
        staged, self._staged = self._staged, Staged()
        try:
            self._write(staged)
            await self._disk.commit()
        except (sqlite3.Error, OSError, ValueError) as error:
            self._forsake(staged, error)
            return
        if self._failing:
            self._failing = False
            logger.info("%s is written again", self._path)
        for done in staged.waiting:
            if not done.done():
                done.set_result(None)
        self._at_hand.let_go(self._staged.concerns)  # what was staged meanwhile is only at hand

    def _write(self, staged: Staged) -> None:
        db = self._db
        db.execute("BEGIN IMMEDIATE")
        self._at_hand.write(staged.twins.values(), staged.properties.values())
        self._history.add(staged.readings)
        cursors = ((*key, seq) for key, seq in staged.cursors.items())
        db.executemany("INSERT OR REPLACE INTO cursor VALUES (?, ?, ?)", cursors)
        db.executemany(
            "INSERT INTO lost_wish (device, property, wanted, kept, at) VALUES (?, ?, ?, ?, ?)", staged.lost
        )
        db.executemany("DELETE FROM lost_wish WHERE device = ?", staged.forgotten)
        db.executemany(FORGET_LOST_WISHES, [(device, LOST_WISHES_KEPT) for device in {row[0] for row in staged.lost}])

    def _forsake(self, staged: Staged, error: Exception) -> None:
        """Nothing of it is true, nor of what was staged behind it meanwhile."""
        if not self._failing:
            self._failing = True
            logger.error("%s cannot be written: %s", self._path, error)
        with suppress(sqlite3.Error):  # there may be nothing to take back
            self._db.execute("ROLLBACK")
        behind, self._staged = self._staged, Staged()
        self._at_hand.clear()
        self._cursors.clear()
        self._begun.clear()
        for done in (*staged.waiting, *behind.waiting):
            if not done.done():
                done.set_exception(TwinLogError(f"{self._path} cannot be written: {error}"))

    # ---- old readings

    async def _prune_for_ever(self) -> None:
        more = False
        while True:
            await asyncio.sleep(0 if more else PRUNE_EVERY)
            more = await self._prune_some()

    async def _prune_some(self) -> bool:
        """One step; whether to go on at once."""
        async with self._writing:
            try:
                gone, more = self._history.prune(int((self._clock() - self._age) * 1000))
            except sqlite3.Error as error:
                logger.error("%s: old readings cannot be removed: %s", self._path, error)
                return False
            self.pruned += gone
            return more

    # ---- the file

    def _rows(self, query: str, values: tuple[object, ...]) -> list[tuple[Any, ...]]:
        with self._reading():
            return self._db.execute(query, values).fetchall()

    @contextmanager
    def _reading(self) -> Iterator[None]:
        try:
            yield
        except sqlite3.Error as error:
            raise self._unreadable(error) from error

    def _unreadable(self, error: sqlite3.Error) -> TwinLogError:
        return TwinLogError(f"{self._path} cannot be read: {error}")

    def _now(self) -> int:
        return int(self._clock() * 1000)
