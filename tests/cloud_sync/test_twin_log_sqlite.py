"""The cloud's memory of twins: what is taken, what is durable, what is wished, what was."""

from __future__ import annotations

import asyncio
import os
import signal
import sqlite3
import subprocess
import sys
from collections.abc import AsyncIterator, Iterable
from pathlib import Path

import pytest

from cloud_sync import twin_log_sqlite, twins_at_hand
from cloud_sync.known_twins import PROPERTIES
from cloud_sync.twin_log import Change, TwinLogError
from cloud_sync.twin_log_sqlite import SqliteTwinLog
from twin.documents import DeviceState, MsgTwin, TwinValue, TwinVersion, TypeMetadata, ValueMetadata

NODE, OTHER = "press-shop", "paint-shop"
PUMP, VALVE = "default/pump", "default/valve"
FIRST_JOURNAL, SECOND_JOURNAL = "a" * 32, "b" * 32
START = 1_700_000_000_000
DAY = 24 * 3600 * 1000
WHENEVER = {"since": 0, "until": 2**62}


class Clock:
    """Unix seconds, moved by hand."""

    def __init__(self) -> None:
        self.now = START / 1000

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
async def log(tmp_path: Path, clock: Clock) -> AsyncIterator[SqliteTwinLog]:
    async with SqliteTwinLog(tmp_path / "twins.db", clock=clock) as opened:
        yield opened


def actual(text: str, edge: int, time: int = 0) -> MsgTwin:
    said = TwinValue(text, ValueMetadata(time or START + edge))
    return MsgTwin(actual=said, optional=True, metadata=TypeMetadata("int"), actual_version=TwinVersion(0, edge))


def expected(text: str, cloud: int, edge: int) -> MsgTwin:
    version = TwinVersion(cloud, edge)
    return MsgTwin(TwinValue(text), optional=True, metadata=TypeMetadata("int"), expected_version=version)


def change(seq: int, text: str, *, edge: int = 0, device: str = PUMP, time: int = 0) -> Change:
    return Change(seq, device, {"speed": actual(text, edge or seq, time)})


async def take(log: SqliteTwinLog, *changes: Change, node: str = NODE, journal: str = FIRST_JOURNAL) -> None:
    await log.take(node, journal, changes)


async def values(log: SqliteTwinLog, device: str = PUMP, name: str = "speed") -> list[str | None]:
    return [reading.value for reading in await log.readings(device, name, **WHENEVER)]


async def shown(log: SqliteTwinLog, device: str = PUMP) -> dict[str, tuple[str | None, str | None]]:
    """Property → (desired, reported)."""
    found = (await log.latest([device])).get(device)
    twin = found.twin if found else {}
    return {n: (t.expected and t.expected.value, t.actual and t.actual.value) for n, t in twin.items()}


# ---- reports


async def test_reports_are_the_latest_and_the_history(log: SqliteTwinLog) -> None:
    await take(log, change(1, "10"), change(2, "11"), change(3, "12"))
    assert await shown(log) == {"speed": (None, "12")}
    assert await values(log) == ["10", "11", "12"]
    assert (await log.latest([PUMP]))[PUMP].received == START


async def test_a_number_is_taken_once(log: SqliteTwinLog) -> None:
    await take(log, change(1, "10"), change(2, "11"))
    await take(log, change(1, "10"), change(2, "11"), change(3, "12"))
    assert await values(log) == ["10", "11", "12"]
    assert await log.cursor(NODE, FIRST_JOURNAL) == 3
    assert await log.cursor(NODE, SECOND_JOURNAL) == 0


async def test_a_copy_sent_ahead_is_shown_and_goes_to_the_history_in_its_turn(log: SqliteTwinLog) -> None:
    await log.take(NODE, FIRST_JOURNAL, [change(0, "12", edge=3)], history=False)
    assert await shown(log) == {"speed": (None, "12")}
    assert await values(log) == []
    await take(log, change(1, "10"), change(2, "11"), change(3, "12"))
    assert await shown(log) == {"speed": (None, "12")}
    assert await values(log) == ["10", "11", "12"]


async def test_what_only_the_desired_side_changed_is_no_reading(log: SqliteTwinLog) -> None:
    await take(log, change(1, "10"))
    both = MsgTwin(
        TwinValue("7"), actual("10", 1).actual, True, TypeMetadata("int"), TwinVersion(0, 1), TwinVersion(0, 1)
    )
    await take(log, Change(2, PUMP, {"speed": both}))
    assert await values(log) == ["10"]
    assert await shown(log) == {"speed": ("7", "10")}


async def test_what_a_device_says_of_itself(log: SqliteTwinLog) -> None:
    await take(log, Change(1, PUMP, DeviceState("pump", "online")))
    assert (await log.latest([PUMP]))[PUMP].state == DeviceState("pump", "online")


async def test_a_deleted_property_is_not_shown_and_its_end_is_in_the_history(log: SqliteTwinLog) -> None:
    gone = MsgTwin(actual=TwinValue(), metadata=TypeMetadata("deleted"), actual_version=TwinVersion(0, 2))
    await take(log, change(1, "10", time=START), Change(2, PUMP, {"speed": gone}))
    assert await shown(log) == {}
    last = await log.at(PUMP, "speed", START)
    assert last is not None
    assert (last.value, last.quality, last.reason) == (None, "bad", "deleted")


async def test_the_largest_value_is_kept_whole(log: SqliteTwinLog) -> None:
    large = "ü" * 32 * 1024
    await take(log, change(1, large))
    assert await values(log) == [large]


async def test_a_device_has_no_more_properties_than_it_may(
    log: SqliteTwinLog, caplog: pytest.LogCaptureFixture
) -> None:
    """What does not fit is counted, and told once; those that are known go on."""

    def report(seq: int, names: Iterable[str]) -> Change:
        return Change(seq, PUMP, {name: actual(str(seq), seq) for name in names})

    await take(log, *(report(n, [f"p{n}-{i}" for i in range(500)]) for n in range(1, 12)))
    await take(log, report(12, ["p1-0", "one-more"]))
    known = await shown(log)
    assert len(known) == PROPERTIES
    assert known["p1-0"] == (None, "12")
    assert log.passed_over == 11 * 500 + 1 - PROPERTIES
    assert len([r for r in caplog.records if "passed over" in r.getMessage()]) == 1


async def test_a_device_never_heard_of_is_missing(log: SqliteTwinLog) -> None:
    assert await log.latest(["default/nothing"]) == {}
    assert await values(log, "default/nothing") == []
    assert await log.at("default/nothing", "speed", START) is None


async def test_no_report_moves_a_device_to_another_node(log: SqliteTwinLog) -> None:
    await take(log, change(1, "10"))
    with pytest.raises(TwinLogError, match="lives at press-shop"):
        await take(log, change(1, "66", edge=9, device=VALVE), change(2, "66", edge=9), node=OTHER)
    assert (await log.latest([PUMP, VALVE])).keys() == {PUMP}
    assert await shown(log) == {"speed": (None, "10")}
    assert await log.cursor(OTHER, FIRST_JOURNAL) == 0


# ---- an edge that begins anew


async def test_an_edge_with_a_new_journal_is_believed(log: SqliteTwinLog) -> None:
    await take(log, *(change(seq, str(seq)) for seq in range(1, 6)))
    await take(log, change(1, "99", time=START - DAY), journal=SECOND_JOURNAL)
    assert await shown(log) == {"speed": (None, "99")}
    assert sorted(map(str, await values(log))) == ["1", "2", "3", "4", "5", "99"]


async def test_an_edge_with_a_new_journal_is_told_again_what_is_desired_of_all_its_devices(
    log: SqliteTwinLog,
) -> None:
    for device in (PUMP, VALVE):
        sent = await log.wish(NODE, device, {"speed": "7"})
        await log.confirm(device, sent)
        await take(log, Change(0, device, {"speed": actual("1", 1)}))
    assert await log.open_wishes([PUMP, VALVE]) == {}
    await take(log, change(1, "1"), journal=SECOND_JOURNAL)
    assert (await log.open_wishes([PUMP, VALVE])).keys() == {PUMP, VALVE}


async def test_the_first_report_of_a_wished_device_does_not_open_the_wish_again(log: SqliteTwinLog) -> None:
    sent = await log.wish(NODE, PUMP, {"speed": "7"})
    await log.confirm(PUMP, sent)
    await take(log, change(1, "1"))
    assert await log.open_wishes([PUMP]) == {}


async def test_a_device_that_the_edge_forgot_meanwhile_counts_anew(log: SqliteTwinLog) -> None:
    sent = await log.wish(NODE, PUMP, {"mode": "auto"})
    await log.confirm(PUMP, sent)
    await take(log, *(change(seq, str(seq)) for seq in range(1, 6)))
    await take(log, change(6, "98", edge=1, time=START - DAY), change(7, "99", edge=2, time=START - DAY + 1))
    assert await shown(log) == {"mode": ("auto", None), "speed": (None, "99")}
    assert sorted(map(str, await values(log))) == ["1", "2", "3", "4", "5", "98", "99"]
    assert (await log.open_wishes([PUMP])).keys() == {PUMP}


async def test_a_device_that_the_edge_forgot_after_one_report_counts_anew(log: SqliteTwinLog) -> None:
    await take(log, change(1, "10"))
    await take(log, change(2, "20", edge=1, time=START + 50))
    assert await values(log) == ["10", "20"]
    assert await shown(log) == {"speed": (None, "20")}


async def test_what_is_told_again_is_no_other_reading(log: SqliteTwinLog) -> None:
    """As after a desired value that the edge refused: the reported side comes along as it is."""
    await take(log, change(1, "10"), change(2, "11"))
    await take(log, change(3, "11", edge=2, time=START + 99))
    await log.take(NODE, FIRST_JOURNAL, [change(0, "13", edge=4)], history=False)
    await take(log, change(4, "12", edge=3), change(5, "13", edge=4), change(6, "13", edge=4))
    assert await values(log) == ["10", "11", "12", "13"]


# ---- wishes


async def test_a_wish_is_open_until_the_edge_has_it(log: SqliteTwinLog) -> None:
    sent = await log.wish(NODE, PUMP, {"speed": "7", "mode": "auto"})
    assert sent["speed"].expected_version == TwinVersion(1, 0)
    assert (await log.open_wishes([PUMP, VALVE])) == {PUMP: sent}
    assert (await log.latest([PUMP]))[PUMP].unmet == {"speed", "mode"}
    await log.confirm(PUMP, {"speed": sent["speed"]})
    assert (await log.open_wishes([PUMP])).keys() == {PUMP}
    assert (await log.latest([PUMP]))[PUMP].unmet == {"mode"}


async def test_confirming_an_older_wish_leaves_the_newer_open(log: SqliteTwinLog) -> None:
    older = await log.wish(NODE, PUMP, {"speed": "7"})
    newer = await log.wish(NODE, PUMP, {"speed": "8"})
    await log.confirm(PUMP, older)
    assert await log.open_wishes([PUMP]) == {PUMP: newer}


async def test_a_report_of_the_wish_confirms_it(log: SqliteTwinLog) -> None:
    await log.wish(NODE, PUMP, {"speed": "7"})
    await take(log, Change(1, PUMP, {"speed": expected("7", 1, 0)}))
    assert await log.open_wishes([PUMP]) == {}


async def test_a_wish_that_gave_way_is_told(log: SqliteTwinLog) -> None:
    sent = await log.wish(NODE, PUMP, {"speed": "7"})
    await log.confirm(PUMP, sent)  # the edge has seen it, and kept its own
    await take(log, Change(1, PUMP, {"speed": expected("3", 0, 1)}))
    (lost,) = await log.lost_wishes(PUMP)
    assert (lost.property, lost.wanted, lost.kept, lost.at) == ("speed", "7", "3", START)
    assert await shown(log) == {"speed": ("3", None)}
    assert log.lost == 1


async def test_the_last_ten_lost_wishes_are_kept(log: SqliteTwinLog, tmp_path: Path) -> None:
    for number in range(1, 14):
        await log.wish(NODE, PUMP, {"speed": f"cloud {number}"})
        await take(log, Change(number, PUMP, {"speed": expected(f"edge {number}", 0, number)}))
    assert [lost.wanted for lost in await log.lost_wishes(PUMP)] == [f"cloud {n}" for n in range(13, 3, -1)]
    with sqlite3.connect(tmp_path / "twins.db") as db:
        assert db.execute("SELECT count(*) FROM lost_wish").fetchone() == (10,)
    db.close()


async def test_a_wish_for_a_deleted_property_brings_it_back(log: SqliteTwinLog) -> None:
    gone = MsgTwin(actual=TwinValue(), metadata=TypeMetadata("deleted"), actual_version=TwinVersion(0, 2))
    await take(log, change(1, "10"), Change(2, PUMP, {"speed": gone}))
    sent = await log.wish(NODE, PUMP, {"speed": "7"})
    assert sent["speed"].metadata == TypeMetadata("string")
    assert await shown(log) == {"speed": ("7", None)}


# ---- devices that move or go


async def test_a_device_that_moves_begins_anew_with_its_wishes_open(log: SqliteTwinLog) -> None:
    sent = await log.wish(NODE, PUMP, {"speed": "7"})
    await log.confirm(PUMP, sent)
    await take(log, *(change(seq, str(seq)) for seq in range(1, 6)))
    await log.rehome(PUMP, OTHER)
    assert (await log.open_wishes([PUMP]))[PUMP]["speed"].expected == sent["speed"].expected
    await take(log, change(1, "99"), node=OTHER, journal=SECOND_JOURNAL)
    assert await shown(log) == {"speed": ("7", "99")}
    assert (await log.latest([PUMP]))[PUMP].node == OTHER


async def test_a_device_that_goes_leaves_its_readings(log: SqliteTwinLog) -> None:
    await log.wish(NODE, PUMP, {"speed": "7"})
    await take(log, change(1, "10"))
    await take(log, Change(2, PUMP, {"speed": expected("3", 0, 1)}))
    assert len(await log.lost_wishes(PUMP)) == 1
    await log.forget(PUMP)
    assert await log.lost_wishes(PUMP) == []
    assert await log.latest([PUMP]) == {}
    assert await log.open_wishes([PUMP]) == {}
    assert await values(log) == ["10"]
    await take(log, change(1, "20", time=START + 50), node=OTHER)
    assert await shown(log) == {"speed": (None, "20")}
    assert await values(log) == ["10", "20"]


# ---- history


async def test_what_was_then(log: SqliteTwinLog) -> None:
    await take(log, *(change(seq, str(seq), time=START + 10 * seq) for seq in range(1, 4)))
    found = [await log.at(PUMP, "speed", START + time) for time in (9, 10, 19, 20, 999)]
    assert [reading and reading.value for reading in found] == [None, "1", "1", "2", "3"]
    part = await log.readings(PUMP, "speed", since=START + 10, until=START + 30)
    assert [reading.value for reading in part] == ["1", "2"]
    assert len(await log.readings(PUMP, "speed", **WHENEVER, limit=2)) == 2


@pytest.mark.parametrize(
    "query",
    [
        "SELECT value FROM reading WHERE property = ? AND time >= ? AND time < ? ORDER BY time, number LIMIT 9",
        "SELECT value FROM reading WHERE property = ? AND time <= ? ORDER BY time DESC, number DESC LIMIT 1",
    ],
)
async def test_no_question_about_the_history_looks_at_all_of_it(log: SqliteTwinLog, query: str) -> None:
    plan = log._db.execute(f"EXPLAIN QUERY PLAN {query}", (1,) * query.count("?")).fetchall()
    assert all("SEARCH reading USING INDEX reading_time (property=? AND time" in row[3] for row in plan), plan


async def test_old_readings_go_and_are_counted(tmp_path: Path, clock: Clock, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(twin_log_sqlite, "PRUNE_EVERY", 0.001)
    async with SqliteTwinLog(tmp_path / "twins.db", history=30 * DAY / 1000, clock=clock) as log:
        old = [change(seq, "old", device=f"default/d{seq % 300}", time=START + seq) for seq in range(1, 5001)]
        await take(log, *old)
        await take(log, change(5001, "new", time=START + DAY, device="default/d1"))
        clock.now += 30 * DAY / 1000 + 100
        async with asyncio.timeout(10):
            while log.pruned < 5000:
                await asyncio.sleep(0.002)
        assert await values(log, "default/d1") == ["new"]
        assert (await log.latest(["default/d2"]))["default/d2"].twin["speed"].actual is not None
        assert log.pruned == 5000


# ---- durability


async def test_all_is_there_again_after_closing(tmp_path: Path, clock: Clock) -> None:
    path = tmp_path / "twins.db"
    async with SqliteTwinLog(path, clock=clock) as log:
        await take(log, change(1, "10"), Change(2, PUMP, DeviceState("pump", "online")))
        wish = await log.wish(NODE, PUMP, {"speed": "7"})
        before = await log.latest([PUMP])
    async with SqliteTwinLog(path, clock=clock) as log:
        assert await log.latest([PUMP]) == before
        assert await log.open_wishes([PUMP]) == {PUMP: wish}
        assert await log.cursor(NODE, FIRST_JOURNAL) == 2
        await take(log, change(3, "11"))
        assert await values(log) == ["10", "11"]


async def test_concurrent_calls_share_a_commit(log: SqliteTwinLog, tmp_path: Path) -> None:
    commits = 0

    def count(statement: str) -> None:
        nonlocal commits
        commits += statement == "COMMIT"

    log._db.set_trace_callback(count)
    many = (take(log, change(1, "10", device=f"default/d{n}"), node=f"node-{n}") for n in range(100))
    await asyncio.gather(*many)
    assert commits < 5


async def test_what_cannot_be_stored_is_told_and_forgotten(log: SqliteTwinLog) -> None:
    await take(log, change(1, "10"))
    log._db.execute("PRAGMA query_only = ON")
    with pytest.raises(TwinLogError, match="cannot be written"):
        await take(log, change(2, "11"))
    assert await shown(log) == {"speed": (None, "10")}
    assert await log.cursor(NODE, FIRST_JOURNAL) == 1
    log._db.execute("PRAGMA query_only = OFF")
    await take(log, change(2, "11"))
    assert await values(log) == ["10", "11"]


async def test_it_is_said_once_when_the_file_cannot_be_written_and_once_when_it_can(
    log: SqliteTwinLog, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO", "cloud_sync")
    log._db.execute("PRAGMA query_only = ON")
    for _ in range(3):
        with pytest.raises(TwinLogError, match="cannot be written"):
            await take(log, change(1, "10"))
    log._db.execute("PRAGMA query_only = OFF")
    for seq in range(1, 4):
        await take(log, change(seq, "10"))
    assert [record.levelname for record in caplog.records] == ["ERROR", "INFO"]


async def test_a_disk_that_is_full_is_told_and_what_came_before_stays(log: SqliteTwinLog) -> None:
    await take(log, change(1, "10"))
    pages = log._db.execute("PRAGMA page_count").fetchone()[0]
    log._db.execute(f"PRAGMA max_page_count = {pages + 4}")
    wide = [change(seq, str(seq) * 9_000) for seq in range(2, 9)]
    outcomes = await asyncio.gather(
        take(log, *wide), log.wish(NODE, VALVE, {"speed": "x" * 64_000}), return_exceptions=True
    )
    assert all(isinstance(outcome, TwinLogError) for outcome in outcomes)
    assert await values(log) == ["10"]
    assert await log.open_wishes([VALVE]) == {}
    assert await log.cursor(NODE, FIRST_JOURNAL) == 1
    log._db.execute(f"PRAGMA max_page_count = {2**30}")
    await take(log, *wide)
    assert len(await values(log)) == 8


async def test_a_file_that_was_lost_meanwhile_keeps_nobody_waiting(tmp_path: Path) -> None:
    async with SqliteTwinLog(tmp_path / "twins.db") as log:
        await take(log, change(1, "10"))
        log._db.close()
        for _ in range(2):
            async with asyncio.timeout(5):
                with pytest.raises(TwinLogError, match="cannot be"):
                    await take(log, change(2, "11"))


async def test_a_log_that_is_closed_keeps_nobody_waiting(tmp_path: Path) -> None:
    async with SqliteTwinLog(tmp_path / "twins.db") as log:
        await take(log, change(1, "10"))
    async with asyncio.timeout(5):
        with pytest.raises(TwinLogError):
            await take(log, change(2, "11"))


async def test_who_is_cancelled_while_waiting_harms_nobody(log: SqliteTwinLog) -> None:
    waiting = [asyncio.create_task(take(log, change(seq, str(seq)))) for seq in range(1, 4)]
    await asyncio.sleep(0)
    waiting[1].cancel()
    await asyncio.gather(*waiting, return_exceptions=True)
    await take(log, *(change(seq, str(seq)) for seq in range(1, 5)))
    assert await values(log) == ["1", "2", "3", "4"]


async def test_text_that_is_not_unicode_harms_nobody_for_long(log: SqliteTwinLog) -> None:
    with pytest.raises(TwinLogError):
        await take(log, change(1, "\ud800"))
    await take(log, change(1, "10"))
    assert await values(log) == ["10"]


async def test_a_second_process_is_told_that_the_file_is_in_use(log: SqliteTwinLog, tmp_path: Path) -> None:
    with pytest.raises(TwinLogError, match="another cloud process"):
        async with SqliteTwinLog(tmp_path / "twins.db"):
            pass


async def test_a_path_that_cannot_be_used(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(TwinLogError, match="cannot be used"):
        async with SqliteTwinLog(tmp_path / "file" / "twins.db"):
            pass


async def test_devices_out_of_hand_are_read_again(
    tmp_path: Path, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(twins_at_hand, "AT_HAND", 3)
    async with SqliteTwinLog(tmp_path / "twins.db", clock=clock) as log:
        for seq in range(1, 41):
            await take(log, change(seq, str(seq), device=f"default/d{seq % 10}"))
        assert log._at_hand.properties <= 3
        assert [await values(log, f"default/d{n}") for n in (1, 9)] == [
            [str(n + 10 * k) for k in range(4)] for n in (1, 9)
        ]


WRITER = """
import asyncio, sys
from pathlib import Path
from cloud_sync.twin_log import Change
from cloud_sync.twin_log_sqlite import SqliteTwinLog
from twin.documents import MsgTwin, TwinValue, TwinVersion, ValueMetadata

def change(node, seq):
    twin = MsgTwin(actual=TwinValue(str(seq), ValueMetadata(seq)), actual_version=TwinVersion(0, seq))
    return Change(seq, f"default/{node}", {"count": twin})

async def edge(log, node):
    seq = await log.cursor(node, "a" * 32)
    while True:
        await log.take(node, "a" * 32, [change(node, n) for n in range(max(1, seq - 5), seq + 8)])
        seq += 7
        sys.stdout.write(f"{node} {seq}\\n")
        sys.stdout.flush()

async def main():
    async with SqliteTwinLog(Path(sys.argv[1])) as log:
        await asyncio.gather(*(edge(log, f"n{i}") for i in range(4)))

asyncio.run(main())
"""


async def test_killed_at_any_moment_nothing_acknowledged_is_missing_and_nothing_is_twice(tmp_path: Path) -> None:
    path, promised = tmp_path / "twins.db", dict.fromkeys(("n0", "n1", "n2", "n3"), 0)
    for lines in (3, 50, 111, 260):
        promised |= _write_until_killed(path, lines)
    async with SqliteTwinLog(path) as log:
        for node, seq in promised.items():
            reached = await log.cursor(node, FIRST_JOURNAL)
            assert reached >= seq > 0
            readings = await log.readings(f"default/{node}", "count", **WHENEVER, limit=1_000_000)
            assert [reading.value for reading in readings] == [str(n) for n in range(1, reached + 1)]
            assert (await shown(log, f"default/{node}")) == {"count": (None, str(reached))}


def _write_until_killed(path: Path, lines: int) -> dict[str, int]:
    """Node → the number up to which the process had been told that all is safe when it was killed."""
    promised: dict[str, int] = {}
    with subprocess.Popen([sys.executable, "-c", WRITER, str(path)], stdout=subprocess.PIPE, text=True) as writer:
        assert writer.stdout is not None
        for number, line in enumerate(writer.stdout):
            node, _, seq = line.strip().partition(" ")
            if not line.endswith("\n"):
                break
            promised[node] = int(seq)
            if number == lines:
                os.kill(writer.pid, signal.SIGKILL)
    assert writer.returncode == -signal.SIGKILL
    return promised
