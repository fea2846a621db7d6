import sqlite3
import threading
from collections.abc import Iterator
from contextlib import closing
from importlib.resources import files
from pathlib import Path

import pytest

from twin.migrations import NewerSchemaError, migrate

FIRST = """
-- devices; one row each
CREATE TABLE device (id TEXT PRIMARY KEY, note TEXT DEFAULT 'a; b');
CREATE TRIGGER seen AFTER INSERT ON device BEGIN
    UPDATE device SET note = 'seen; twice' WHERE id = new.id;
    UPDATE device SET note = note || '!' WHERE id = new.id;
END;
INSERT INTO device (id) VALUES ('default/first');
"""
SECOND = """
ALTER TABLE device ADD COLUMN node TEXT NOT NULL DEFAULT '';
UPDATE device SET node = 'edge-1'
"""


@pytest.fixture
def schema(tmp_path: Path) -> Path:
    folder = tmp_path / "schema"
    folder.mkdir()
    (folder / "0001.sql").write_text(FIRST)
    (folder / "README.md").write_text("passed over")
    return folder


@pytest.fixture
def database(tmp_path: Path) -> Path:
    return tmp_path / "state.db"


@pytest.fixture
def connection(database: Path) -> Iterator[sqlite3.Connection]:
    with closing(sqlite3.connect(database)) as connection:
        yield connection


def version(connection: sqlite3.Connection) -> int:
    return int(connection.execute("PRAGMA user_version").fetchone()[0])


def dump(connection: sqlite3.Connection) -> list[str]:
    return list(connection.iterdump())


def test_a_new_database_gets_every_file(connection: sqlite3.Connection, schema: Path) -> None:
    (schema / "0002.sql").write_text(SECOND)
    migrate(connection, schema)
    assert version(connection) == 2
    rows = connection.execute("SELECT id, note, node FROM device").fetchall()
    assert rows == [("default/first", "seen; twice!", "edge-1")]


def test_an_older_database_keeps_its_rows_and_gets_what_is_new(database: Path, schema: Path) -> None:
    with closing(sqlite3.connect(database)) as old:
        migrate(old, schema)
        old.execute("INSERT INTO device (id) VALUES ('default/kept')")
        old.commit()
    (schema / "0002.sql").write_text(SECOND)
    with closing(sqlite3.connect(database)) as new:
        migrate(new, schema)
        rows = new.execute("SELECT id, node FROM device ORDER BY id").fetchall()
    assert rows == [("default/first", "edge-1"), ("default/kept", "edge-1")]


def test_a_second_run_changes_nothing(connection: sqlite3.Connection, schema: Path, database: Path) -> None:
    migrate(connection, schema)
    before = dump(connection), database.read_bytes()
    migrate(connection, schema)
    assert (dump(connection), database.read_bytes()) == before


def test_a_failing_file_leaves_the_database_as_it_was(connection: sqlite3.Connection, schema: Path) -> None:
    migrate(connection, schema)
    before = dump(connection)
    (schema / "0002.sql").write_text("CREATE TABLE half (a);\nINSERT INTO nowhere VALUES (1);")
    with pytest.raises(sqlite3.OperationalError, match="nowhere"):
        migrate(connection, schema)
    assert (dump(connection), version(connection), connection.in_transaction) == (before, 1, False)


def test_a_newer_database_is_refused_with_advice_and_untouched(
    connection: sqlite3.Connection, schema: Path, database: Path
) -> None:
    (schema / "0002.sql").write_text(SECOND)
    migrate(connection, schema)
    (schema / "0002.sql").unlink()
    before = dump(connection)
    with pytest.raises(NewerSchemaError, match=rf"{database} has schema 2.*up to 1.*another state directory"):
        migrate(connection, schema)
    assert dump(connection) == before


def test_a_gap_in_the_numbers_is_named(connection: sqlite3.Connection, schema: Path) -> None:
    (schema / "0003.sql").write_text(SECOND)
    with pytest.raises(ValueError, match=r"without gaps, found \[1, 3\]"):
        migrate(connection, schema)
    assert version(connection) == 0


def test_processes_that_open_the_same_file_at_once_do_not_collide(database: Path, schema: Path) -> None:
    (schema / "0002.sql").write_text(SECOND)
    start, failures = threading.Barrier(8), []

    def open_it() -> None:
        with closing(sqlite3.connect(database, timeout=30)) as connection:
            start.wait()
            try:
                migrate(connection, schema)
            except sqlite3.Error as error:
                failures.append(error)

    threads = [threading.Thread(target=open_it) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []
    with closing(sqlite3.connect(database)) as connection:
        assert (version(connection), len(connection.execute("SELECT * FROM device").fetchall())) == (2, 1)


def test_the_catalogue_as_packaged_migrates(connection: sqlite3.Connection) -> None:
    folder = files("twin") / "schema" / "catalogue"
    migrate(connection, folder)
    migrate(connection, folder)
    assert version(connection) >= 1
