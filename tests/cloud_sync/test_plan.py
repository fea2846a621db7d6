"""What a node is brought, and in which order."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from cloud_sync.plan import plan
from cloud_sync.step import Held, Step
from cloud_sync.stored import DEVICE, MODEL, StoredObject, model_of
from link.message import Message, decode_content
from link.resources import MEMBERSHIP

PUMP_MODEL, VALVE_MODEL = "DeviceModel/default/pump", "DeviceModel/default/valve"


def stored(kind: str, name: str, version: int, spec: dict[str, Any], uid: str = "", origin: str = "") -> StoredObject:
    uid = uid or f"uid of {kind} {name}"
    metadata = {"name": name, "namespace": "default", "uid": uid, "resourceVersion": str(version)}
    manifest = {"apiVersion": "devices.kubeedge.io/v1beta1", "kind": kind, "metadata": metadata, "spec": spec}
    return StoredObject(f"{kind}/default/{name}", kind, "default", name, uid, version, "n", origin, manifest)


def model(name: str, version: int = 1, **more: str) -> StoredObject:
    return stored(MODEL, name, version, {"properties": []}, **more)


def device(name: str, of: str = "pump", version: int = 1, **more: str) -> StoredObject:
    return stored(DEVICE, name, version, {"deviceModelRef": {"name": of}, "nodeName": "n"}, **more)


def held(*objects: StoredObject, version: int | None = None) -> dict[str, Held]:
    return {o.key: Held(o.uid, o.version if version is None else version, o.object) for o in objects}


def lines(steps: Sequence[Step]) -> list[str]:
    """The messages, as they leave."""
    return [_line(message) for step in steps for message in (step.before, step.message) if message]


def _line(message: Message) -> str:
    if message.route.resource != MEMBERSHIP:
        return f"{message.route.operation} {message.route.resource}"
    content = decode_content(message)
    joins, leaves = content["added_devices"], content["removed_devices"]
    return f"joins {joins[0]['id']}" if joins else f"leaves {leaves[0]['id']}"


# ---- the order of the recorded conversation


def test_a_new_device_membership_model_device() -> None:
    assert lines(plan([model("pump"), device("a")], {})) == [
        "joins default/a",
        "insert default/devicemodel/pump",
        "insert default/device/a",
    ]


def test_a_second_device_of_the_model_comes_without_it() -> None:
    steps = plan([model("pump"), device("a"), device("b")], held(model("pump"), device("a")))
    assert lines(steps) == ["joins default/b", "insert default/device/b"]


def test_a_changed_device_comes_alone() -> None:
    steps = plan([model("pump"), device("a", version=2)], held(model("pump"), device("a")))
    assert lines(steps) == ["update default/device/a"]
    assert steps[0].message.header.resourceversion == "2"


def test_a_changed_model_comes_alone() -> None:
    steps = plan([model("pump", version=2), device("a")], held(model("pump"), device("a")))
    assert lines(steps) == ["update default/devicemodel/pump"]


def test_the_last_device_of_a_model_goes_model_membership_device() -> None:
    steps = plan([], held(model("pump"), device("a")))
    assert lines(steps) == ["delete default/devicemodel/pump", "leaves default/a", "delete default/device/a"]
    assert decode_content(steps[1].message) == device("a").object


def test_a_device_that_moves_away_membership_device_while_another_keeps_the_model() -> None:
    steps = plan([model("pump"), device("b")], held(model("pump"), device("a"), device("b")))
    assert lines(steps) == ["leaves default/a", "delete default/device/a"]


# ---- beyond it


def test_nothing_to_do_is_nothing() -> None:
    assert plan([model("pump"), device("a")], held(model("pump"), device("a"))) == []
    assert plan([], {}) == []


def test_a_device_with_another_model_keeps_the_old_one_until_it_has_changed() -> None:
    steps = plan([model("valve"), device("a", "valve", version=2)], held(model("pump"), device("a")))
    assert lines(steps) == [
        "insert default/devicemodel/valve",
        "update default/device/a",
        "delete default/devicemodel/pump",
    ]


def test_a_device_without_a_model_is_not_brought() -> None:
    assert plan([device("a")], {}) == []


def test_a_device_whose_model_is_withdrawn_stays_as_it_is() -> None:
    assert plan([device("a", version=2)], held(model("pump"), device("a"))) == []


def test_a_model_that_the_node_declares_itself_is_not_brought() -> None:
    steps = plan([model("pump", origin="n"), device("a")], {})
    assert lines(steps) == ["joins default/a", "insert default/device/a"]


def test_what_may_be_there_is_brought_again_or_deleted() -> None:
    perhaps = held(model("pump"), device("a"), version=0)
    assert lines(plan([model("pump"), device("a")], perhaps)) == [
        "joins default/a",
        "insert default/devicemodel/pump",
        "insert default/device/a",
    ]
    assert lines(plan([], perhaps)) == [
        "delete default/devicemodel/pump",
        "leaves default/a",
        "delete default/device/a",
    ]


def test_a_new_device_of_an_old_name_is_inserted() -> None:
    steps = plan([model("pump"), device("a", uid="another")], held(model("pump"), device("a")))
    assert lines(steps) == ["insert default/device/a"]


# ---- whatever is wanted, and wherever it is cut off


@dataclass
class Node:
    """A node of KubeEdge's, and what the cloud has written down of it."""

    devices: dict[str, Mapping[str, Any]] = field(default_factory=dict)
    models: dict[str, Mapping[str, Any]] = field(default_factory=dict)
    members: set[str] = field(default_factory=set)
    confirmed: dict[str, Held] = field(default_factory=dict)

    def take(self, planned: Sequence[Step], number: int, cut_in: str = "") -> None:
        """The first of these steps; of the last of them, with `cut_in`, only a part happens. All that is planned is
        written down before the first is sent."""
        for step in planned:
            self._write_down_first(step)
        steps = planned[:number]
        for step in steps:
            last = step is steps[-1]
            if step.before:
                self._membership(step.before)
            if last and cut_in == "before the object":
                return
            self._object(step)
            if last and cut_in == "before the confirmation":
                return
            self._confirm(step)

    def _write_down_first(self, step: Step) -> None:
        content = decode_content(step.message)
        if step.message.route.operation == "delete" or step.key not in self.confirmed:
            self.confirmed[step.key] = Held(content["metadata"]["uid"], 0, content)

    def _membership(self, message: Message) -> None:
        content = decode_content(message)
        self.members |= {one["id"] for one in content["added_devices"] or ()}
        self.members -= {one["id"] for one in content["removed_devices"] or ()}

    def _object(self, step: Step) -> None:
        kept = self.devices if step.key.startswith(f"{DEVICE}/") else self.models
        content = decode_content(step.message)
        if step.message.route.operation == "delete":
            kept.pop(step.key, None)
            return
        if kept is self.devices:
            assert model_of(content) in self.models, "a device came without its model"
            assert step.key.removeprefix(f"{DEVICE}/") in self.members, "a device came without its membership"
        kept[step.key] = content

    def _confirm(self, step: Step) -> None:
        content = decode_content(step.message)
        if step.message.route.operation == "delete":
            del self.confirmed[step.key]
        else:
            version = int(content["metadata"]["resourceVersion"])
            self.confirmed[step.key] = Held(content["metadata"]["uid"], version, content)


@st.composite
def wanteds(draw: st.DrawFn) -> list[StoredObject]:
    version = st.integers(1, 3)
    uid = st.sampled_from(["first", "second"])
    devices = []
    for name in sorted(draw(st.sets(st.sampled_from("abc")))):
        of = draw(st.sampled_from(["pump", "valve"]))
        number = 10 * draw(version) + (of == "valve")  # what differs has another version
        devices.append(device(name, of, number, uid=draw(uid)))
    models = {model_of(one.object).rpartition("/")[2] for one in devices}
    return [*(model(name, draw(version), uid=draw(uid)) for name in sorted(models)), *devices]


def in_time(lists: Sequence[Sequence[StoredObject]]) -> Iterator[list[StoredObject]]:
    """What is wanted at one time after the other, as a store would have it: versions only rise, and what was deleted
    and declared again is another object."""
    last: dict[str, tuple[StoredObject, StoredObject]] = {}
    for number, wanted in enumerate(lists):
        now = {one.key: last.get(one.key, (None, one)) for one in wanted}
        last = {one.key: (one, _stamped(one, *now[one.key], number)) for one in wanted}
        yield [stamped for _, stamped in last.values()]


def _stamped(one: StoredObject, before: StoredObject | None, stamped: StoredObject, number: int) -> StoredObject:
    if one == before:
        return stamped
    uid = stamped.uid if before is not None and before.uid == one.uid else f"{one.uid}-{number}"
    version = 1_000 * (number + 1) + one.version
    metadata = {**one.object["metadata"], "uid": uid, "resourceVersion": str(version)}
    return replace(one, uid=uid, version=version, object={**one.object, "metadata": metadata})


CUTS = st.sampled_from(["", "before the object", "before the confirmation"])


@settings(max_examples=200, deadline=None)
@given(st.lists(st.tuples(wanteds(), st.integers(0, 9), CUTS), max_size=6), wanteds())
def test_it_always_ends_at_what_is_wanted(
    before: list[tuple[list[StoredObject], int, str]], wanted: list[StoredObject]
) -> None:
    node = Node()
    *earlier_ones, wanted = in_time([*(earlier for earlier, _, _ in before), wanted])
    for earlier, (_, number, cut_in) in zip(earlier_ones, before, strict=True):
        node.take(plan(earlier, node.confirmed), number, cut_in)
    steps = plan(wanted, node.confirmed)
    node.take(steps, len(steps))
    assert node.devices == {one.key: one.object for one in wanted if one.kind == DEVICE}
    assert node.models == {one.key: one.object for one in wanted if one.kind == MODEL}
    assert node.members == {one.id for one in wanted if one.kind == DEVICE}
    assert plan(wanted, node.confirmed) == []
