"""Objects as they are declared: what is read of them, what is added, what counts as a change."""

from __future__ import annotations

import copy
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cloud_sync.declared import DECLARED_BY, LARGEST, LONGEST_KEY, completed, placed, read
from twin.store import MAX_DEPTH, MAX_VALUE

NOW = 1_786_000_000.0


def device(**metadata: Any) -> dict[str, Any]:
    return {
        "apiVersion": "devices.kubeedge.io/v1beta1",
        "kind": "Device",
        "metadata": {"name": "pump-01", **metadata},
        "spec": {
            "deviceModelRef": {"name": "pump-model"},
            "nodeName": "press-shop",
            "protocol": {"protocolName": "modbus", "configData": {}},
        },
    }


def with_settings(settings: Any) -> dict[str, Any]:
    one = device()
    one["spec"]["protocol"]["configData"] = settings
    return one


def test_an_object_is_left_as_it_is() -> None:
    one = device(labels={"site": "north"})
    before = copy.deepcopy(one)
    [found] = read([one])
    assert (found.key, found.kind, found.problem) == ("Device/default/pump-01", "Device", "")
    assert found.manifest is not None
    completed(placed(found.manifest, "n"), None, NOW)
    assert one == before


def test_each_object_is_read_for_itself() -> None:
    one, other, again = read([device(), {}, device()])
    assert (one.problem, again.problem) == ("", "")
    assert other.problem


def test_the_older_form_is_read_as_the_newer() -> None:
    old = {
        "apiVersion": "devices.kubeedge.io/v1alpha2",
        "kind": "Device",
        "metadata": {"name": "pump-01"},
        "spec": {
            "deviceModelRef": {"name": "pump-model"},
            "nodeSelector": {
                "nodeSelectorTerms": [{"matchExpressions": [{"key": "", "operator": "In", "values": ["press-shop"]}]}]
            },
        },
    }
    [found] = read([old])
    assert found.manifest is not None, found.problem
    assert found.manifest["apiVersion"] == "devices.kubeedge.io/v1beta1"
    assert found.manifest["spec"]["nodeName"] == "press-shop"


def nested(levels: int) -> dict[str, Any]:
    inner: dict[str, Any] = {}
    for _ in range(levels - 1):
        inner = {"a": inner}
    return inner


def test_the_deepest_that_the_store_takes_and_one_more() -> None:
    around = 5  # the store's object, the manifest, spec, protocol, configData
    [found] = read([with_settings(nested(MAX_DEPTH - around + 1))])
    assert not found.problem
    [found] = read([with_settings(nested(MAX_DEPTH - around + 2))])
    assert "deeper" in found.problem


def test_the_largest_leaves_room_for_what_is_kept_around_it() -> None:
    assert LARGEST < MAX_VALUE - 4096
    [found] = read([with_settings({"a": "x" * (LARGEST - 500)})])
    assert not found.problem
    [found] = read([with_settings({"a": "x" * LARGEST})])
    assert "bytes" in found.problem


def test_a_name_leaves_room_for_the_longest_node() -> None:
    room = LONGEST_KEY - len("Device/default/")
    [found] = read([device(name="a" * room)])
    assert not found.problem
    [found] = read([device(name="a" * (room + 1))])
    assert found.problem


ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(st.characters(codec=None), max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=8,
)
PLACES = st.lists(
    st.sampled_from(["apiVersion", "kind", "metadata", "spec", "protocol", "properties", "name", "deviceModelRef"]),
    max_size=3,
)


@given(ANYTHING, PLACES)
def test_nothing_that_is_sent_raises(junk: Any, places: list[str]) -> None:
    one: Any = device()
    inner = one
    for place in places[:-1]:
        inner = inner[place] if isinstance(inner, dict) and place in inner else inner
    if places and isinstance(inner, dict):
        inner[places[-1]] = junk
    else:
        one = junk
    for found in read([one]):
        assert bool(found.problem) == (found.manifest is None)
        found.key.encode()
        if found.manifest is not None:
            new = completed(placed(found.manifest, "n"), None, NOW)
            assert new is not None
            assert completed(placed(found.manifest, "n"), new, NOW) is None


def test_the_cloud_says_who_an_object_is_whatever_it_says_itself() -> None:
    new = completed(device(uid="mine", resourceVersion="9", generation=9, creationTimestamp="never"), None, NOW)
    assert new is not None
    metadata = new["metadata"]
    assert metadata["uid"] != "mine"
    assert "resourceVersion" not in metadata
    assert (metadata["generation"], metadata["creationTimestamp"]) == (1, "2026-08-06T07:06:40Z")


def test_a_status_is_not_kept() -> None:
    new = completed({**device(), "status": {"a": 1}}, None, NOW)
    assert new is not None
    assert "status" not in new


@pytest.mark.parametrize(
    ("change", "generation"),
    [({"labels": {"site": "south"}}, 1), ({}, None)],
    ids=["metadata only", "nothing"],
)
def test_only_another_spec_raises_the_generation(change: dict[str, Any], generation: int | None) -> None:
    known = completed(device(), None, NOW)
    new = completed(device(**change), known, NOW + 5)
    assert (new["metadata"]["generation"] if new else None) == generation


def test_an_edited_spec_keeps_the_uid_and_the_time_of_creation() -> None:
    known = completed(device(), None, NOW)
    assert known is not None
    new = completed(with_settings({"a": 1}), known, NOW + 5)
    assert new is not None
    assert new["metadata"] == {**known["metadata"], "generation": 2}


def test_what_is_declared_at_an_edge_is_for_that_edge_and_says_so() -> None:
    found = placed(device(annotations={"a": "b", DECLARED_BY: "elsewhere"}), "paint-shop")
    assert found["metadata"]["annotations"] == {"a": "b", DECLARED_BY: "paint-shop"}
    assert found["spec"]["nodeName"] == "paint-shop"
