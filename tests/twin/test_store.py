"""The contract of a store, run against every backend. A new backend adds one line to BACKENDS."""

import asyncio
import json
import stat
import subprocess
import sys
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule, run_state_machine_as_test

from twin import local_store
from twin.store import (
    MAX_DEPTH,
    MAX_KEY,
    MAX_VALUE,
    Conflict,
    Entry,
    Event,
    InvalidKeyError,
    InvalidValueError,
    Lost,
    StoreError,
    open_store,
)

BACKENDS = {"tinydb": "catalogue.json", "sqlite": "catalogue.db"}

PUMP = {"kind": "Device", "spec": {"protocol": {"protocolName": "modbus"}, "note": "größer als ½"}}
text = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)
scalars = st.none() | st.booleans() | st.integers(-(2**63), 2**63 - 1) | st.floats(allow_nan=False) | text
scalars = scalars.filter(lambda x: x not in (float("inf"), float("-inf")))
values = st.dictionaries(
    text,
    st.recursive(scalars, lambda x: st.lists(x, max_size=3) | st.dictionaries(text, x, max_size=3), max_leaves=8),
)


@pytest.fixture(params=BACKENDS)
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    return f"{request.param}:{tmp_path / 'state' / BACKENDS[request.param]}"


async def test_a_key_never_written_is_not_there(url: str) -> None:
    async with open_store(url) as store:
        assert await store.get("Device/default/pump-01") is None
        assert await store.list() == []
        assert await store.delete("Device/default/pump-01") is False


async def test_only_the_owner_can_read_it(url: str) -> None:
    folder = Path(url.partition(":")[2]).parent

    def modes() -> set[int]:
        return {stat.S_IMODE(file.stat().st_mode) for file in folder.glob("catalogue*")}

    for _ in range(2):
        async with open_store(url) as store:
            await store.put("Secret/default/key", {"data": {}})
            assert modes() == {0o600}
        for file in folder.glob("catalogue*"):
            file.chmod(0o644)
    async with open_store(url):
        assert modes() == {0o600}


async def test_what_was_put_is_there_also_after_reopening(url: str) -> None:
    async with open_store(url) as store:
        version = await store.put("Device/default/pump-01", PUMP)
    async with open_store(url) as store:
        assert await store.get("Device/default/pump-01") == ("Device/default/pump-01", PUMP, version)
        assert version == 1


async def test_a_list_is_sorted_and_takes_whole_segments(url: str) -> None:
    keys = ["Device/a/x", "Device/a/x.y", "Device/a-b/x", "DeviceModel/a/x", "Device/a/b/c", "Zone"]
    async with open_store(url) as store:
        for key in reversed(keys):
            await store.put(key, {})
        assert [e.key for e in await store.list("Device/a/")] == ["Device/a/b/c", "Device/a/x", "Device/a/x.y"]
        assert [e.key for e in await store.list()] == sorted(keys)


async def test_a_writer_must_know_the_version_it_replaces(url: str) -> None:
    async with open_store(url) as store:
        first = await store.put("a", {"n": 1}, version=0)
        with pytest.raises(Conflict, match=r"^a is at version 1, but .* expected that it does not exist"):
            await store.put("a", {"n": 2}, version=0)
        second = await store.put("a", {"n": 2}, version=first)
        with pytest.raises(Conflict, match=r"a is at version 2, but .* is at version 1") as conflict:
            await store.put("a", {"n": 3}, version=first)
        assert (conflict.value.key, conflict.value.wanted, conflict.value.current) == ("a", first, second)
        with pytest.raises(Conflict, match=r"b does not exist, but .* version 7"):
            await store.put("b", {}, version=7)
        with pytest.raises(Conflict, match="b does not exist"):
            await store.delete("b", version=7)
        with pytest.raises(Conflict, match="a is at version 2"):
            await store.delete("a", version=0)
        assert await store.list() == [("a", {"n": 2}, second)]


async def test_a_version_is_never_given_twice(url: str) -> None:
    async with open_store(url) as store:
        given = [await store.put("a", {}), await store.put("b", {})]
        assert await store.delete("b", version=given[-1])
    async with open_store(url) as store:
        given += [await store.put("b", {}), await store.put("a", {})]
    assert given == sorted(set(given))


async def test_of_many_writers_at_the_same_version_one_wins(url: str) -> None:
    async with open_store(url) as store:
        results = await asyncio.gather(
            *(store.put("a", {"n": n}, version=0) for n in range(20)), return_exceptions=True
        )
        assert sum(isinstance(r, Conflict) for r in results) == 19
        winner = next(n for n, r in enumerate(results) if isinstance(r, int))
        assert (await store.get("a")) == ("a", {"n": winner}, results[winner])


async def test_values_do_not_change_with_what_callers_hold(url: str) -> None:
    async with open_store(url) as store:
        mine: dict[str, Any] = {"list": [1]}
        await store.put("a", mine)
        mine["list"].append(2)
        got = await store.get("a")
        assert got is not None
        got.value["list"].append(3)
        (await store.list())[0].value["list"].append(4)
        assert await store.get("a") == ("a", {"list": [1]}, 1)


@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(value=values)
def test_any_json_object_comes_back_equal(url: str, value: dict[str, Any]) -> None:
    async def round_trip() -> None:
        async with open_store(url) as store:
            await store.put("a", value)
        async with open_store(url) as store:
            got = await store.get("a")
            assert got is not None
            assert json.dumps(got.value, sort_keys=True) == json.dumps(value, sort_keys=True)  # 1 is not 1.0 or true

    asyncio.run(round_trip())


@pytest.mark.parametrize(
    "key",
    [
        "",
        "/",
        "a/",
        "/a",
        "a//b",
        ".",
        "..",
        "a/../b",
        "a.",
        ".a",
        "a..b",
        "a b",
        "a\nb",
        "a\0",
        "ä",
        "a" * (MAX_KEY + 1),
    ],
)
async def test_what_is_not_a_key_is_refused(url: str, key: str) -> None:
    async with open_store(url) as store:
        for refused in (store.get(key), store.put(key, {}), store.delete(key)):
            with pytest.raises(InvalidKeyError, match="is not a key: write segments"):
                await refused
        assert await store.list() == []


async def test_a_prefix_ends_in_a_slash(url: str) -> None:
    async with open_store(url) as store:
        with pytest.raises(InvalidKeyError, match="write 'Device/', or nothing"):
            await store.list("Device")
        with pytest.raises(InvalidKeyError):
            async with store.watch("Device"):
                pass
        await store.put("a" * MAX_KEY, {})
        assert len(await store.list()) == 1


def deep(levels: int) -> dict[str, Any]:
    value: dict[str, Any] = {}
    for _ in range(levels - 1):
        value = {"x": value}
    return value


@pytest.mark.parametrize(
    ("value", "error"),
    [
        ([], "a: the value must be a JSON object, not list"),
        ("text", "not str"),
        ({"x": [1, {"y": float("nan")}]}, r"a\.x\[1\]\.y: NaN or infinity is not allowed"),
        ({"x": float("inf")}, "NaN or infinity"),
        ({"x": 2**63}, "beyond 64 bits"),
        ({"x": 10**5000}, "beyond 64 bits"),
        ({"x": {1: 2}}, "a.x: an object with a name that is not text"),
        ({"x": (1, 2)}, "a.x: tuple is not allowed"),
        ({"x": b""}, "a.x: bytes is not allowed"),
        ({"x": "\ud800"}, "lone surrogate"),
        ({"\ud800": 1}, "lone surrogate"),
        ({"x": "ä" * (MAX_VALUE // 2)}, "a: the value has 2,097,160 bytes, the limit is 2,097,152"),
        (deep(MAX_DEPTH + 1), "nested deeper than 64 levels"),
        (deep(100_000), "nested deeper than 64 levels"),
    ],
)
async def test_what_is_not_a_value_is_refused(url: str, value: Any, error: str) -> None:
    async with open_store(url) as store:
        with pytest.raises(InvalidValueError, match=error):
            await store.put("a", value)
        assert await store.list() == []


async def test_the_largest_value_is_kept(url: str) -> None:
    largest = {"x": "y" * (MAX_VALUE - len('{"x":""}'))}
    async with open_store(url) as store:
        await store.put("a", largest)
        await store.put("b", deep(MAX_DEPTH))
    async with open_store(url) as store:
        assert await store.list() == [("a", largest, 1), ("b", deep(MAX_DEPTH), 2)]


async def test_a_watcher_sees_the_changes_below_its_prefix_in_order(url: str) -> None:
    async with open_store(url) as store, asyncio.timeout(10):
        await store.put("Device/before", {})
        async with store.watch("Device/") as watcher:
            first = await store.put("Device/a", {"n": 1})
            await store.put("DeviceModel/a", {})
            second = await store.put("Device/a", {"n": 2})
            await store.delete("Device/a")
            await store.delete("Device/a")
            with pytest.raises(Conflict):
                await store.put("Device/a", {}, version=99)
            third = await store.put("Device/b", {"n": 3})
            events = [await anext(watcher) for _ in range(4)]
        assert events == [
            Event("put", "Device/a", Entry("Device/a", {"n": 1}, first)),
            Event("put", "Device/a", Entry("Device/a", {"n": 2}, second)),
            Event("delete", "Device/a", None),
            Event("put", "Device/b", Entry("Device/b", {"n": 3}, third)),
        ]


async def test_a_watcher_that_sleeps_is_told_that_it_lost_and_goes_on(
    url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(local_store, "MAX_WAITING", 3)
    async with open_store(url) as store, asyncio.timeout(10), store.watch() as asleep, store.watch() as awake:
        for n in range(5):
            await store.put("a", {"n": n})
            event = await anext(awake)
            assert event.entry is not None
            assert event.entry.value == {"n": n}
        with pytest.raises(Lost, match="more than 3 changes below '' were waiting: list again"):
            await anext(asleep)
        assert [e.value for e in await store.list()] == [{"n": 4}]
        await store.delete("a")
        assert await anext(asleep) == Event("delete", "a", None)


async def test_closing_the_store_ends_the_watching(url: str) -> None:
    async with asyncio.timeout(10):
        async with open_store(url) as store:
            watching = store.watch()
            watcher = await watching.__aenter__()
            pending = asyncio.ensure_future(anext(watcher))
            await asyncio.sleep(0)
        with pytest.raises(StopAsyncIteration):
            await pending
        await watching.__aexit__(None, None, None)


async def test_a_put_whose_caller_is_cancelled_is_whole_and_is_seen(url: str) -> None:
    async with open_store(url) as store, asyncio.timeout(10):
        async with store.watch() as watcher:
            for n in range(10):
                task = asyncio.create_task(store.put("a", {"n": n}))
                await asyncio.sleep(0)
                task.cancel()
                await asyncio.gather(task, return_exceptions=True)
            last = await store.put("end", {})
            seen = [event async for event in until_end(watcher)]
        entry = await store.get("a")
        assert [e.entry for e in seen][-1:] == ([entry] if entry else [])
        assert last == len(seen) + 1


async def until_end(watcher: Any) -> Any:
    async for event in watcher:
        if event.key == "end":
            return
        yield event


async def test_a_store_that_is_not_open_says_so(url: str) -> None:
    store = open_store(url)
    with pytest.raises(StoreError, match="is not open: enter it with `async with`"):
        await store.get("a")
    async with store:
        await store.put("a", {})
    with pytest.raises(StoreError, match="is not open"):
        await store.get("a")


async def test_a_place_that_cannot_be_written_is_an_error_with_its_path(url: str, tmp_path: Path) -> None:
    (tmp_path / "state").write_text("a file where the folder should be")
    with pytest.raises(StoreError, match=f"{tmp_path}/state/catalogue"):
        async with open_store(url):
            pass


def test_the_suffix_or_the_scheme_chooses_the_backend() -> None:
    for url in ("x.json", Path("x.json"), "tinydb:", "tinydb:x.any"):
        assert "TinyShelf" in repr(vars(open_store(url)))
    for url in ("x.db", "/a:b/x.sqlite", "X:/x.sqlite3", "sqlite:x.json"):
        assert "SqliteShelf" in repr(vars(open_store(url)))
    for url in ("x.yaml", "", "redis:x", "a:x.db", "../store:x", "tinydb.x:y"):
        with pytest.raises(StoreError, match=r"no such kind of store; write sqlite:PATH or tinydb:PATH"):
            open_store(url)


WRITER = """
import asyncio, sys
from twin.store import open_store

async def main():
    async with open_store(sys.argv[1]) as store:
        n = 0
        while True:
            n += 1
            version = await store.put(f"k{n % 7}", {"n": n, "pad": "x" * 3000})
            print(n, version, flush=True)

asyncio.run(main())
"""


@pytest.mark.fault
def test_after_kill_9_the_last_acknowledged_put_is_there(url: str) -> None:
    """Each round kills a writer after a different number of acknowledged puts, at a random moment of the next."""
    for round_ in range(6):
        number, version = killed_after(url, 3 + 5 * round_)
        asyncio.run(check_survivor(url, number, version))


def killed_after(url: str, puts: int) -> tuple[int, int]:
    """The number and the version of the last put that a writer said was done before it was killed."""
    with subprocess.Popen([sys.executable, "-c", WRITER, url], stdout=subprocess.PIPE, text=True) as writer:
        assert writer.stdout is not None
        said = [writer.stdout.readline() for _ in range(puts)]
        writer.kill()
        said += [line for line in writer.stdout if line.endswith("\n")]
    number, version = said[-1].split()
    return int(number), int(version)


async def check_survivor(url: str, number: int, version: int) -> None:
    async with open_store(url) as store:
        entry = await store.get(f"k{number % 7}")
        assert entry is not None
        assert (entry.version, entry.value["n"]) == (version, number)
        assert max(e.version for e in await store.list()) in (version, version + 1)  # one may have been under way
        assert await store.put("check", {}) > version


class Model(RuleBasedStateMachine):
    """A store does what a dict and a counter do."""

    keys = st.sampled_from(["a", "a/b", "a/b/c", "a-b/c", "z"])
    versions = st.none() | st.integers(0, 12)

    def __init__(self, backend: str) -> None:
        super().__init__()
        self.loop = asyncio.Runner()
        self.folder = TemporaryDirectory()
        self.url = f"{backend}:{self.folder.name}/{BACKENDS[backend]}"
        self.entries: dict[str, tuple[dict[str, Any], int]] = {}
        self.last = 0
        self.events: list[Event] = []

    @initialize()
    def open(self) -> None:
        self.store = open_store(self.url)
        self.loop.run(self.store.__aenter__())
        self.watching = self.store.watch("a/")
        self.watcher = self.loop.run(self.watching.__aenter__())

    def close(self) -> None:
        self.loop.run(self.watching.__aexit__(None, None, None))
        self.loop.run(self.store.__aexit__(None, None, None))

    def teardown(self) -> None:
        self.close()
        self.loop.close()
        self.folder.cleanup()

    def expect(self, key: str, version: int | None) -> bool:
        return version is None or version == self.entries.get(key, ({}, 0))[1]

    def happened(self, event: Event) -> None:
        if event.key.startswith("a/"):
            self.events.append(event)

    @rule(key=keys, value=values, version=versions)
    def put(self, key: str, value: dict[str, Any], version: int | None) -> None:
        if not self.expect(key, version):
            with pytest.raises(Conflict):
                self.loop.run(self.store.put(key, value, version=version))
            return
        self.last += 1
        assert self.loop.run(self.store.put(key, value, version=version)) == self.last
        self.entries[key] = (value, self.last)
        self.happened(Event("put", key, Entry(key, value, self.last)))

    @rule(key=keys, version=versions)
    def delete(self, key: str, version: int | None) -> None:
        if not self.expect(key, version):
            with pytest.raises(Conflict):
                self.loop.run(self.store.delete(key, version=version))
            return
        assert self.loop.run(self.store.delete(key, version=version)) == (key in self.entries)
        if self.entries.pop(key, None):
            self.happened(Event("delete", key, None))

    @rule()
    def reopen(self) -> None:
        self.close()
        self.open()

    @rule(prefix=st.sampled_from(["a/", "a/b/", "z/"]))
    def list_below(self, prefix: str) -> None:
        found = self.loop.run(self.store.list(prefix))
        assert [e.key for e in found] == sorted(k for k in self.entries if k.startswith(prefix))

    @invariant()
    def same(self) -> None:
        expected = [Entry(key, *self.entries[key]) for key in sorted(self.entries)]
        assert self.loop.run(self.store.list()) == expected
        for key in ("a", "a/b", "z"):
            entry = self.loop.run(self.store.get(key))
            assert entry == (Entry(key, *self.entries[key]) if key in self.entries else None)

    @invariant()
    def watched(self) -> None:
        for event in self.events:
            assert self.loop.run(asyncio.wait_for(anext(self.watcher), 10)) == event
        self.events.clear()


@pytest.mark.parametrize("backend", BACKENDS)
def test_it_behaves_like_a_dict_with_a_counter(backend: str) -> None:
    run_state_machine_as_test(
        lambda: Model(backend), settings=settings(max_examples=25, stateful_step_count=20, deadline=None)
    )
