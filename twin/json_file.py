"""A TinyDB storage that replaces its file atomically and tells a person where a broken one is broken."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NoReturn

import msgspec.json
from tinydb.storages import Storage

from twin import owner_only
from twin.durable_file import replace
from twin.store import StoreError

__all__ = ["JsonFile"]

Tables = dict[str, dict[str, Any]]
Check = Callable[[Any], tuple[str, str] | None]
"""Judges a parsed file: the member it is wrong at and why, or None."""


class JsonFile(Storage):
    """Tables in memory, read from the file when it has changed, written to it by `commit`."""

    def __init__(self, path: Path, check: Check) -> None:
        self._path, self._check = path, check
        self._tables: Tables = {}
        self._seen: tuple[int, ...] | None = None
        self.refresh()

    def refresh(self) -> None:
        """Read the file again if it is not the one that was read or written last; `StoreError` if it is broken."""
        found = self._signature()
        if found is not None and found != self._seen:
            self._tables = _load(self._path, self._check)
            self._seen = found

    def read(self) -> Tables:
        return self._tables

    def write(self, data: Tables) -> None:
        """Keep for `commit`."""
        self._tables = data

    @contextmanager
    def commit(self) -> Iterator[None]:
        """What is written inside becomes durable at its end, all of it or, with an exception, nothing."""
        try:
            yield
            text = msgspec.json.encode(self._tables, order="sorted")
            replace(self._path, msgspec.json.format(text, indent=2) + b"\n", mode=owner_only.FILE)
        except BaseException:
            self._tables, self._seen = {}, None
            raise
        self._seen = self._signature()

    def _signature(self) -> tuple[int, ...] | None:
        try:
            status = self._path.stat()
        except FileNotFoundError:
            return None
        return status.st_ino, status.st_mtime_ns, status.st_size


def _load(path: Path, check: Check) -> Tables:
    try:
        text = path.read_text(encoding="utf-8")
        tables: Tables = json.loads(text, object_pairs_hook=_unique, parse_constant=_refuse)
    except json.JSONDecodeError as error:
        raise _broken(path, str(error.lineno), f"{error.msg} (column {error.colno})") from error
    except UnicodeDecodeError as error:
        line = error.object.count(b"\n", 0, error.start) + 1
        raise _broken(path, str(line), "this is not UTF-8") from error
    except RecursionError as error:
        raise _broken(path, "1", "nested too deeply") from error
    except _MemberError as error:
        raise _broken(path, _lines(text, error.name), str(error)) from error
    if wrong := check(tables):
        name, why = wrong
        raise _broken(path, _lines(text, name), why)
    return tables


def _broken(path: Path, line: str, why: str) -> StoreError:
    return StoreError(f"{path}:{line}: {why}; mend this, or put back a copy of the file")


class _MemberError(Exception):
    """Something is wrong with a member of this name."""

    def __init__(self, name: str, why: str) -> None:
        super().__init__(why)
        self.name = name


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    members = dict(pairs)
    if len(members) < len(pairs):
        names = [name for name, _ in pairs]
        twice = next(name for name in names if names.count(name) > 1)
        raise _MemberError(twice, f"{twice!r} stands twice in one object")
    return members


def _refuse(constant: str) -> NoReturn:
    raise _MemberError(constant, f"{constant} is not JSON")


def _lines(text: str, name: str) -> str:
    """Where a member of that name may be: the lines that hold it, at most five of them."""
    quoted = json.dumps(name, ensure_ascii=False)
    found = [n for n, line in enumerate(text.splitlines(), 1) if quoted in line or line.endswith((name, f"{name},"))]
    return ",".join(map(str, found[:5])) or "1"
