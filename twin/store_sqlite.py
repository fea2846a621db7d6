"""The catalogue in an SQLite file: WAL, synchronous FULL. For more entries than a person would read.

The file, and what SQLite writes beside it, is for its owner alone, because Secrets are among what is declared.
Several processes may have it open: versions are checked inside the database.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.resources import files
from pathlib import Path
from typing import Any

import msgspec.json

from twin import owner_only
from twin.local_store import LocalStore
from twin.migrations import NewerSchemaError, migrate
from twin.store import Entry, Store, check_version

__all__ = ["SqliteShelf", "connect"]


def connect(address: str) -> Store:
    """The store in the file `address`, which is made when it is missing; `catalogue.db` when empty."""
    path = Path(address or "catalogue.db")
    return LocalStore(SqliteShelf(path), str(path))


class SqliteShelf:
    """Entries as rows."""

    failures: tuple[type[Exception], ...] = (OSError, sqlite3.Error, NewerSchemaError)

    def __init__(self, path: Path) -> None:
        self._path = path
        self._database: sqlite3.Connection

    def open(self) -> None:
        self._path.parent.mkdir(parents=True, exist_ok=True)
        owner_only.make(self._path)  # what SQLite writes beside it gets the same permissions
        for beside in ("-wal", "-shm"):
            owner_only.keep(self._path.with_name(self._path.name + beside), owner_only.FILE)
        self._database = sqlite3.connect(self._path, timeout=10, isolation_level=None)
        self._database.execute("PRAGMA journal_mode = WAL")
        self._database.execute("PRAGMA synchronous = FULL")
        migrate(self._database, files("twin") / "schema" / "catalogue")

    def close(self) -> None:
        if hasattr(self, "_database"):
            self._database.close()

    def get(self, key: str) -> Entry | None:
        row = self._database.execute("SELECT key, value, version FROM entry WHERE key = ?", (key,)).fetchone()
        return row and _entry(row)

    def list(self, prefix: str) -> list[Entry]:
        end = prefix[:-1] + "0" if prefix else "\x7f"  # "0" follows "/", and keys are ASCII
        query = "SELECT key, value, version FROM entry WHERE key >= ? AND key < ? ORDER BY key"
        return [_entry(row) for row in self._database.execute(query, (prefix, end))]

    def put(self, key: str, value: dict[str, Any], version: int | None) -> int:
        with self._transaction():
            check_version(key, version, self._current(key))
            (new,) = self._database.execute("UPDATE revision SET last = last + 1 RETURNING last").fetchone()
            row = (key, msgspec.json.encode(value).decode(), new)
            self._database.execute("INSERT OR REPLACE INTO entry (key, value, version) VALUES (?, ?, ?)", row)
        return int(new)

    def delete(self, key: str, version: int | None) -> bool:
        with self._transaction():
            current = self._current(key)
            check_version(key, version, current)
            self._database.execute("DELETE FROM entry WHERE key = ?", (key,))
        return current > 0

    def _current(self, key: str) -> int:
        row = self._database.execute("SELECT version FROM entry WHERE key = ?", (key,)).fetchone()
        return row[0] if row else 0

    @contextmanager
    def _transaction(self) -> Iterator[None]:
        with self._database:
            self._database.execute("BEGIN IMMEDIATE")
            yield


def _entry(row: tuple[str, str, int]) -> Entry:
    key, text, version = row
    return Entry(key, msgspec.json.decode(text), version)
