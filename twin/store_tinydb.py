"""The catalogue as one JSON file that a person can read, diff and mend: TinyDB, written atomically.

The file is sorted and indented, and for its owner alone, because Secrets are among what is declared. Each change
writes a new file beside it, syncs it and renames it into place, so the file is whole at any moment. The price: a
change costs time in proportion to all that is stored. Measured with entries of about 700 bytes on two shared cores
(`python -m bench.catalogue`): 4 ms at 100 entries, 18 ms at 1,000, 150 ms at 10,000, where SQLite takes 1 ms at any
size. Past `LIMIT` entries the log says so, once, and `sqlite:` is the cure.

An edit by hand is taken in before the next access (`watch` does not show it); a broken one is refused, naming the
line, and nothing is written over it.
"""

from __future__ import annotations

import fcntl
import logging
import os
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import msgspec.json
from tinydb import TinyDB
from tinydb.table import Document, Table

from twin import owner_only
from twin.json_file import JsonFile
from twin.local_store import LocalStore
from twin.store import Entry, Store, StoreError, check_key, check_version, encode

__all__ = ["LIMIT", "TinyShelf", "connect"]

LIMIT = 1000
"""Entries up to which a change stays unnoticeable."""

ENTRIES, REVISION = "catalogue", "revision"

log = logging.getLogger("twin")


def connect(address: str) -> Store:
    """The store in the file `address`, which is made when it is missing; `catalogue.json` when empty."""
    path = Path(address or "catalogue.json")
    return LocalStore(TinyShelf(path), str(path))


class NamedTable(Table):
    """A table whose document ids are names, so that the file shows our keys instead of numbers."""

    document_id_class = str  # type: ignore[assignment]


class Catalogue(TinyDB):
    table_class = NamedTable


class TinyShelf:
    """Entries as documents `{"value": …, "version": …}` of one table; the last version given in another."""

    failures: tuple[type[Exception], ...] = (OSError,)

    def __init__(self, path: Path) -> None:
        self._path = path.resolve()  # a rename would replace a symbolic link instead of what it points to
        self._resources = ExitStack()
        self._warned = False

    def open(self) -> None:
        self._path.parent.mkdir(parents=True, exist_ok=True)
        self._resources.enter_context(_locked(self._path))
        owner_only.keep(self._path, owner_only.FILE)
        database = self._resources.enter_context(Catalogue(self._path, _check, storage=JsonFile))
        self._file: JsonFile = database.storage
        # TinyDB declares ids as int, whatever the id class is
        self._entries: Any = database.table(ENTRIES)
        self._revision: Any = database.table(REVISION)
        self._warn()

    def close(self) -> None:
        self._resources.close()

    def get(self, key: str) -> Entry | None:
        self._file.refresh()
        document = self._entries.get(doc_id=key)
        return _entry(document) if document else None

    def list(self, prefix: str) -> list[Entry]:
        self._file.refresh()
        found = (document for document in self._entries if document.doc_id.startswith(prefix))
        return sorted(map(_entry, found), key=lambda entry: entry.key)

    def put(self, key: str, value: dict[str, Any], version: int | None) -> int:
        self._file.refresh()
        check_version(key, version, self._current(key))
        new = self._last() + 1
        with self._file.commit():
            self._entries.upsert(Document({"value": value, "version": new}, doc_id=key))  # type: ignore[arg-type]
            self._revision.upsert(Document({"number": new}, doc_id="last"))  # type: ignore[arg-type]
        self._warn()
        return new

    def delete(self, key: str, version: int | None) -> bool:
        self._file.refresh()
        current = self._current(key)
        check_version(key, version, current)
        if current:
            with self._file.commit():
                self._entries.remove(doc_ids=[key])
        return current > 0

    def _current(self, key: str) -> int:
        document = self._entries.get(doc_id=key)
        return int(document["version"]) if document else 0

    def _last(self) -> int:
        """The last version given; an entry added by hand may be ahead of the counter."""
        counter = self._revision.get(doc_id="last")
        given: list[int] = [document["version"] for document in self._entries]
        return max(counter["number"] if counter else 0, *given, 0)

    def _warn(self) -> None:
        if not self._warned and len(self._entries) > LIMIT:
            self._warned = True
            log.warning(
                "%s holds more than %d entries, and TinyDB writes all of them at every change: "
                "use the store sqlite:%s instead",
                self._path, LIMIT, self._path.with_suffix(".db"),
            )  # fmt: skip


def _entry(document: Document) -> Entry:
    own = msgspec.json.decode(msgspec.json.encode(document["value"]))
    return Entry(str(document.doc_id), own, document["version"])


def _check(tables: Any) -> tuple[str, str] | None:
    """What is wrong with a file's content, as (the name it is wrong at, why); None when all is well."""
    match tables:
        case {"catalogue": dict(entries), **rest}:
            counter = rest.pop(REVISION, {"last": {"number": 0}})
        case _:
            return ENTRIES, f"the file must be an object with an object {ENTRIES!r} that holds the entries"
    match counter:
        case {"last": {"number": int()}} if not rest:
            return next(filter(None, (_check_entry(*entry) for entry in entries.items())), None)
    return REVISION, 'beside the entries there is only "revision": {"last": {"number": N}}'


def _check_entry(key: str, document: Any) -> tuple[str, str] | None:
    try:
        check_key(key)
        match document:
            case {"value": value, "version": int(version), **rest} if 0 < version < 2**53 and not rest:
                encode(key, value)
                return None
    except StoreError as error:
        return key, str(error)
    return key, f'{key} must be {{"value": {{…}}, "version": N}} with a whole number N from 1'


@contextmanager
def _locked(path: Path) -> Iterator[None]:
    """Hold `path` for this process. The lock lies beside it, since each change gives `path` a new inode."""
    with path.with_name(f".{path.name}.lock").open("a+") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            lock.seek(0)
            raise StoreError(
                f"{path} is in use by process {lock.read(20).strip() or 'unknown'}: "
                "stop that one, or give this one another state directory"
            ) from None
        lock.truncate(0)
        lock.write(f"{os.getpid()}\n")
        lock.flush()
        yield
