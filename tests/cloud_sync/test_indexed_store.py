"""An index that is never behind who has written, nor ahead of what is durable."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import AsyncIterator, Iterable
from pathlib import Path
from typing import Any

import pytest

from cloud_sync import indexed_store
from cloud_sync.indexed_store import IndexedStore
from twin import local_store
from twin.local_store import LocalStore
from twin.store import Conflict, Entry, StoreError
from twin.store_sqlite import SqliteShelf


class Gated(LocalStore):
    """Reading `at` waits after it has read, and then may fail."""

    def __init__(self, path: Path) -> None:
        super().__init__(SqliteShelf(path), str(path))
        self.at = "nowhere"
        self.waiting, self.go = asyncio.Event(), asyncio.Event()
        self.failures = 0

    async def list(self, prefix: str = "") -> list[Entry]:
        found = await super().list(prefix)
        if prefix == self.at:
            self.waiting.set()
            await self.go.wait()
        if self.failures:
            self.failures -= 1
            raise StoreError("the disk is away")
        return found


class Told:
    """Who was told of."""

    def __init__(self) -> None:
        self.nodes: set[str] = set()

    def __call__(self, nodes: Iterable[str]) -> None:
        self.nodes |= set(nodes)


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[Gated]:
    async with Gated(tmp_path / "registry.db") as opened:
        yield opened


@pytest.fixture
async def entries(store: Gated) -> AsyncIterator[IndexedStore]:
    async with IndexedStore(store, Told()) as opened:
        yield opened


def node(number: int) -> dict[str, Any]:
    return {"added": number}


async def test_who_has_written_finds_it(entries: IndexedStore) -> None:
    await entries.put("Node/a", node(1), 0)
    assert entries.index.entries == {"a": node(1)}
    assert await entries.drop("Node/a")
    assert entries.index.entries == {}
    assert not await entries.drop("Node/a")


async def test_who_came_second_is_refused(entries: IndexedStore) -> None:
    await entries.put("Node/a", node(1), 0)
    with pytest.raises(Conflict):
        await entries.put("Node/a", node(2), 0)
    assert entries.index.entries == {"a": node(1)}


async def test_what_happens_while_all_is_read_again_is_not_forgotten(store: Gated, entries: IndexedStore) -> None:
    for name in ("kept", "changed", "deleted"):
        await entries.put(f"Node/{name}", node(1), 0)
    store.at = "Presence/"  # read after the nodes
    reading = asyncio.create_task(entries.catch_up())
    await store.waiting.wait()
    await entries.put("Node/new", node(2), 0)
    await entries.put("Node/changed", node(2), None)
    await entries.drop("Node/deleted")
    assert entries.index.entries == {"kept": node(1), "new": node(2), "changed": node(2)}
    store.go.set()
    await reading
    assert entries.index.entries == {"kept": node(1), "new": node(2), "changed": node(2)}


async def test_two_that_read_everything_at_once(store: Gated, entries: IndexedStore) -> None:
    store.at = "Presence/"
    reading = [asyncio.create_task(entries.catch_up()) for _ in range(2)]
    await store.waiting.wait()
    await entries.put("Node/new", node(1), 0)
    store.go.set()
    await asyncio.gather(*reading)
    assert entries.index.entries == {"new": node(1)}


async def test_what_another_process_wrote_is_found_by_reading(tmp_path: Path, entries: IndexedStore) -> None:
    async with Gated(tmp_path / "registry.db") as other:
        await other.put("Node/a", node(7))
    await entries.catch_up()
    assert entries.index.entries == {"a": node(7)}


async def test_lost_events_are_made_up_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(local_store, "MAX_WAITING", 1)
    told = Told()
    async with Gated(tmp_path / "registry.db") as store, IndexedStore(store, told) as entries:
        await entries.put("Node/deleted", node(0), 0)
        writes = [asyncio.create_task(entries.put(f"Node/n{n}", node(n), 0)) for n in range(20)]
        writes.append(asyncio.create_task(entries.drop("Node/deleted")))  # type: ignore[arg-type]
        await asyncio.sleep(0)
        time.sleep(0.1)
        async with asyncio.timeout(5):
            await asyncio.gather(*writes)
        assert entries.index.entries.keys() == {f"n{n}" for n in range(20)}
        assert told.nodes >= entries.index.entries.keys()


async def test_lost_events_and_a_disk_that_is_away(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(local_store, "MAX_WAITING", 1)
    monkeypatch.setattr(indexed_store, "AGAIN", 0.01)
    caplog.set_level(logging.INFO, "cloud_sync")
    async with Gated(tmp_path / "registry.db") as store, IndexedStore(store, Told()) as entries:
        store.failures = 3
        writes = [asyncio.create_task(entries.put(f"Node/n{n}", node(n), 0)) for n in range(20)]
        await asyncio.sleep(0)
        time.sleep(0.1)
        async with asyncio.timeout(5):
            await asyncio.gather(*writes)
        assert len(entries.index.entries) == 20
        await entries.put("Node/last", node(1), 0)
        assert "last" in entries.index.entries
    assert [record.levelname for record in caplog.records] == ["ERROR", "INFO"]
    assert "the disk is away" in caplog.text


async def test_nobody_waits_for_an_index_that_is_closed(store: Gated) -> None:
    async with IndexedStore(store, Told()) as entries:
        pass
    async with asyncio.timeout(5):
        await entries.put("Node/a", node(1), 0)
        assert await entries.drop("Node/a")


async def test_a_store_that_cannot_be_read_is_not_opened_halfway(store: Gated) -> None:
    store.failures = 1
    with pytest.raises(StoreError, match="the disk is away"):
        async with IndexedStore(store, Told()):
            pass
    assert not store._watchers
