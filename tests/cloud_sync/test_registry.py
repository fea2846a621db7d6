"""The registry over both stores: what is declared, by whom, for whom, and what is to be said of it."""

from __future__ import annotations

import asyncio
import copy
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from cloud_sync.declared import LARGEST
from cloud_sync.registry import Registry
from cloud_sync.step import Held
from cloud_sync.stored import Applied
from twin.local_store import LocalStore
from twin.store import MAX_VALUE, Store, StoreError, open_store
from twin.store_sqlite import SqliteShelf

NODE, OTHER = "press-shop", "paint-shop"
PUMP, PUMP_MODEL = "Device/default/pump-01", "DeviceModel/default/pump-model"
START = 1_786_000_000.0
DEEP: dict[str, Any] = {}
level = DEEP
for _ in range(5_000):
    level["a"] = level = {}


class Clock:
    """Unix seconds, moved by hand."""

    now = START

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture(params=["tinydb:registry.json", "sqlite:registry.db"])
def address(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    scheme, _, name = request.param.partition(":")
    return f"{scheme}:{tmp_path / name}"


@pytest.fixture
async def store(address: str) -> AsyncIterator[Store]:
    async with open_store(address) as opened:
        yield opened


@pytest.fixture
async def registry(store: Store, clock: Clock) -> AsyncIterator[Registry]:
    async with Registry(store, {}, clock) as opened:
        yield opened


def model(name: str = "pump-model", **spec: Any) -> dict[str, Any]:
    properties = [{"name": "speed", "type": "INT", "accessMode": "ReadWrite"}]
    return _object("DeviceModel", name, {"protocol": "modbus", "properties": properties, **spec})


def device(name: str = "pump-01", node: str = NODE, **spec: Any) -> dict[str, Any]:
    place = {"deviceModelRef": {"name": "pump-model"}, "nodeName": node}
    return _object("Device", name, {**place, "protocol": {"protocolName": "modbus", "configData": {}}, **spec})


def _object(kind: str, name: str, spec: dict[str, Any]) -> dict[str, Any]:
    return {"apiVersion": "devices.kubeedge.io/v1beta1", "kind": kind, "metadata": {"name": name}, "spec": spec}


def desired(**values: str) -> dict[str, Any]:
    return {"properties": [{"name": name, "desired": {"value": value}} for name, value in values.items()]}


async def apply(registry: Registry, one: Any) -> Applied:
    [applied] = await registry.apply([one])
    return applied


def kinds(registry: Registry, key: str = PUMP) -> list[str]:
    return [condition.type for condition in registry.conditions(key)]


async def written(store: Store) -> dict[str, int]:
    return {entry.key: entry.version for entry in await store.list()}


# ---- applying


async def test_what_is_applied_is_completed_as_kubernetes_would(registry: Registry) -> None:
    assert (await apply(registry, model())).outcome == "created"
    assert (await apply(registry, device())).outcome == "created"
    stored = registry.device("default/pump-01")
    assert stored is not None
    metadata = stored.object["metadata"]
    assert (stored.key, stored.node, stored.origin, stored.uid) == (PUMP, NODE, "", metadata["uid"])
    assert metadata["namespace"] == "default"
    assert metadata["resourceVersion"] == str(stored.version)
    assert metadata["generation"] == 1
    assert metadata["creationTimestamp"] == "2026-08-06T07:06:40Z"


async def test_the_same_again_is_unchanged_and_writes_nothing(registry: Registry, store: Store) -> None:
    objects = [model(), device(**desired(speed="5"))]
    await registry.apply(objects)
    before = await written(store)
    again = await registry.apply([*objects, *(dict(one.object) for one in registry.objects())])
    assert {one.outcome for one in again} == {"unchanged"}
    assert not any(one.wishes for one in again)
    assert await written(store) == before


async def test_an_edit_keeps_who_it_is_and_counts_the_generation_by_the_spec(registry: Registry) -> None:
    await apply(registry, device())
    first = registry.device("default/pump-01")
    labelled = device()
    labelled["metadata"]["labels"] = {"site": "north"}
    assert (await apply(registry, labelled)).outcome == "configured"
    assert (await apply(registry, device(node=OTHER))).outcome == "configured"
    last = registry.device("default/pump-01")
    assert first is not None
    assert last is not None
    assert last.uid == first.uid
    assert last.version > first.version
    assert last.object["metadata"]["generation"] == 2
    assert last.object["metadata"]["creationTimestamp"] == first.object["metadata"]["creationTimestamp"]


async def test_models_are_taken_before_devices_and_outcomes_keep_their_order(registry: Registry) -> None:
    applied = await registry.apply([device(), {"kind": "Pod"}, model()])
    assert [one.outcome for one in applied] == ["created", "refused", "created"]
    assert "ModelMissing" not in kinds(registry)


async def test_desired_values_are_wishes_when_they_are_new_or_edited(registry: Registry) -> None:
    assert (await apply(registry, device(**desired(speed="5", mode="a")))).wishes == {"speed": "5", "mode": "a"}
    assert (await apply(registry, device(**desired(speed="6", mode="a")))).wishes == {"speed": "6"}
    assert (await apply(registry, device(**desired(speed="")))).wishes == {}


async def test_a_device_that_moves_says_where_from(registry: Registry) -> None:
    await apply(registry, device())
    assert (await apply(registry, device(node=OTHER))).moved_from == NODE
    assert registry.devices_of(NODE) == []
    assert [one.id for one in registry.devices_of(OTHER)] == ["default/pump-01"]


async def test_what_is_deleted_is_gone_and_comes_again_as_another(registry: Registry) -> None:
    await apply(registry, device())
    first = registry.device("default/pump-01")
    assert await registry.delete(PUMP)
    assert registry.device("default/pump-01") is None
    assert not await registry.delete(PUMP)
    await apply(registry, device())
    again = registry.device("default/pump-01")
    assert first is not None
    assert again is not None
    assert again.uid != first.uid


@pytest.mark.parametrize("key", ["", "Node/press-shop", "Sync/x", "Device/../x", "Device", "\ud800"])
async def test_only_declared_objects_can_be_deleted(registry: Registry, key: str) -> None:
    await registry.add_node(NODE)
    assert not await registry.delete(key)
    assert registry.node(NODE) is not None


HOSTILE: dict[str, Any] = {
    "null": None,
    "list": [],
    "text": "x",
    "empty": {},
    "deep": DEEP,
    "deep within": device(protocol={"protocolName": "modbus", "configData": DEEP}),
    "not a number": device(protocol={"protocolName": "modbus", "configData": {"a": float("nan")}}),
    "number too large": device(protocol={"protocolName": "modbus", "configData": {"a": 10**400}}),
    "not Unicode": device(protocol={"protocolName": "modbus", "configData": {"a": "\ud800"}}),
    "name not Unicode": device("\ud800"),
    "huge": device(protocol={"protocolName": "modbus", "configData": {"a": "x" * MAX_VALUE}}),
    "just too large": device(protocol={"protocolName": "modbus", "configData": {"a": "x" * LARGEST}}),
    "name that is a path": device("../../etc/passwd"),
    "name with dots": device("a..b"),
    "long name": device("a" * 5_000),
    "rather long name": device("a" * 240),
    "name null": device(None),  # type: ignore[arg-type]
    "name object": device({}),  # type: ignore[arg-type]
    "namespace list": {**device(), "metadata": {"name": "pump-01", "namespace": []}},
    "metadata null": {**device(), "metadata": None},
    "spec null": {**device(), "spec": None},
    "kind list": {**device(), "kind": []},
    "another kind": {**device(), "kind": "Pod", "apiVersion": "v1"},
    "model null": device(deviceModelRef=None),
    "model path": device(deviceModelRef={"name": "a/b"}),
    "node list": device(node=[]),  # type: ignore[arg-type]
    "property null": device(properties=[None]),
    "labels list": {**device(), "metadata": {"name": "pump-01", "labels": [1]}},
}


@pytest.mark.parametrize("hostile", HOSTILE.values(), ids=HOSTILE.keys())
async def test_what_cannot_be_kept_is_refused_with_a_reason(registry: Registry, store: Store, hostile: Any) -> None:
    refused, taken = await registry.apply([hostile, model()])
    assert refused.outcome == "refused"
    assert refused.message
    assert refused.key.isprintable()
    assert taken.outcome == "created"
    reason = await registry.edges.declare(NODE, hostile)
    assert reason
    assert (await written(store)).keys() == {PUMP_MODEL}


@pytest.mark.parametrize(
    "odd",
    [
        {**device(), "metadata": {"name": "pump-01", "namespace": None, "labels": None}},
        {**device(), "metadata": {"name": "pump-01", "uid": [], "generation": "x", "resourceVersion": {}}},
        device(properties=None),
        device(properties=[{"name": "speed", "desired": None}]),
        device(properties=[{"name": "speed", "desired": {"value": 5}}]),
        device(node="a/../b"),
        {**device(), "status": None},
    ],
)
async def test_what_is_odd_but_allowed_is_kept_and_can_be_read_again(registry: Registry, odd: Any) -> None:
    applied = await apply(registry, odd)
    assert (applied.key, applied.outcome) == (PUMP, "created")
    assert all(isinstance(value, str) for value in applied.wishes.values())
    assert (await apply(registry, odd)).outcome == "unchanged"
    assert registry.conditions(PUMP)
    assert registry.typed_device("default/pump-01") is None


# ---- conditions


async def test_a_device_says_what_it_lacks_until_it_is_there(registry: Registry, clock: Clock) -> None:
    applied = await apply(registry, device())
    assert kinds(registry) == ["NodeUnknown", "ModelMissing"]
    assert "has not joined" in applied.message
    await registry.add_node(NODE)
    assert kinds(registry) == ["ModelMissing"]
    assert registry.wanted(NODE) == registry.devices_of(NODE)
    await apply(registry, model())
    assert kinds(registry) == ["Invalid"]  # no schema of its protocol is known here
    assert [one.key for one in registry.wanted(NODE)] == [PUMP_MODEL, PUMP]
    clock.now += 1
    await registry.revoke(NODE)
    assert kinds(registry)[0] == "NodeRevoked"
    clock.now += 1
    await registry.add_node(NODE)
    assert "NodeRevoked" not in kinds(registry)
    assert all(condition.message and condition.advice for condition in registry.conditions(PUMP))
    assert kinds(registry, "Device/default/nosuch") == []


async def test_a_device_for_no_node_says_so(registry: Registry) -> None:
    bare = device()
    del bare["spec"]["nodeName"]
    await apply(registry, bare)
    assert "NodeUnknown" in kinds(registry)


# ---- declared at edges


async def test_an_edge_declares_and_withdraws(registry: Registry) -> None:
    await registry.edges.declared(NODE, [PUMP_MODEL, PUMP])
    assert await registry.edges.declare(NODE, model()) is None
    assert await registry.edges.declare(NODE, device(node="anything")) is None
    stored = registry.device("default/pump-01")
    assert stored is not None
    assert (stored.node, stored.origin) == (NODE, NODE)
    assert stored.object["metadata"]["annotations"] == {"twinhub.io/declared-by": NODE}
    assert registry.wanted(NODE) == []
    assert (await apply(registry, device())).outcome == "refused"
    assert not await registry.delete(PUMP)
    await registry.edges.declared(NODE, [PUMP_MODEL])
    assert registry.device("default/pump-01") is None
    assert [one.key for one in registry.objects()] == [PUMP_MODEL]
    await registry.edges.declared(NODE, [])
    assert registry.objects() == []


async def test_the_same_declared_again_writes_nothing(registry: Registry, store: Store) -> None:
    for _ in range(2):
        before = await written(store)
        await registry.edges.declared(NODE, [PUMP_MODEL, PUMP])
        await registry.edges.declare(NODE, model())
        await registry.edges.declare(NODE, device())
    assert await written(store) == before


@pytest.mark.parametrize("owner", ["", OTHER])
async def test_declared_twice_is_a_condition_until_one_gives_way(
    registry: Registry, store: Store, owner: str
) -> None:
    await _declare(registry, owner)
    for _ in range(2):
        before = await written(store)
        assert "already" in (await registry.edges.declare(NODE, device()) or "")
    assert await written(store) == before
    assert "DeclaredTwice" in kinds(registry)
    stored = registry.device("default/pump-01")
    assert stored is not None
    assert stored.origin == owner
    await _withdraw(registry, owner)
    assert await registry.edges.declare(NODE, device()) is None
    assert "DeclaredTwice" not in kinds(registry)
    stored = registry.device("default/pump-01")
    assert stored is not None
    assert stored.origin == NODE


@pytest.mark.parametrize("owner", ["", OTHER])
async def test_the_condition_goes_when_the_second_declaration_is_withdrawn(registry: Registry, owner: str) -> None:
    await _declare(registry, owner)
    await registry.edges.declare(NODE, device())
    await registry.edges.declared(NODE, [])
    assert "DeclaredTwice" not in kinds(registry)
    assert registry.device("default/pump-01") is not None


async def _declare(registry: Registry, owner: str) -> None:
    if owner:
        assert await registry.edges.declare(owner, device()) is None
    else:
        await apply(registry, device(node=OTHER))


async def _withdraw(registry: Registry, owner: str) -> None:
    if owner:
        await registry.edges.declared(owner, [])
    else:
        await registry.delete(PUMP)


async def test_two_edges_may_have_models_of_one_name(registry: Registry) -> None:
    for node, name in ((NODE, "a"), (OTHER, "b")):
        assert await registry.edges.declare(node, model(protocol=name)) is None
        assert await registry.edges.declare(node, device(f"pump-{name}")) is None
    assert len(registry.objects("DeviceModel")) == 2
    await registry.edges.declared(NODE, [])
    assert [one.origin for one in registry.objects("DeviceModel")] == [OTHER]
    assert "ModelMissing" not in kinds(registry, "Device/default/pump-b")


# ---- nodes


async def test_revoking_a_node_counts_for_what_was_made_before(registry: Registry, clock: Clock) -> None:
    await registry.add_node(NODE, address="10.0.0.1")
    assert not registry.revoked(NODE, "01", START)
    clock.now += 10
    await registry.revoke(NODE)
    assert registry.revoked(NODE, "01", START)
    assert registry.revoked(NODE, "02", START + 10)
    assert not registry.revoked(NODE, "03", START + 11)
    assert not registry.revoked(OTHER, "01", START)
    entry = registry.node(NODE)
    assert entry is not None
    assert entry.revoked
    clock.now += 10
    await registry.add_node(NODE, address="10.0.0.2")
    entry = registry.node(NODE)
    assert entry is not None
    assert not entry.revoked
    assert entry.info == {"address": "10.0.0.2"}
    assert registry.revoked(NODE, "01", START), "what was revoked stays so, whoever has enrolled since"


async def test_revoking_one_certificate_leaves_the_others(registry: Registry) -> None:
    await registry.add_node(NODE)
    await registry.revoke(NODE, "01")
    await registry.revoke(NODE, "02")
    assert [registry.revoked(NODE, serial, START) for serial in ("01", "02", "03")] == [True, True, False]
    entry = registry.node(NODE)
    assert entry is not None
    assert not entry.revoked


async def test_a_node_nobody_knows_can_be_revoked(registry: Registry) -> None:
    await registry.revoke(NODE)
    assert registry.revoked(NODE, "01", START)


async def test_a_revocation_survives_an_enrolment_at_the_same_moment(registry: Registry) -> None:
    await registry.add_node(NODE)
    for _ in range(5):
        await asyncio.gather(
            registry.add_node(NODE, a=1), registry.revoke(NODE), registry.revoke(NODE, "07"), registry.add_node(NODE)
        )
    assert registry.revoked(NODE, "01", START)
    assert registry.revoked(NODE, "07", START + 100)


async def test_who_was_connected_to_a_killed_process_is_away(registry: Registry) -> None:
    await registry.add_node(NODE)
    await registry.presence(NODE, connected=True, plain=True, address="10.0.0.1:5")
    await registry.nobody_connected()
    entry = registry.node(NODE)
    assert entry is not None
    assert (entry.connected, entry.plain, entry.address) == (False, True, "10.0.0.1:5")


async def test_a_desired_value_is_imposed_before_the_object_says_that_it_was(registry: Registry) -> None:
    imposed: list[tuple[str, str, dict[str, str]]] = []

    async def fails(node: str, device_id: str, values: Mapping[str, str]) -> None:
        raise StoreError("the log is full")

    async def works(node: str, device_id: str, values: Mapping[str, str]) -> None:
        imposed.append((node, device_id, dict(values)))

    await registry.apply([model(), device(**desired(speed="5"))], works)
    with pytest.raises(StoreError):
        await registry.apply([device(**desired(speed="6"))], fails)
    applied = await registry.apply([device(**desired(speed="6"))], works)
    assert [one.outcome for one in applied] == ["configured"]
    assert applied[0].wishes == {}
    assert imposed == [(NODE, "default/pump-01", {"speed": value}) for value in ("5", "6")]


async def test_presence_is_kept(registry: Registry, store: Store, clock: Clock) -> None:
    await registry.add_node(NODE)
    await registry.presence(NODE, connected=True, plain=True, address="10.0.0.1:5")
    async with Registry(store, {}, clock) as again:
        entry = again.node(NODE)
    assert entry is not None
    assert (entry.connected, entry.plain, entry.address, entry.since) == (True, True, "10.0.0.1:5", START * 1000)


async def test_what_a_node_has_confirmed(registry: Registry, store: Store) -> None:
    await apply(registry, device())
    [stored] = registry.objects()
    await registry.held.confirm(NODE, PUMP, Held(stored.uid, stored.version, stored.object))
    assert await registry.held.confirmed(NODE) == {PUMP: Held(stored.uid, stored.version, dict(stored.object))}
    assert await registry.held.confirmed(f"{NODE}-2") == {}
    await registry.held.confirm(NODE, PUMP, None)
    assert await registry.held.confirmed(NODE) == {}


async def test_the_longest_names_can_be_confirmed_and_declared_twice(registry: Registry) -> None:
    node, longest = "n" * 253, device("p" * 230)
    applied = await apply(registry, longest)
    assert applied.outcome == "created"
    [stored] = registry.objects()
    await registry.held.confirm(node, applied.key, Held(stored.uid, stored.version, stored.object))
    assert "already" in (await registry.edges.declare(node, longest) or "")
    assert await registry.edges.declare(node, model("m" * 225)) is None


# ---- watching


async def test_a_watcher_hears_of_each_node_once_however_often_it_changes(registry: Registry) -> None:
    async with registry.watch() as nodes:
        for number in range(5):
            await apply(registry, device(protocol={"protocolName": "modbus", "configData": {"n": number}}))
        await apply(registry, device("pump-02", OTHER))
        heard = [await anext(nodes), await anext(nodes)]
        assert sorted(heard) == [OTHER, NODE]
        await apply(registry, model())
        assert {await anext(nodes), await anext(nodes)} == {NODE, OTHER}
        await apply(registry, device(node=OTHER))
        assert {await anext(nodes), await anext(nodes)} == {NODE, OTHER}
        await registry.delete(PUMP)
        assert await anext(nodes) == OTHER
        await registry.revoke("elsewhere")
        assert await anext(nodes) == "elsewhere"
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.05):
                await anext(nodes)


async def test_a_second_watcher_misses_nothing(registry: Registry) -> None:
    async with registry.watch() as one, registry.watch() as other:
        await apply(registry, device())
        assert await anext(one) == NODE
        assert await anext(other) == NODE


# ---- what survives


async def test_everything_is_there_again(registry: Registry, store: Store, clock: Clock) -> None:
    await registry.add_node(NODE)
    await registry.apply([model(), device()])
    await registry.edges.declare(OTHER, device("pump-02"))
    await registry.edges.declare(OTHER, device())
    async with Registry(store, {}, clock) as again:
        assert again.objects() == registry.objects()
        assert again.nodes() == registry.nodes()
        assert kinds(again) == kinds(registry)


async def test_many_writes_at_once_are_all_in_the_index(registry: Registry) -> None:
    names = [f"pump-{number}" for number in range(40)]
    await asyncio.gather(*(apply(registry, device(name)) for name in names))
    assert {one.name for one in registry.devices_of(NODE)} == set(names)
    await asyncio.gather(*(registry.delete(f"Device/default/{name}") for name in names))
    assert registry.objects() == []


# ---- two processes on one file


@asynccontextmanager
async def two(tmp_path: Path, clock: Clock) -> AsyncIterator[tuple[Registry, Registry]]:
    """Neither hears of what the other writes."""
    path = f"sqlite:{tmp_path / 'shared.db'}"
    async with (
        open_store(path) as first,
        open_store(path) as second,
        Registry(first, {}, clock) as one,
        Registry(second, {}, clock) as other,
    ):
        yield one, other


async def test_who_comes_second_reads_again_and_decides_anew(tmp_path: Path, clock: Clock) -> None:
    async with two(tmp_path, clock) as (one, other):
        await apply(one, device())
        assert (await apply(other, device())).outcome == "unchanged"
        assert (await apply(other, device(node=OTHER))).moved_from == NODE
        assert (await apply(one, device(node="third"))).moved_from == OTHER
        stored = one.device("default/pump-01")
        assert stored is not None
        assert stored.object["metadata"]["generation"] == 3


async def test_an_edge_and_the_cloud_do_not_both_get_a_device(tmp_path: Path, clock: Clock) -> None:
    async with two(tmp_path, clock) as (one, other):
        await apply(one, device(node=OTHER))
        assert "in the cloud" in (await other.edges.declare(NODE, device()) or "")
        assert await other.edges.declare(NODE, device("pump-02")) is None
        assert (await apply(one, device("pump-02"))).outcome == "refused"


async def test_what_another_process_revoked_stays_revoked(tmp_path: Path, clock: Clock) -> None:
    async with two(tmp_path, clock) as (one, other):
        await one.add_node(NODE)
        await one.revoke(NODE)
        await one.revoke(NODE, "07")
        await other.add_node(NODE, later=True)
        assert other.revoked(NODE, "01", START)
        assert other.revoked(NODE, "07", START + 100)


# ---- a store that fails


class BadDisk(SqliteShelf):
    """Fails when it is told to."""

    failing = False

    def list(self, prefix: str) -> list[Any]:
        self._fail()
        return super().list(prefix)

    def put(self, key: str, value: dict[str, Any], version: int | None) -> int:
        self._fail()
        return super().put(key, value, version)

    def delete(self, key: str, version: int | None) -> bool:
        self._fail()
        return super().delete(key, version)

    def _fail(self) -> None:
        if self.failing:
            raise OSError("no space left on device")


WRITES: dict[str, Callable[[Registry], Any]] = {
    "apply": lambda registry: registry.apply([device(node="elsewhere")]),
    "delete": lambda registry: registry.delete(PUMP),
    "declare": lambda registry: registry.edges.declare(NODE, device("pump-02")),
    "withdraw": lambda registry: registry.edges.declared(OTHER, []),
    "add": lambda registry: registry.add_node("new"),
    "revoke": lambda registry: registry.revoke(NODE),
    "presence": lambda registry: registry.presence(NODE, connected=True, plain=False, address=""),
}


@pytest.mark.parametrize("write", WRITES.values(), ids=WRITES.keys())
async def test_what_could_not_be_written_is_not_known(
    tmp_path: Path, clock: Clock, write: Callable[[Registry], Any]
) -> None:
    disk = BadDisk(tmp_path / "registry.db")
    async with LocalStore(disk, "the store") as store, Registry(store, {}, clock) as registry:
        await registry.add_node(NODE)
        await registry.apply([device()])
        await registry.edges.declare(OTHER, device("pump-03"))
        before = copy.deepcopy((registry.objects(), registry.nodes()))
        disk.failing = True
        with pytest.raises(StoreError, match="no space left"):
            await write(registry)
        assert (registry.objects(), registry.nodes()) == before
        disk.failing = False
        await write(registry)
        assert (registry.objects(), registry.nodes()) != before


async def test_a_store_that_is_closed_first_keeps_nobody_waiting(tmp_path: Path, clock: Clock) -> None:
    async with open_store(tmp_path / "registry.db") as store:
        registry = await Registry(store, {}, clock).__aenter__()
        await apply(registry, device())
    async with asyncio.timeout(5):
        with pytest.raises(StoreError, match="not open"):
            await apply(registry, device(node=OTHER))
        await registry.__aexit__(None, None, None)
