"""What is found by key, by node and by model, whatever order it was learned in."""

from __future__ import annotations

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from cloud_sync.index import PREFIXES, Index
from twin.store import Entry, Event


def device(version: int, node: str = "n1", model: str = "m", origin: str = "") -> Entry:
    spec = {"nodeName": node, "deviceModelRef": {"name": model}}
    return Entry("Device/default/d", {"object": _object(spec), **({"origin": origin} if origin else {})}, version)


def model(version: int, node: str = "") -> Entry:
    key = f"EdgeModel/{node}/default/m" if node else "DeviceModel/default/m"
    return Entry(key, {"object": _object({}), **({"origin": node} if node else {})}, version)


def _object(spec: dict[str, Any]) -> dict[str, Any]:
    return {"metadata": {"name": "d", "namespace": "default", "uid": "u"}, "spec": spec}


def test_a_device_is_found_at_its_node_and_by_its_model() -> None:
    index = Index()
    assert index.put(device(1)) == {"n1"}
    assert [one.id for one in index.devices_of("n1")] == ["default/d"]
    assert [one.id for one in index.devices_with("DeviceModel/default/m")] == ["default/d"]
    assert index.devices["default/d"].object["metadata"]["resourceVersion"] == "1"


def test_a_device_that_moves_concerns_both_nodes() -> None:
    index = Index()
    index.put(device(1))
    assert index.put(device(2, "n2", "other")) == {"n1", "n2"}
    assert index.devices_of("n1") == []
    assert list(index.devices_with("DeviceModel/default/m")) == []
    assert index.drop("Device/default/d") == {"n2"}
    assert index.drop("Device/default/d") == set()


def test_what_is_older_than_what_is_known_changes_nothing() -> None:
    index = Index()
    index.put(device(5, "n2"))
    for late in (device(4), device(5)):
        assert index.put(late) == set()
    assert index.devices["default/d"].node == "n2"
    index.put(Entry("Node/n1", {"revokedAt": 7}, 9))
    index.put(Entry("Node/n1", {}, 8))
    assert index.entries["n1"] == {"revokedAt": 7}


def test_a_model_concerns_the_nodes_whose_devices_name_it() -> None:
    index = Index()
    index.put(device(1))
    assert index.put(model(2)) == {"n1"}
    assert index.put(model(3, "n9")) == {"n9"}
    assert index.drop("DeviceModel/default/m") == {"n1"}


def test_the_model_that_is_declared_at_the_edge_goes_before_the_clouds() -> None:
    index = Index()
    for entry in (device(1, origin="n1"), model(2), model(3, "n2")):
        index.put(entry)
    at_edge = index.devices["default/d"]
    found = index.model_for(at_edge)
    assert found is not None
    assert found.origin == ""
    index.put(model(4, "n1"))
    found = index.model_for(at_edge)
    assert found is not None
    assert found.origin == "n1"
    index.drop("EdgeModel/n1/default/m")
    index.drop("DeviceModel/default/m")
    assert index.model_for(at_edge) is None


def test_a_node_is_what_was_written_of_it_and_who_is_connected() -> None:
    index = Index()
    assert index.node("n1") is None
    index.put(Entry("Presence/n1", {"connected": True, "address": "a"}, 1))
    assert index.node("n1") is None
    assert index.put(Entry("Node/n1", {"added": 5, "serials": ["1"]}, 2)) == {"n1"}
    entry = index.node("n1")
    assert entry is not None
    assert (entry.added, entry.connected, entry.address, entry.serials) == (5, True, "a", frozenset({"1"}))
    index.drop("Node/n1")
    assert index.node("n1") is None


EVENTS = st.lists(
    st.tuples(st.sampled_from(["put", "delete"]), st.sampled_from(["n1", "n2"]), st.sampled_from(["m", "k"])),
    max_size=12,
)


@given(EVENTS)
def test_an_index_that_learned_equals_one_that_read(steps: list[tuple[str, str, str]]) -> None:
    learned, stands = Index(), {}
    for version, (step, node, model_name) in enumerate(steps, 1):
        entry = device(version, node, model_name)
        if step == "put":
            stands[entry.key] = entry
            learned.learn(Event("put", entry.key, entry))
        else:
            stands.pop(entry.key, None)
            learned.learn(Event("delete", entry.key, None))
    read = Index()
    for entry in stands.values():
        read.put(entry)
    assert learned.devices == read.devices
    for name in ("n1", "n2"):
        assert learned.devices_of(name) == read.devices_of(name)
    for name in ("m", "k"):
        key = f"DeviceModel/default/{name}"
        assert list(learned.devices_with(key)) == list(read.devices_with(key))


def test_every_entry_of_the_index_is_read_and_nothing_else() -> None:
    assert all(prefix.endswith("/") for prefix in PREFIXES)
    assert Index().put(Entry("Sync/n1/Device/default/d", {}, 1)) == set()
