"""What is SQLite's own: durability, several processes, its file's age."""

import asyncio
import sqlite3
import stat
from contextlib import closing
from pathlib import Path

import pytest

from twin.store import Conflict, Entry, Store, StoreError, open_store
from twin.store_sqlite import SqliteShelf


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "catalogue.db"


def test_every_commit_reaches_the_disk(path: Path) -> None:
    shelf = SqliteShelf(path)
    shelf.open()
    settings = [shelf._database.execute(f"PRAGMA {name}").fetchone()[0] for name in ("journal_mode", "synchronous")]
    shelf.close()
    assert settings == ["wal", 2]


async def test_what_a_killed_process_left_is_for_its_owner_alone(path: Path) -> None:
    async with open_store(path):
        pass
    left = [path.with_name(f"{path.name}{suffix}") for suffix in ("-wal", "-shm")]
    for file in left:
        file.touch(0o644)
    async with open_store(path) as store:
        await store.put("a", {})
        assert [stat.S_IMODE(file.stat().st_mode) for file in left] == [0o600, 0o600]


async def test_two_openers_check_versions_against_each_other(path: Path) -> None:
    async with open_store(path) as one, open_store(path) as other:
        await one.put("a", {"by": "one"}, version=0)
        with pytest.raises(Conflict, match="a is at version 1"):
            await other.put("a", {"by": "other"}, version=0)

        async def count(store: Store, mine: int) -> None:
            done = 0
            while done < mine:
                entry = await store.get("n")
                n, version = (entry.value["n"], entry.version) if entry else (0, 0)
                try:
                    await store.put("n", {"n": n + 1}, version=version)
                    done += 1
                except Conflict:
                    continue

        await asyncio.gather(count(one, 25), count(other, 25))
        assert await one.get("n") == Entry("n", {"n": 50}, 51)


async def test_a_newer_database_is_refused_with_advice(path: Path) -> None:
    async with open_store(path):
        pass
    with closing(sqlite3.connect(path)) as database:
        database.execute("PRAGMA user_version = 999")
    with pytest.raises(StoreError, match=r"has schema 999.*run the newer twinhub"):
        async with open_store(path):
            pass


async def test_a_file_that_is_no_database_is_refused_and_left_alone(path: Path) -> None:
    path.write_text("something else, long enough to be read as a header of a database file, it seems" * 10)
    before = path.read_bytes()
    with pytest.raises(StoreError, match=f"^{path}: file is not a database"):
        async with open_store(path):
            pass
    assert path.read_bytes() == before
