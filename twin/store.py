"""The catalogue's contract: what a `Store` of declared things promises, whichever backend keeps it.

A store maps keys like `Device/default/pump-01` to JSON objects. Every write gets a version that no other write of
this store ever had, so a writer can say what it believes to replace, and a stale writer is refused.

A backend is one module, `twin/store_<scheme>.py`, with a function `connect(address) -> Store`; `open_store`
finds it by its name. One that blocks (a file, a database in this process) implements `local_store.Shelf` and lets
`LocalStore` do the rest; one that is reached over the network implements `Store` itself. The contract tests in
`tests/twin/test_store.py` run against every backend.
"""

from __future__ import annotations

import importlib
import pkgutil
import re
from abc import ABC, abstractmethod
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager
from math import isfinite
from pathlib import Path, PurePath
from typing import Any, Literal, NamedTuple, Self

import msgspec.json

__all__ = [
    "MAX_DEPTH",
    "MAX_KEY",
    "MAX_VALUE",
    "Conflict",
    "Entry",
    "Event",
    "InvalidKeyError",
    "InvalidValueError",
    "Lost",
    "Store",
    "StoreError",
    "check_key",
    "check_prefix",
    "check_version",
    "encode",
    "open_store",
]

MAX_KEY = 512
"""Characters of a key."""
MAX_VALUE = 2 << 20
"""Bytes of a value, as compact JSON in UTF-8: a Secret of 1 MiB fits, which is written in base64."""
MAX_DEPTH = 64
"""Objects and lists inside one another, the value itself included."""

_SEGMENT = r"[A-Za-z0-9_-]+(?:\.[A-Za-z0-9_-]+)*"
_KEY = re.compile(rf"{_SEGMENT}(?:/{_SEGMENT})*")
_SCHEME = re.compile(r"([a-z]+):(.*)", re.DOTALL)
_REFUSED = {int: "a number beyond 64 bits", float: "NaN or infinity", dict: "an object with a name that is not text"}
_SUFFIXES = {".json": "tinydb", ".db": "sqlite", ".sqlite": "sqlite", ".sqlite3": "sqlite"}


class Entry(NamedTuple):
    """What stands under a key. The value belongs to the caller, who may change it."""

    key: str
    value: dict[str, Any]
    version: int
    """From 1; greater than that of any earlier write to this store."""


class Event(NamedTuple):
    """One change. All watchers are handed the same entry: it is to be read only."""

    kind: Literal["put", "delete"]
    key: str
    entry: Entry | None
    """What stands there now; None after a delete."""


class StoreError(Exception):
    """The store cannot be used; the message says what to do."""


class InvalidKeyError(StoreError, ValueError):
    """Not a key, or not a prefix of keys."""


class InvalidValueError(StoreError, ValueError):
    """Not a JSON object, or one beyond the limits."""


class Conflict(StoreError):
    """The entry is not at the version the writer believed: read it again, decide again."""

    def __init__(self, key: str, wanted: int, current: int) -> None:
        super().__init__(f"{key} {_said(current)}, but the writer expected that it {_said(wanted)}; read it again")
        self.key, self.wanted, self.current = key, wanted, current


class Lost(StoreError):
    """Some events were not delivered to this watcher: list again, then go on watching."""


class Store(ABC):
    """A catalogue. `async with` opens it and closes it; every method raises `StoreError` when it cannot be used.

    What `put` or `delete` has returned from is durable. One that was cancelled has happened or not.
    """

    @abstractmethod
    async def __aenter__(self) -> Self: ...

    @abstractmethod
    async def __aexit__(self, *exc: object) -> None: ...

    @abstractmethod
    async def get(self, key: str) -> Entry | None:
        """The entry, or None."""

    @abstractmethod
    async def list(self, prefix: str = "") -> list[Entry]:
        """All entries below `prefix` (`Device/default/`; empty: all there are), by key, as of one moment."""

    @abstractmethod
    async def put(self, key: str, value: dict[str, Any], *, version: int | None = None) -> int:
        """Write; returns the new version. `version` is what stands there now: 0 = nothing, None = no matter.

        Raises `Conflict` when it does not, `InvalidKeyError` or `InvalidValueError`; then nothing is changed.
        """

    @abstractmethod
    async def delete(self, key: str, *, version: int | None = None) -> bool:
        """Remove; returns whether there was anything. `version` and `Conflict` as for `put`."""

    @abstractmethod
    def watch(self, prefix: str = "") -> AbstractAsyncContextManager[AsyncIterator[Event]]:
        """The changes below `prefix`, in order, from the moment the `async with` is entered.

        List after entering, and nothing is missed. A watcher that does not keep up gets `Lost` from its
        iteration instead of what it missed; it may list again and go on with the same iterator. Iteration ends
        when the store is closed.
        """


def open_store(url: str | Path) -> Store:
    """The store at `SCHEME:ADDRESS`, or at a path whose suffix tells: .json is TinyDB, .db and .sqlite SQLite.

    It is not open yet: enter it with `async with`.
    """
    known = sorted(m.name[6:] for m in pkgutil.iter_modules([str(Path(__file__).parent)]) if m.name[:6] == "store_")
    scheme, address = _split(str(url))
    if scheme not in known:
        raise StoreError(f"{url}: no such kind of store; write {' or '.join(f'{k}:PATH' for k in known)}")
    store = importlib.import_module(f"twin.store_{scheme}").connect(address)
    assert isinstance(store, Store)
    return store


def _split(url: str) -> tuple[str, str]:
    if match := _SCHEME.fullmatch(url):
        return match[1], match[2]
    return _SUFFIXES.get(PurePath(url).suffix, ""), url


def check_key(key: str) -> None:
    """Raise `InvalidKeyError` unless `key` is segments of A-Z a-z 0-9 _ - and inner dots, joined by slashes."""
    if len(key) > MAX_KEY or not _KEY.fullmatch(key):
        raise InvalidKeyError(
            f"{key[:80]!r} is not a key: write segments of A-Z a-z 0-9 _ - and inner dots, joined by slashes, "
            f"like Device/default/pump-01, at most {MAX_KEY} characters"
        )


def check_prefix(prefix: str) -> None:
    """Raise `InvalidKeyError` unless `prefix` is empty or a key and a slash, so that only whole segments match."""
    if prefix:
        check_key(prefix[:-1])
        if prefix[-1] != "/":
            raise InvalidKeyError(f"{prefix!r} is not a prefix: write {prefix + '/'!r}, or nothing for all keys")


def check_version(key: str, wanted: int | None, current: int) -> None:
    """Raise `Conflict` unless an entry at version `current` (0: none) is what the writer expected."""
    if wanted is not None and wanted != current:
        raise Conflict(key, wanted, current)


def encode(key: str, value: dict[str, Any]) -> bytes:
    """The value as compact JSON that decodes to an equal one. Raises `InvalidValueError`, naming the place."""
    if not isinstance(value, dict):
        raise InvalidValueError(f"{key}: the value must be a JSON object, not {type(value).__name__}")
    _check(value, key, MAX_DEPTH)
    try:
        text = msgspec.json.encode(value)
    except UnicodeEncodeError as error:
        raise InvalidValueError(f"{key}: the text holds a lone surrogate, which is not Unicode") from error
    if len(text) > MAX_VALUE:
        raise InvalidValueError(f"{key}: the value has {len(text):,} bytes, the limit is {MAX_VALUE:,}")
    return text


def _check(value: Any, where: str, depth: int) -> None:
    match value:
        case None | bool() | str():
            return
        case int() if -(2**63) <= value < 2**63:
            return
        case float() if isfinite(value):
            return
        case dict() | list() if depth == 0:
            raise InvalidValueError(f"{where}: nested deeper than {MAX_DEPTH} levels")
        case list():
            for i, item in enumerate(value):
                _check(item, f"{where}[{i}]", depth - 1)
        case dict() if all(isinstance(name, str) for name in value):
            for name, item in value.items():
                _check(item, f"{where}.{name:.40}", depth - 1)
        case _:
            raise InvalidValueError(
                f"{where[:200]}: {_REFUSED.get(type(value), type(value).__name__)} is not allowed"
            )


def _said(version: int) -> str:
    return f"is at version {version}" if version else "does not exist"
