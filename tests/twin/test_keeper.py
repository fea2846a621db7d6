"""The keeper with a real journal: members, their states, their limits, and what survives a restart."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import replace
from pathlib import Path

import msgspec
import pytest

from device_models import AccessMode, DataType, Device, Property
from twin import journal as journal_module
from twin.documents import MsgTwin, TwinValue, TwinVersion, TypeMetadata
from twin.journal import Journal
from twin.keeper import Keeper
from twin.refused import BadRequest, Refused
from twin.rules import Rules

SPEED = Property("speed", DataType.INT, AccessMode.READ_WRITE, unit="rpm", minimum=0, maximum=3000)
PUMP = Device("default", "pump", "m", "external", properties=(SPEED,), description="feeds the boiler")
VALVE = Device("default", "valve", "m", "external")


@asynccontextmanager
async def keeper(path: Path, *devices: Device, rules: Rules | None = None) -> AsyncIterator[Keeper]:
    async with Journal(path / "j.db") as journal:
        kept = Keeper(journal, rules, clock=lambda: 1_786_000_000.0)
        kept.declare(devices)
        yield kept
        await journal.flush()


@contextmanager
def failing(journal: Journal, path: Path) -> Iterator[None]:
    """No commit succeeds: somebody else holds the file."""
    journal._db.execute("PRAGMA busy_timeout = 10")
    other = sqlite3.connect(path, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    yield
    other.close()


async def stored(journal: Journal) -> None:
    """Wait until the disk works again."""
    async with asyncio.timeout(10):
        while True:
            try:
                return await journal.flush()
            except sqlite3.OperationalError:
                continue


def report(value: str) -> MsgTwin:
    return MsgTwin(actual=TwinValue(value))


async def test_twins_and_states_survive_a_restart(tmp_path: Path) -> None:
    async with keeper(tmp_path, PUMP, VALVE) as first:
        first.update("default/pump", {"speed": report("1200")})
        first.set_state("default/pump", "online")
        shown, members = first.get("default/pump"), first.members()
    async with keeper(tmp_path, PUMP, VALVE) as second:
        assert second.get("default/pump") == shown
        assert second.members() == members
        assert members[0].last_online == "2026-08-06T07:06:40Z"


async def test_the_membership_tells_what_came_and_what_left(tmp_path: Path) -> None:
    async with keeper(tmp_path) as kept:
        change = kept.declare([PUMP, VALVE])
        assert ([d.id for d in change.added], change.removed) == (["default/pump", "default/valve"], [])
        assert change.added[0].description == "feeds the boiler"
        assert kept.declare([PUMP, VALVE]) == ([], [])
        change = kept.declare([PUMP])
        assert [(d.id, d.name) for d in change.removed] == [("default/valve", "valve")]


async def test_a_device_that_left_while_the_hub_was_down_is_told_of(tmp_path: Path) -> None:
    async with keeper(tmp_path, PUMP, VALVE) as first:
        first.update("default/valve", {"open": report("1")})
    async with Journal(tmp_path / "j.db") as journal:
        second = Keeper(journal)
        change = second.declare([PUMP])
        assert [(d.id, d.name) for d in change.removed] == [("default/valve", "valve")]
        await journal.flush()
    async with keeper(tmp_path, PUMP, VALVE) as third:
        assert third.get("default/valve") == {}, "its twins left with it"


async def test_new_limits_hold_from_the_next_update_on(tmp_path: Path) -> None:
    async with keeper(tmp_path, PUMP) as kept:
        kept.update("default/pump", {"speed": report("2500")})
        slower = replace(PUMP, properties=(replace(SPEED, maximum=2000),))
        kept.declare([slower])
        shown = kept.get("default/pump")
        assert shown is not None
        assert shown["speed"].actual is not None
        assert shown["speed"].actual.value == "2500"
        with pytest.raises(Refused, match="2000 rpm"):
            kept.update("default/pump", {"speed": MsgTwin(expected=TwinValue("2001"))})


async def test_a_new_type_goes_over_what_was_remembered(tmp_path: Path) -> None:
    async with keeper(tmp_path, PUMP) as kept:
        kept.update("default/pump", {"speed": report("2500")})
        kept.declare([replace(PUMP, properties=(replace(SPEED, type=DataType.DOUBLE),))])
        kept.update("default/pump", {"speed": report("2500.5")})
        shown = kept.get("default/pump")
        assert shown is not None
        assert shown["speed"].metadata is not None
        assert (shown["speed"].metadata.type, shown["speed"].metadata.unit) == ("double", "rpm")


async def test_states_are_kubeedges_words_as_they_were_spelled(tmp_path: Path) -> None:
    async with keeper(tmp_path, PUMP) as kept:
        assert kept.set_state("default/pump", "ONLINE").lastOnlineTime == "2026-08-06T07:06:40Z"
        offline = kept.set_state("default/pump", "Offline")
        assert (offline.state, offline.lastOnlineTime) == ("Offline", "")
        with pytest.raises(Refused, match="none of"):
            kept.set_state("default/pump", "disconnected")
        with pytest.raises(Refused) as unknown:
            kept.set_state("default/nobody", "online")
        assert unknown.value.code == 404


async def test_characters_are_wrong_before_the_device_is(tmp_path: Path) -> None:
    async with keeper(tmp_path, rules=Rules(value_bytes=10)) as kept:
        with pytest.raises(BadRequest, match="The key of twin"):
            kept.update("default/nobody", {"a b": report("1")})
        with pytest.raises(BadRequest, match="longer than 10 bytes"):
            kept.update("default/nobody", {"a": report("ü" * 6)})
        with pytest.raises(Refused) as unknown:
            kept.update("default/nobody", {"a": report("ü" * 5)})
        assert unknown.value.code == 404


async def test_what_could_not_be_stored_is_taken_back(tmp_path: Path) -> None:
    async with Journal(tmp_path / "j.db") as journal:
        kept = Keeper(journal)
        kept.declare([PUMP])
        kept.update("default/pump", {"speed": report("1")})
        await journal.flush()
        before = kept.get("default/pump")
        kept.update("default/pump", {"speed": report("2")})
        journal._pending.changes.clear()  # as if the commit had failed
        kept.restore(["default/pump"])
        assert kept.get("default/pump") == before


async def test_a_device_that_leaves_and_comes_again_at_once_comes_without_its_past(tmp_path: Path) -> None:
    for others in ((), (VALVE,)):
        async with keeper(tmp_path, PUMP, *others) as first:
            first.update("default/pump", {"speed": report("1200")})
        async with keeper(tmp_path, PUMP, *others) as second:
            second.declare(others)
            second.declare([PUMP, *others])
            assert second.get("default/pump") == {}
            second.update("default/pump", {"other": report("1")})
            shown = second.get("default/pump")
        async with keeper(tmp_path, PUMP, *others) as third:
            assert third.get("default/pump") == shown


async def test_a_device_declared_while_the_disk_fails_is_kept_when_it_is_back(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(journal_module, "ATTEMPTS", 1)
    async with Journal(tmp_path / "j.db") as journal:
        kept = Keeper(journal)
        kept.declare([VALVE])
        await journal.flush()
        kept.set_state("default/valve", "online")
        with failing(journal, tmp_path / "j.db"):
            kept.declare([PUMP, VALVE])
            kept.set_state("default/valve", "offline")
            with pytest.raises(sqlite3.OperationalError):
                await journal.flush()
        kept.restore(["default/valve"])
        assert kept.members()[1].state == "", "what was refused is not shown"
        await stored(journal)
        kept.update("default/pump", {"speed": report("1200")})
        await journal.flush()
        shown = kept.get("default/pump")
    async with keeper(tmp_path, PUMP, VALVE) as later:
        assert later.get("default/pump") == shown


def wish(value: str, cloud: int, edge: int = 0) -> MsgTwin:
    return MsgTwin(expected=TwinValue(value), metadata=TypeMetadata("int"), expected_version=TwinVersion(cloud, edge))


def told(journal: Journal) -> list[dict[str, MsgTwin]]:
    return [msgspec.json.decode(entry.body, type=dict[str, MsgTwin]) for entry in journal.outbox()]


async def test_what_is_kept_against_the_cloud_is_told_again(tmp_path: Path) -> None:
    async with keeper(tmp_path, PUMP) as kept:
        kept.update("default/pump", {"speed": MsgTwin(expected=TwinValue("5"))})
        kept.update("default/pump", {"speed": MsgTwin(expected=TwinValue("6"))})
        kept.cloud_update("default/pump", {"speed": wish("9", 3, 1)})
        journal = kept._journal
        await journal.flush()
        last = told(journal)[-1]["speed"]
        assert (last.expected.value, last.expected_version) == ("6", TwinVersion(0, 2))  # type: ignore[union-attr]


async def test_a_wish_that_cannot_be_gives_way(tmp_path: Path) -> None:
    async with keeper(tmp_path, PUMP) as kept:
        kept.update("default/pump", {"speed": MsgTwin(expected=TwinValue("5"))})
        kept.insist("default/pump", ["speed", "unknown"])
        kept.cloud_update("default/pump", {"speed": wish("9", 1, 1)})
        await kept._journal.flush()
        assert kept.get("default/pump")["speed"].expected.value == "5"  # type: ignore[index, union-attr]
        assert [t["speed"].expected_version for t in told(kept._journal)] == [
            TwinVersion(0, 1),
            TwinVersion(0, 2),
            TwinVersion(0, 2),
        ]


async def test_a_property_that_is_not_reported_to_the_cloud_is_told_once_it_may_be(tmp_path: Path) -> None:
    private = replace(PUMP, properties=(replace(SPEED, report_to_cloud=False),))
    async with keeper(tmp_path, private) as kept:
        kept.update("default/pump", {"speed": report("1"), "other": report("2")})
        await kept._journal.flush()
        assert [set(body) for body in told(kept._journal)] == [{"other"}]
        kept.report_all()
        await kept._journal.flush()
        assert [set(body) for body in told(kept._journal)] == [{"other"}, {"other"}]
        kept.declare([PUMP])
        await kept._journal.flush()
        assert told(kept._journal)[-1]["speed"].actual.value == "1"  # type: ignore[union-attr]
    async with keeper(tmp_path, PUMP) as kept:
        assert kept.get("default/pump")["speed"].actual.value == "1"  # type: ignore[index, union-attr]


async def test_everything_is_told_anew(tmp_path: Path) -> None:
    async with keeper(tmp_path, PUMP, VALVE) as kept:
        kept.update("default/pump", {f"p{n}": report(str(n)) for n in range(45)})
        kept.set_state("default/valve", "online")
        await kept._journal.flush()
        before = kept._journal.outbox_depth
        kept.report_all()
        await kept._journal.flush()
        again = kept._journal.outbox()[before:]
        assert [entry.kind for entry in again] == ["twin"] * 3 + ["state"]
        twins = [msgspec.json.decode(e.body, type=dict[str, MsgTwin]) for e in again if e.kind == "twin"]
        assert sum(map(len, twins)) == 45
        assert all(t.actual_version == TwinVersion(0, 1) for body in twins for t in body.values())


async def test_who_watches_a_device_hears_whatever_becomes_of_it(tmp_path: Path) -> None:
    seen: list[str | None] = []

    async with keeper(tmp_path, PUMP, VALVE) as kept:

        def heard() -> None:
            twins = kept.get("default/pump")
            seen.append(None if twins is None else twins["speed"].actual.value)  # type: ignore[union-attr]

        kept.watch("default/pump", heard)
        kept.update("default/pump", {"speed": report("1")})
        kept.update("default/valve", {"open": report("true")})
        assert seen == ["1"]
        await kept._journal.flush()
        kept.update("default/pump", {"speed": report("2")})
        with pytest.raises(Refused):
            kept.update("default/pump", {"speed": report("fast")})
        kept.declare([VALVE])
        assert seen == ["1", "2", None]


async def test_who_watches_hears_that_an_update_could_not_be_stored(tmp_path: Path) -> None:
    async with keeper(tmp_path, PUMP) as kept:
        kept.update("default/pump", {"speed": report("1")})
        await kept._journal.flush()
        seen: list[object] = []
        kept.watch("default/pump", lambda: seen.append(kept.get("default/pump")["speed"].actual.value))  # type: ignore[index, union-attr]
        kept.restore(["default/pump"])
        assert seen == ["1"]
