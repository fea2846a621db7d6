"""The journal on a real file: what it promises to have is there after a kill, and nobody is told before."""

from __future__ import annotations

import asyncio
import os
import signal
import sqlite3
import sys
from collections.abc import Iterable
from contextlib import closing
from pathlib import Path

import pytest

from twin import journal as journal_module
from twin import quick_commit
from twin.documents import MsgTwin, TwinValue, TwinVersion
from twin.handled import FORGET_EVERY
from twin.journal import Journal, StoredDevice
from twin.machine import Record


def record(value: str, edge: int = 1) -> Record:
    return Record(MsgTwin(actual=TwinValue(value), optional=True), "", None, TwinVersion(0, edge))


def put(journal: Journal, records: dict[str, Record], changed: Iterable[str]) -> None:
    journal.put("default/a", records, {name: records[name].with_versions() for name in changed})


async def test_what_was_put_is_there_again(tmp_path: Path) -> None:
    async with Journal(tmp_path / "j.db") as journal:
        journal.put_device(StoredDevice("default/a", "online", "2026-01-01T00:00:00Z"))
        put(journal, {"x": record("1")}, ["x"])
        await journal.flush()
    async with Journal(tmp_path / "j.db") as journal:
        assert journal.devices() == [StoredDevice("default/a", "online", "2026-01-01T00:00:00Z")]
        assert journal.records("default/a") == {"x": record("1")}
        assert [(e.device, e.kind) for e in journal.outbox()] == [("default/a", "twin")]


@pytest.mark.parametrize("quick", [0.0, 1.0], ids=["slow disk", "quick disk"])
async def test_many_changes_share_a_commit_and_are_released_in_order(
    tmp_path: Path, quick: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(quick_commit, "QUICK", quick)
    released: list[int] = []
    async with Journal(tmp_path / "j.db") as journal:
        for n in range(500):
            put(journal, {"x": record(str(n), n)}, ["x"])
            journal.when_durable(lambda _error, n=n: released.append(n))
        assert released == []
        await journal.flush()
        assert released == list(range(500))
        assert journal.commits <= 2
        assert journal.outbox_depth == 500


async def test_an_unchanged_value_costs_no_transaction(tmp_path: Path) -> None:
    async with Journal(tmp_path / "j.db") as journal:
        put(journal, {"x": record("1")}, ["x"])
        await journal.flush()
        commits = journal.commits
        fresh = record("1")
        put(journal, {"x": fresh}, [])
        await journal.flush()
        assert (journal.commits, journal.outbox_depth) == (commits, 1)
    async with Journal(tmp_path / "j.db") as journal:
        assert journal.records("default/a") == {"x": fresh}


async def test_answers_keep_their_order_when_only_some_need_the_disk(tmp_path: Path) -> None:
    released: list[str] = []
    async with Journal(tmp_path / "j.db") as journal:
        put(journal, {"x": record("1")}, ["x"])
        journal.when_durable(lambda _: released.append("change"))
        journal.when_durable(lambda _: released.append("unchanged"))
        await journal.flush()
    assert released == ["change", "unchanged"]


async def test_a_disk_that_fails_is_told_to_who_waits(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(journal_module, "ATTEMPTS", 1)
    async with Journal(tmp_path / "j.db") as journal:
        other = sqlite3.connect(tmp_path / "j.db", isolation_level=None)
        journal._db.execute("PRAGMA busy_timeout = 10")
        other.execute("BEGIN IMMEDIATE")
        put(journal, {"x": record("1")}, ["x"])
        with pytest.raises(sqlite3.OperationalError, match="locked"):
            await journal.flush()
        other.execute("ROLLBACK")
        other.close()
        put(journal, {"y": record("2")}, ["y"])
        await journal.flush()
        assert journal.records("default/a") == {"y": record("2")}


async def test_a_full_disk_recovers_by_trying_again(tmp_path: Path) -> None:
    async with Journal(tmp_path / "j.db") as journal:
        other = sqlite3.connect(tmp_path / "j.db", isolation_level=None)
        journal._db.execute("PRAGMA busy_timeout = 10")
        other.execute("BEGIN IMMEDIATE")
        put(journal, {"x": record("1")}, ["x"])
        waiting = asyncio.create_task(journal.flush())
        asyncio.get_running_loop().call_later(0.3, other.execute, "ROLLBACK")
        await asyncio.wait_for(waiting, 10)
        other.close()
        assert journal.records("default/a") == {"x": record("1")}


def fill(journal: Journal) -> None:
    """From now on the file cannot grow: the disk is full."""
    (pages,) = journal._db.execute("PRAGMA page_count").fetchone()
    journal._db.execute(f"PRAGMA max_page_count = {pages}")


async def test_a_full_disk_does_not_upset_the_count_of_the_outbox(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(journal_module, "ATTEMPTS", 1)
    async with Journal(tmp_path / "j.db") as journal:
        put(journal, {"x": record("1")}, ["x"])
        await journal.flush()
        fill(journal)
        for n in range(3):
            put(journal, {"x": record("1", n)}, ["x"])
            for number in range(5_000):  # what does not fit comes behind the outbox in the transaction
                journal.mark_handled(number.to_bytes(8, "big"))
            with pytest.raises(sqlite3.OperationalError, match="full"):
                await journal.flush()
        assert journal.outbox_depth == 1
        journal._db.execute("PRAGMA max_page_count = 100000")
        put(journal, {"x": record("2", 2)}, ["x"])
        await journal.flush()
        assert [entry.seq for entry in journal.outbox()] == [1, 2]
        assert journal.outbox_depth == 2


async def test_what_the_disk_refused_does_not_come_back_by_an_equal_report(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(journal_module, "ATTEMPTS", 1)
    async with Journal(tmp_path / "j.db") as journal:
        fill(journal)
        refused = record("long" * 10_000)
        put(journal, {"x": refused}, ["x"])
        put(journal, {"x": refused}, [])
        with pytest.raises(sqlite3.OperationalError, match="full"):
            await journal.flush()
        assert journal.records("default/a") == {}
        journal._db.execute("PRAGMA max_page_count = 100000")
    async with Journal(tmp_path / "j.db") as journal:
        assert journal.records("default/a") == {}


async def test_what_was_put_behind_a_commit_that_fails_is_refused_with_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It was made of values that are not true now."""
    monkeypatch.setattr(journal_module, "ATTEMPTS", 2)
    async with Journal(tmp_path / "j.db") as journal:
        fill(journal)
        put(journal, {"x": record("long" * 10_000)}, ["x"])
        first = asyncio.create_task(journal.flush())
        while journal._committing is None:
            await asyncio.sleep(0)
        put(journal, {"y": record("1")}, ["y"])
        results = await asyncio.gather(first, journal.flush(), return_exceptions=True)
        assert [type(result) for result in results] == [sqlite3.OperationalError] * 2
        assert journal.records("default/a") == {}


async def test_a_full_disk_at_the_end_is_told_and_harms_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def run() -> None:
        async with Journal(tmp_path / "j.db") as journal:
            put(journal, {"x": record("1")}, ["x"])
            await journal.flush()
            fill(journal)
            put(journal, {"x": record("long" * 10_000, 2)}, ["x"])
            journal.when_durable(lambda _: None)
            while journal._committing is None:
                await asyncio.sleep(0)

    monkeypatch.setattr(journal_module, "ATTEMPTS", 2)
    with pytest.raises(sqlite3.OperationalError, match="full"):
        await run()
    async with Journal(tmp_path / "j.db") as journal:
        assert journal.records("default/a") == {"x": record("1")}


async def test_what_breaks_the_commits_ends_the_body(tmp_path: Path) -> None:
    """Who waits for the disk would wait for ever."""

    def broken(_error: Exception | None) -> None:
        raise RuntimeError("broken")

    async def run() -> None:
        async with asyncio.timeout(5), Journal(tmp_path / "j.db") as journal:
            put(journal, {"x": record("1")}, ["x"])
            journal.when_durable(broken)
            await asyncio.Event().wait()

    with pytest.raises(RuntimeError, match="broken"):
        await run()


async def test_a_removed_device_takes_its_twins_along(tmp_path: Path) -> None:
    async with Journal(tmp_path / "j.db") as journal:
        journal.put_device(StoredDevice("default/a", "", ""))
        put(journal, {"x": record("1"), "y": record("1")}, ["x"])
        await journal.flush()
        put(journal, {"x": record("2")}, ["x"])
        journal.remove_device("default/a")
        await journal.flush()
        assert (journal.devices(), journal.records("default/a")) == ([], {})


async def test_handled_messages_are_remembered_up_to_a_bound(tmp_path: Path) -> None:
    async with Journal(tmp_path / "j.db", handled_limit=100) as journal:
        for n in range(3000):
            put(journal, {"x": record(str(n), n)}, ["x"])
            journal.mark_handled(n.to_bytes(8, "big"))
            if n % 5 == 0:
                await journal.flush()
        await journal.flush()
        known = [int.from_bytes(digest, "big") for digest in journal.handled()]
        assert known == list(range(known[0], 3000))
        assert 100 <= len(known) <= 100 + FORGET_EVERY * 5


WRITER = """
import asyncio, sys
from pathlib import Path
from twin.documents import MsgTwin, TwinValue, TwinVersion
from twin.journal import Journal
from twin.machine import Record

async def main():
    async with Journal(Path(sys.argv[1])) as journal:
        n = 0
        while True:
            n += 1
            twin = MsgTwin(actual=TwinValue(str(n)), optional=True)
            record = Record(twin, '', None, TwinVersion(0, n))
            journal.put("default/a", {"x": record}, {"x": record.with_versions()})
            await journal.flush()
            print(n, flush=True)

asyncio.run(main())
"""


async def test_what_was_released_survives_a_kill(tmp_path: Path) -> None:
    for _ in range(5):
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-c", WRITER, str(tmp_path / "j.db"), stdout=asyncio.subprocess.PIPE
        )
        assert process.stdout is not None
        for _ in range(20):
            acknowledged = int(await process.stdout.readline())
        os.kill(process.pid, signal.SIGKILL)
        acknowledged = max([acknowledged, *map(int, (await process.stdout.read()).split())])
        await process.wait()
        async with Journal(tmp_path / "j.db") as journal:
            actual = journal.records("default/a")["x"].shown.actual
            assert actual is not None
            assert actual.value is not None
            assert int(actual.value) >= acknowledged
            assert len(journal.outbox(limit=10_000)) == journal.outbox_depth


async def test_an_identity_is_made_with_the_file_and_stays(tmp_path: Path) -> None:
    async with Journal(tmp_path / "j.db") as journal, Journal(tmp_path / "other.db") as other:
        identity = journal.identity
        assert len(identity) == 32
        assert int(identity, 16) != int(other.identity, 16)
    async with Journal(tmp_path / "j.db") as journal:
        assert journal.identity == identity
        await journal.renew_identity()
        renewed = journal.identity
        assert renewed != identity
    async with Journal(tmp_path / "j.db") as journal:
        assert journal.identity == renewed


async def test_a_journal_of_the_first_schema_is_brought_up_to_date(tmp_path: Path) -> None:
    with closing(sqlite3.connect(tmp_path / "j.db")) as old:
        old.executescript((Path(__file__).parent / "old_journals" / "0001.sql").read_text())
    async with Journal(tmp_path / "j.db") as journal:
        assert len(journal.identity) == 32
        assert [(e.seq, e.device, e.kind) for e in journal.outbox()] == [
            (41, "default/a", "twin"),
            (42, "default/a", "state"),
        ]
        assert journal.records("default/a")["x"].shown.actual == TwinValue("7")
        assert 0.0 <= journal.oldest_change_age() < 60.0, "their time is not known: they count as new"
        put(journal, {"x": record("8", 8)}, ["x"])
        await journal.flush()
        assert journal.outbox()[-1].seq == 43


async def test_what_is_private_is_remembered_and_not_told(tmp_path: Path) -> None:
    async with Journal(tmp_path / "j.db") as journal:
        records = {"x": record("1"), "secret": record("2")}
        changed = {name: known.with_versions() for name, known in records.items()}
        journal.put("default/a", records, changed, {"secret"})
        assert journal.records("default/a") == records, "before the commit"
        await journal.flush()
        journal.put("default/a", {"secret": record("3")}, {"secret": record("3").with_versions()}, {"secret"})
        await journal.flush()
        (entry,) = journal.outbox()
        assert "secret" not in entry.body
    async with Journal(tmp_path / "j.db") as journal:
        assert journal.records("default/a") == {"x": record("1"), "secret": record("3")}


async def test_nothing_is_read_from_the_outbox_before_it_is_durable(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(quick_commit, "QUICK", 0.0)
    grown: list[int] = []
    async with Journal(tmp_path / "j.db") as journal:
        sync = journal._disk.commit

        async def slow() -> None:
            assert journal._db.in_transaction
            assert journal.outbox() == [], "written, not committed"
            await sync()

        monkeypatch.setattr(journal._disk, "commit", slow)
        journal.on_grown = lambda: grown.append(len(journal.outbox()))
        put(journal, {"x": record("1")}, ["x"])
        await journal.flush()
        assert grown == [1]


async def test_a_confirmed_change_leaves_soon_without_another_commit(tmp_path: Path) -> None:
    async with Journal(tmp_path / "j.db") as journal:
        put(journal, {"x": record("1")}, ["x"])
        await journal.flush()
        journal.trim(1)
        async with asyncio.timeout(5):
            while journal.outbox_depth:
                await asyncio.sleep(0.01)
        assert journal.trimmed == 1


async def test_who_waits_no_more_harms_nobody(tmp_path: Path) -> None:
    async with Journal(tmp_path / "journal.db") as journal:
        journal.put_device(StoredDevice("default/pump", "online", ""), "{}")
        waiting = asyncio.create_task(journal.flush())
        await asyncio.sleep(0)
        waiting.cancel()
        journal.put_device(StoredDevice("default/pump", "offline", ""), "{}")
        await journal.flush()
        assert journal.devices() == [StoredDevice("default/pump", "offline", "")]
