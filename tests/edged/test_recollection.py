"""What the next edged knows of pods: what happened, pauses to the second; and nothing bad comes of a bad file."""

from __future__ import annotations

import asyncio
import logging
import tempfile
import time
from collections.abc import Awaitable, Callable
from functools import partial
from itertools import pairwise
from pathlib import Path

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from memory_runtime import Made, MemoryEngine
from node import Node, container, pod
from virtual_time import run

from edged import recollection
from edged.events import MOST, Happening
from edged.recollection import Recollection

WEB = "default/web"
FILE = "remembered.jsonl"


def told(tmp_path: Path, story: Callable[[Node], Awaitable[None]], engine: MemoryEngine | None = None) -> None:
    async def whole() -> None:
        async with Node(tmp_path, engine) as node:
            await story(node)

    run(whole())


def crashing() -> MemoryEngine:
    return MemoryEngine(programs={"app": lambda _: (1.0, 1)})


def begun(node: Node, times: int) -> bool:
    return len(node.engine.ever_started) == times


def restarts(node: Node) -> int:
    return node.status().container_statuses[0].restart_count


def test_events_go_on(tmp_path: Path) -> None:
    async def story(node: Node) -> None:
        node.apply(pod())
        await node.ready()
        before = node.edged.events(WEB)
        await node.kill()
        await node.begin()
        node.apply(pod())
        await node.ready()
        assert node.edged.events(WEB) == before
        assert node.reasons() == ["Scheduled", "Pulled", "Created", "Started"]
        node.apply()
        await node.until(lambda: node.told[-1] == (WEB, None))
        node.apply(pod())
        await node.ready()
        assert [event.count for event in node.edged.events(WEB)] == [1, 1, 1, 1], "another pod has a life of its own"

    told(tmp_path, story)


def test_a_pause_is_not_cut_short_by_another_edged(tmp_path: Path) -> None:
    async def story(node: Node) -> None:
        clock = asyncio.get_running_loop().time
        node.apply(pod())
        await node.until(lambda: len(node.engine.ever_started) == 5, 200)
        await asyncio.sleep(2)
        ended = clock()
        for _ in range(3):
            await node.kill()
            await asyncio.sleep(5)
            await node.begin()
            node.apply(pod())
            await asyncio.sleep(5)
            waits = node.status().container_statuses[0].state.waiting
            assert waits
            assert waits.reason == "CrashLoopBackOff"
        await node.until(lambda: len(node.engine.ever_started) == 6, 200, every=0.1)
        assert clock() - ended == pytest.approx(79, abs=1.5), "80 s from its end on, whoever waits"

    told(tmp_path, story, crashing())


@settings(max_examples=25, deadline=None, suppress_health_check=list(HealthCheck))
@given(lives=st.lists(st.floats(0.5, 90.0), min_size=1, max_size=12), away=st.floats(0.0, 40.0))
def test_no_pause_is_ever_shorter_than_it_is_to_be(lives: list[float], away: float) -> None:
    async def story() -> None:
        clock, begun = asyncio.get_running_loop().time, list[float]()

        def program(_: Made) -> tuple[float, int]:
            begun.append(clock())
            return 1.0, 1

        engine = MemoryEngine(programs={"app": program})
        with tempfile.TemporaryDirectory() as directory:
            node = Node(Path(directory), engine)
            node.lag = lambda: 0.0
            for life in lives:
                await node.begin()
                node.apply(pod())
                await asyncio.sleep(life)
                await node.kill()
                await asyncio.sleep(away)
        pauses = [later - earlier - 1 for earlier, later in pairwise(begun)]
        least = [0, 10, 20, 40, 80, 160, 300, 300, 300, 300, 300]
        assert all(pause > wanted - 0.5 for pause, wanted in zip(pauses, least, strict=False))
        assert not engine.twice

    run(story())


def garbled() -> st.SearchStrategy[bytes]:
    values = st.recursive(
        st.none() | st.booleans() | st.floats() | st.integers() | st.text(max_size=8),
        lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    )
    memory = st.lists(values, max_size=7)
    line = st.builds(
        lambda memory, boot: msgspec.json.encode({"pod": WEB, "memory": memory, "boot": boot}),
        memory,
        st.sampled_from(["", recollection._boot()]),
    )
    return st.binary(max_size=200) | line


@settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))
@given(cut=st.integers(0, 4000), noise=st.lists(garbled(), max_size=4))
def test_a_bad_file_keeps_nothing_from_running_and_starts_nothing_twice(cut: int, noise: list[bytes]) -> None:
    async def story() -> None:
        engine = MemoryEngine(programs={"crash": lambda _: (1.0, 1)})
        wanted = pod("web", container(), container("crash"))
        with tempfile.TemporaryDirectory() as directory:
            node = Node(Path(directory), engine)
            await node.begin()
            node.apply(wanted)
            await asyncio.sleep(50)
            await node.kill()
            file = Path(directory) / FILE
            file.write_bytes(b"\n".join([file.read_bytes()[:cut], *noise]))
            await node.begin()
            node.apply(wanted)
            crashes = len(engine.ever_started)
            await node.until(lambda: len(engine.ever_started) > crashes + 1, 700, every=1)
            assert [made.plan.labels["io.twinhub.container"] for made in engine.ever_started].count("app") == 1
            assert not engine.twice
            await node.kill()

    run(story())


def test_times_to_come_and_other_starts_of_the_machine_delay_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def story(node: Node) -> None:
        node.apply(pod())
        await node.until(lambda: len(node.engine.ever_started) == 6, 400)
        await asyncio.sleep(2)
        await node.kill()
        node.engine.reboot()
        monkeypatch.setattr(recollection, "_boot", lambda: "another")
        await node.begin()
        node.apply(pod())
        await node.until(lambda: len(node.engine.ever_started) == 7, 5)
        await node.until(lambda: restarts(node) == 6, 5)

    told(tmp_path, story, crashing())


@pytest.mark.parametrize("vanish", [False, True], ids=["rebooted", "removed"])
@pytest.mark.parametrize("away", [False, True], ids=["seen", "while edged was away"])
def test_restarts_are_counted_on_when_the_sandbox_is_made_anew(tmp_path: Path, vanish: bool, away: bool) -> None:
    async def story(node: Node) -> None:
        node.apply(pod())
        await node.until(lambda: len(node.engine.ever_started) == 3, 100)
        for expected in (3, 4):
            await node.ready()
            if away:
                await node.kill()
            for id_ in list(node.engine.sandboxes):
                (node.engine.remove_sandbox if vanish else node.engine.die)(id_)
            if away:
                await node.begin()
                node.apply(pod())
            await node.until(partial(begun, node, expected + 1), 100)
            await node.ready()
            assert restarts(node) == expected
        node.apply()
        await node.until(lambda: node.told[-1] == (WEB, None))
        node.apply(pod())
        await node.ready()
        assert restarts(node) == 0

    def program(made: Made) -> tuple[float, int] | None:
        return (1.0, 1) if int(made.plan.labels["io.twinhub.restarts"]) < 2 else None

    told(tmp_path, story, MemoryEngine(programs={"app": program}))


def test_a_job_that_was_done_is_not_done_again_when_its_container_was_removed(tmp_path: Path) -> None:
    async def story(node: Node) -> None:
        job = pod(restartPolicy="Never")
        node.apply(job)
        await node.phase("Succeeded")
        await node.kill()
        for id_ in list(node.engine.sandboxes):
            node.engine.remove_sandbox(id_)
        await node.begin()
        node.apply(job)
        await node.phase("Succeeded")
        await asyncio.sleep(60)
        assert len(node.engine.ever_started) == 1

    told(tmp_path, story, MemoryEngine(programs={"app": lambda _: (1.0, 0)}))


def test_pods_that_were_deleted_while_nobody_looked_are_forgotten(tmp_path: Path) -> None:
    async def story(node: Node) -> None:
        node.apply(pod())
        await node.ready()
        await node.kill()
        for id_ in list(node.engine.sandboxes):
            node.engine.remove_sandbox(id_)
        await node.begin()
        node.apply(pod("other"))
        await node.ready("other")
        node.apply(pod("other"), pod())
        await node.ready()
        assert restarts(node) == 0

    told(tmp_path, story)


@pytest.mark.parametrize("year", [-1, 1])
def test_a_clock_that_jumps_a_year_neither_restarts_nor_stalls(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, year: int
) -> None:
    real, jump = time.time, [0.0]
    monkeypatch.setattr(time, "time", lambda: real() + jump[0])

    async def story(node: Node) -> None:
        clock = asyncio.get_running_loop().time
        node.apply(pod("web", container(), container("crash")))
        await node.until(lambda: len(node.engine.ever_started) == 5, 100)
        await asyncio.sleep(2)
        ended = clock()
        jump[0] = year * 365 * 86_400.0
        await asyncio.sleep(10)
        await node.kill()
        await node.begin()
        node.apply(pod("web", container(), container("crash")))
        await node.until(lambda: len(node.engine.ever_started) == 6, 100, every=0.1)
        assert clock() - ended == pytest.approx(39, abs=2)
        names = [made.plan.labels["io.twinhub.container"] for made in node.engine.ever_started]
        assert names.count("app") == 1
        events = {event.reason: event for event in node.edged.events(WEB)}
        assert abs(events["Scheduled"].last - real()) < 60, "what was is not moved"
        assert abs(events["Started"].last - time.time()) < 60

    told(tmp_path, story, MemoryEngine(programs={"crash": lambda _: (1.0, 1)}))


def test_the_file_stays_small(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(recollection, "MOST_LINES", 100)

    async def story() -> None:
        async with Recollection(tmp_path) as one:
            for number in range(3000):
                one.happened(WEB, one.events(WEB).add(Happening("Warning", "Unhealthy", f"{number}"), float(number)))
                await asyncio.sleep(0.1)
            lines = (tmp_path / FILE).read_bytes().splitlines()
            assert len(lines) < 150
            kept = one.events(WEB).all()
        async with Recollection(tmp_path) as another:
            assert another.events(WEB).all() == kept
            assert len(kept) == MOST

    run(story())


def test_a_disk_that_takes_nothing_is_told_once_and_pods_run(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / FILE).mkdir()
    caplog.set_level(logging.INFO)

    async def story(node: Node) -> None:
        node.apply(pod())
        await node.ready()
        await asyncio.sleep(30)
        assert sum("cannot be written" in line for line in caplog.messages) == 1
        (tmp_path / FILE).rmdir()
        node.apply(pod("web", container(args=["x"])))
        await node.until(lambda: "again" in caplog.text, 30)
        assert "Killing" in (tmp_path / FILE).read_text()

    told(tmp_path, story)
