"""Bring an SQLite database to the schema this version knows.

A schema is a folder of SQL files numbered without gaps: `0001.sql`, `0002.sql`, …; `PRAGMA user_version` of a
database is the number of the last one that was applied to it. A file that has been released is never edited:
a change of schema is a new file.
"""

from __future__ import annotations

import re
import sqlite3
from collections.abc import Iterator
from importlib.resources.abc import Traversable

__all__ = ["NewerSchemaError", "migrate"]

_NAME = re.compile(r"(\d{4})\.sql")


class NewerSchemaError(Exception):
    """The database was written by a newer version, whose schema this one does not know."""


def migrate(connection: sqlite3.Connection, folder: Traversable) -> None:
    """Apply the files of `folder` that `connection`'s database has not seen, each in a transaction of its own.

    A database that is up to date is not written to. Several processes may migrate the same file at once. When a
    file fails, `sqlite3.Error` is raised and the database stays at the number before it. The connection must
    not be inside a transaction; the files contain none, nor a PRAGMA that SQLite ignores in one.
    Raises `NewerSchemaError` for a database of a newer version, and leaves it untouched.
    """
    scripts = _scripts(folder)
    _refuse_newer(connection, known=len(scripts))
    for number in range(_version(connection) + 1, len(scripts) + 1):
        _apply(connection, number, scripts[number - 1])


def _scripts(folder: Traversable) -> list[str]:
    """The SQL of the numbered files, in order; other files are passed over."""
    numbered = {int(m[1]): file for file in folder.iterdir() if (m := _NAME.fullmatch(file.name))}
    if sorted(numbered) != list(range(1, len(numbered) + 1)):
        raise ValueError(f"{folder}: the SQL files must be numbered from 0001 without gaps, found {sorted(numbered)}")
    return [numbered[number].read_text(encoding="utf-8") for number in sorted(numbered)]


def _version(connection: sqlite3.Connection) -> int:
    return int(connection.execute("PRAGMA user_version").fetchone()[0])


def _refuse_newer(connection: sqlite3.Connection, known: int) -> None:
    found = _version(connection)
    if found > known:
        file = connection.execute("PRAGMA database_list").fetchone()[2] or "the database"
        raise NewerSchemaError(
            f"{file} has schema {found}, but this version of twinhub knows only up to {known}: "
            "run the newer twinhub that wrote it, or give this one another state directory"
        )


def _apply(connection: sqlite3.Connection, number: int, script: str) -> None:
    with connection:
        connection.execute("BEGIN IMMEDIATE")
        if _version(connection) >= number:  # another process came first while we waited for the lock
            return
        for statement in _statements(script):
            connection.execute(statement)
        connection.execute(f"PRAGMA user_version = {number}")


def _statements(script: str) -> Iterator[str]:
    """The statements of a script, one by one: `executescript` would commit our transaction first."""
    statement = ""
    for piece in re.split(r"(?<=;)", script):
        statement += piece
        if sqlite3.complete_statement(statement):
            yield statement
            statement = ""
    if statement.strip():
        yield statement
