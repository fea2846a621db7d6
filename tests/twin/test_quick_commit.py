"""A quick disk is waited for in place, a slow one in a thread."""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from twin import quick_commit
from twin.quick_commit import QuickCommit


class Watched(sqlite3.Connection):
    """Notes in which thread it commits."""

    committed_in: str = ""

    def execute(self, statement: str, *values: object) -> sqlite3.Cursor:
        if statement == "COMMIT":
            self.committed_in = threading.current_thread().name
        return super().execute(statement, *values)


@pytest.fixture
def connection(tmp_path: Path) -> Iterator[Watched]:
    opened = sqlite3.connect(tmp_path / "x.db", isolation_level=None, check_same_thread=False, factory=Watched)
    opened.execute("CREATE TABLE t (n INTEGER)")
    yield opened
    opened.close()


@pytest.mark.parametrize(("quick", "thread"), [(1.0, "MainThread"), (0.0, "disk_0")])
async def test_it_is_waited_for_where_that_is_cheap(
    connection: Watched, quick: float, thread: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(quick_commit, "QUICK", quick)
    disk = QuickCommit(connection, "disk")
    connection.execute("BEGIN IMMEDIATE")
    connection.execute("INSERT INTO t VALUES (1)")
    await disk.commit()
    disk.close()
    assert connection.committed_in == thread
    assert not connection.in_transaction
    assert connection.execute("SELECT n FROM t").fetchall() == [(1,)]


async def test_what_cannot_be_committed_is_raised(connection: Watched) -> None:
    disk = QuickCommit(connection, "disk")
    with pytest.raises(sqlite3.OperationalError):
        await disk.commit()
    disk.close()
