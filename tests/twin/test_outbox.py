"""The outbox: complete up to its bound, and past it the latest of everything, with nothing uncounted."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import msgspec
from hypothesis import given, settings
from hypothesis import strategies as st

from twin.documents import MsgTwin, TwinValue, TwinVersion
from twin.journal import Journal, StoredDevice
from twin.machine import Record


def record(value: int) -> Record:
    return Record(MsgTwin(actual=TwinValue(str(value)), optional=True), "", None, TwinVersion(0, value))


def put(journal: Journal, records: dict[str, Record], changed: Iterable[str]) -> None:
    journal.put("default/a", records, {name: records[name].with_versions() for name in changed})


async def test_entries_are_read_in_order_and_trimmed(tmp_path: Path) -> None:
    async with Journal(tmp_path / "j.db") as journal:
        for n in range(1, 6):
            put(journal, {"x": record(n)}, ["x"])
        await journal.flush()
        assert [e.seq for e in journal.outbox(after=2, limit=2)] == [3, 4]
        journal.trim(5)
        await journal.flush()
        assert (journal.outbox(), journal.outbox_depth) == ([], 0)
    async with Journal(tmp_path / "j.db") as journal:
        put(journal, {"x": record(6)}, ["x"])
        await journal.flush()
        assert [e.seq for e in journal.outbox()] == [6], "a number never comes again"


async def test_what_has_left_is_known_when_it_is_opened_again(tmp_path: Path) -> None:
    async def opened(*, changes: int, sends: bool) -> int:
        async with Journal(tmp_path / "j.db") as journal:
            sent = journal.sent
            if sends:
                await journal.begin_sending()
            for _ in range(changes):
                put(journal, {"x": record(journal.last_seq + 1)}, ["x"])
                await journal.flush()
        return sent

    assert await opened(changes=2, sends=False) == 0
    assert await opened(changes=2, sends=True) == 0
    assert await opened(changes=3, sends=False) == 4
    assert await opened(changes=3, sends=True) == 4
    assert await opened(changes=0, sends=True) == 10


async def test_without_a_bound_nothing_is_kept(tmp_path: Path) -> None:
    async with Journal(tmp_path / "j.db", outbox_limit=0) as journal:
        put(journal, {"x": record(1)}, ["x"])
        await journal.flush()
        assert journal.outbox_depth == 0
        assert journal.records("default/a") == {"x": record(1)}


async def test_of_states_the_latest_is_kept(tmp_path: Path) -> None:
    async with Journal(tmp_path / "j.db", outbox_limit=3) as journal:
        for n in range(20):
            journal.put_device(StoredDevice("default/a", str(n), ""), f'"{n}"')
            await journal.flush()
        assert journal.outbox()[-1].body == '"19"'
        assert journal.folded + journal.outbox_depth == 20
        assert journal.outbox_depth <= 4


updates = st.lists(
    st.dictionaries(st.sampled_from("abc"), st.just(None), min_size=1, max_size=3), min_size=1, max_size=60
)


@settings(max_examples=40, deadline=None)
@given(updates=updates, limit=st.integers(1, 12), every=st.integers(1, 8))
async def test_past_the_bound_the_latest_stays_and_the_rest_is_counted(
    tmp_path_factory: object, updates: list[dict[str, None]], limit: int, every: int
) -> None:
    directory: Path = tmp_path_factory.mktemp("outbox")  # type: ignore[attr-defined]
    latest: dict[str, int] = {}
    async with Journal(directory / "j.db", outbox_limit=limit) as journal:
        for n, names in enumerate(updates, start=1):
            put(journal, {name: record(n) for name in names}, names)
            latest |= dict.fromkeys(names, n)
            if n % every == 0:
                await journal.flush()
        await journal.flush()
        bodies = [msgspec.json.decode(e.body, type=dict[str, MsgTwin]) for e in journal.outbox(limit=1000)]
        seen: dict[str, list[int]] = {}
        for body in bodies:
            for name, twin in body.items():
                assert twin.actual is not None
                assert twin.actual.value is not None
                seen.setdefault(name, []).append(int(twin.actual.value))
        assert {name: values[-1] for name, values in seen.items()} == latest
        assert all(values == sorted(values) for values in seen.values()), "in order within a twin"
        assert sum(map(len, seen.values())) + journal.folded == sum(map(len, updates))
        assert journal.outbox_depth == len(bodies)
        if every == 1:
            assert journal.outbox_depth <= max(limit, 3) + 3


async def test_past_the_age_the_latest_stays_and_the_rest_is_counted(tmp_path: Path) -> None:
    now = [1_000.0]
    async with Journal(tmp_path / "j.db", outbox_age=60.0, clock=lambda: now[0]) as journal:
        for n in range(1, 11):
            put(journal, {"x": record(n)}, ["x"])
            await journal.flush()
        put(journal, {"y": record(1)}, ["y"])
        await journal.flush()
        now[0] += 50
        assert (journal.outbox_depth, journal.oldest_change_age()) == (11, 50.0)
        now[0] += 20
        for n in range(11, 31):
            put(journal, {"x": record(n)}, ["x"])
            await journal.flush()
        seqs = [entry.seq for entry in journal.outbox()]
        assert seqs == [11, *range(12, 32)], "what is old and not the latest is folded, what is young stays"
        assert journal.folded == 10
        assert journal.oldest_change_age(11) == 0.0


async def test_the_end_is_read_newest_first(tmp_path: Path) -> None:
    async with Journal(tmp_path / "j.db") as journal:
        for n in range(1, 6):
            put(journal, {"x": record(n)}, ["x"])
        await journal.flush()
        assert [e.seq for e in journal.newest_changes(after=2, limit=2)] == [5, 4]
        assert [e.seq for e in journal.newest_changes(after=4)] == [5]
