"""An edge, a cloud and the wire between them, without a socket: whatever happens on the way, both ends end equal.

The ends are the cores that the real ones drive (the numbers of the outbox with `Uplink`, `Delivery`, the state
machines of twins). What a real end keeps on its disk survives here; all else is lost when an end starts anew.
"""

from __future__ import annotations

import random
from collections import defaultdict, deque
from collections.abc import Callable, Mapping
from typing import NamedTuple

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cloud_sync.known_twins import KnownProperty, KnownTwin
from link import contents, rows
from link.acknowledgement import acknowledge, is_acknowledgement, wants_acknowledgement
from link.delivery import Delivery
from link.message import BadFrame, Message, decode, encode, encode_batch
from link.resources import Kind, parse
from link.uplink import Uplink
from link.window import Window
from twin import cloud_update, machine
from twin.documents import MsgTwin, TwinValue
from twin.machine import NOTHING, Outcome, Record
from twin.rules import Rules

DEVICES = ("plant/pump", "plant/valve")
NAMES = ("speed", "mode")
RULES = Rules()
START = 1_700_000_000_000
PATIENCE = 10.0
"""Seconds that a frame may be on its way in one direction before the ends think the connection dead."""

Place = tuple[str, str]
"""(device, property)"""


class Entry(NamedTuple):
    """Of the outbox."""

    seq: int
    device: str
    body: str


class Wire:
    """One connection: frames on their way, in order, each with when it left."""

    def __init__(self) -> None:
        self.open = False
        self.up: deque[tuple[bytes, float]] = deque()
        self.down: deque[tuple[bytes, float]] = deque()

    def cut(self) -> None:
        """What is under way is lost; of the next frame perhaps the beginning had come."""
        for frame, _ in (*list(self.up)[:1], *list(self.down)[:1]):
            with pytest.raises(BadFrame):
                decode(frame[: random.randrange(len(frame) - 1)])
        self.open = False
        self.up.clear()
        self.down.clear()

    def stalled(self, now: float) -> bool:
        """Whether a ping would be missing by now."""
        return any(now - left > PATIENCE for _, left in (*list(self.up)[:1], *list(self.down)[:1]))


class Edge:
    """The durable side of an edge: its twins and its outbox. `said` and `accepted` are the test's own ledger."""

    def __init__(self) -> None:
        self.twins: dict[str, dict[str, Record]] = {device: {} for device in DEVICES}
        self.outbox: deque[Entry] = deque()
        self.seq = 0
        self.trimmed = 0
        self.desired: dict[str, dict[str, str]] = {device: {} for device in DEVICES}
        """Plain wire: what the device objects said last."""
        self.said: dict[Place, list[str | None]] = defaultdict(list)
        self.accepted: set[str] = set()

    def change(self, device: str, update: Mapping[str, MsgTwin | None], now: int) -> None:
        """Somebody at the edge sets or reports something."""
        self._keep(device, machine.apply(self.twins[device], {}, update, now, RULES))

    def obey(self, device: str, wishes: Mapping[str, MsgTwin | None], now: int) -> None:
        """Wishes of the cloud, with their versions."""
        outcome = cloud_update.apply(self.twins[device], {}, wishes, now, RULES)
        for record in outcome.after.values():
            if record.shown.expected and record.shown.expected.value:
                self.accepted.add(record.shown.expected.value)
        self._keep(device, outcome)

    def obey_object(self, device: str, desired: Mapping[str, str], now: int) -> None:
        """A device object of a cloud of the plain wire: what it newly desires is imposed."""
        news = {name: value for name, value in desired.items() if self.desired[device].get(name) != value}
        self.desired[device] = dict(desired)
        self.accepted |= set(news.values())
        self.change(device, {name: MsgTwin(TwinValue(value)) for name, value in news.items()}, now)

    def _keep(self, device: str, outcome: Outcome) -> None:
        twins = self.twins[device]
        for name, record in outcome.after.items():
            before = twins.get(name, Record(NOTHING)).actual_version
            if record.actual_version != before:
                actual = record.shown.actual
                self.said[device, name].append(actual.value if actual else None)
        twins.update(outcome.after)
        body = outcome.changed | {name: record.with_versions() for name, record in outcome.refused.items()}
        if body:
            self.seq += 1
            self.outbox.append(Entry(self.seq, device, msgspec.json.encode(body).decode()))

    def trim(self, seq: int) -> None:
        self.trimmed = max(seq, self.trimmed)
        while self.outbox and self.outbox[0].seq <= seq:
            self.outbox.popleft()

    def after(self, seq: int) -> list[Entry]:
        return [entry for entry in self.outbox if entry.seq > seq]

    def newest(self, device: str) -> str:
        twins = {name: record.with_versions() for name, record in self.twins[device].items()}
        return msgspec.json.encode(twins).decode()


class Cloud:
    """The durable side of a cloud: twins with their open wishes, history, cursor."""

    def __init__(self) -> None:
        self.twins = {device: KnownTwin(number, device, "edge-7") for number, device in enumerate(DEVICES)}
        for twin in self.twins.values():
            twin.properties = {name: KnownProperty(number) for number, name in enumerate(NAMES)}
        self.history: dict[Place, list[str | None]] = defaultdict(list)
        self.cursor = 0
        self.wished: dict[Place, str] = {}
        self.lost: set[str] = set()
        self.objects: dict[str, tuple[int, dict[str, str]]] = {}
        """Plain wire: version of each device object, and what it desires."""
        self.confirmed: dict[str, int] = {}
        """Plain wire: which version of each the edge has."""

    def take(
        self, seq: int, device: str, sent: Mapping[str, MsgTwin | None], now: int, *, history: bool = True
    ) -> None:
        """A report; without a number it comes from the plain wire, or ahead of its turn."""
        if seq and seq <= self.cursor:
            return
        self.cursor = max(seq, self.cursor)
        twin, said = self.twins[device], {name: entry for name, entry in sent.items() if entry}
        before = self.records(device)
        for name, entry in said.items():
            reading = twin.properties[name].reading(entry, now) if history else None
            if reading:
                self.history[device, name].append(reading.value)
        self.lost |= {wish.wanted for _, wish in twin.report(said, now)}
        for name, record in self.records(device).items():
            assert not _goes_back(before[name], record), "an older value took the place of a newer one"

    def records(self, device: str) -> dict[str, Record]:
        return {name: known.record for name, known in self.twins[device].properties.items()}

    def open(self, device: str) -> dict[str, MsgTwin]:
        return {name: known.wish() for name, known in self.twins[device].properties.items() if known.open}

    def wish(self, device: str, name: str, value: str, now: int) -> None:
        self.wished[device, name] = value
        self.twins[device].wish(name, value, now)

    def brought(self, device: str, wishes: Mapping[str, MsgTwin | None]) -> None:
        """The edge has these wishes, unless newer ones were set meanwhile."""
        for name, sent in wishes.items():
            known = self.twins[device].properties[name]
            if sent and known.record.expected_version == sent.expected_version:
                known.open = False

    def desire(self, device: str, name: str, value: str) -> None:
        """Plain wire: edit the device object."""
        version, desired = self.objects.get(device, (0, {}))
        self.objects[device] = version + 1, desired | {name: value}
        self.wished[device, name] = value


def _goes_back(before: Record, after: Record) -> bool:
    visible = before.shown.actual is not None and before.shown.actual.value is not None
    return visible and _number(after) < _number(before)


def _number(record: Record) -> int:
    """Of the reported value."""
    return record.actual_version.edge if record.actual_version else 0


class World:
    """Both ends and their connections; the steps are its methods. `number` chooses whatever there is to choose."""

    delivery: Delivery

    def __init__(self, *wires: Wire) -> None:
        self.edge, self.cloud = Edge(), Cloud()
        self.wires = wires
        self.now = 0.0
        self._made = 0

    # ---- steps at the ends

    def report(self, number: int) -> None:
        device, name = _place(number)
        self.edge.change(device, {name: MsgTwin(actual=TwinValue(self._value("r")))}, self._time())

    def set(self, number: int) -> None:
        device, name = _place(number)
        self.edge.change(device, {name: MsgTwin(TwinValue(self._value("s")))}, self._time())

    def delete(self, number: int) -> None:
        device, name = _place(number)
        self.edge.change(device, {name: None}, self._time())

    def wish(self, number: int) -> None:
        raise NotImplementedError

    def write(self, _: int) -> None:
        raise NotImplementedError

    def connect(self, number: int) -> None:
        raise NotImplementedError

    def restart_edge(self, _: int) -> None:
        for wire in self.wires:
            wire.cut()

    def restart_cloud(self, _: int) -> None:
        for wire in self.wires:
            wire.cut()

    # ---- steps on the way

    def wait(self, number: int) -> None:
        self.now += 1 + number % 6
        for wire in self.wires:
            if wire.stalled(self.now):
                wire.cut()

    def cut(self, number: int) -> None:
        self.wires[number % len(self.wires)].cut()

    def arrive(self, number: int) -> None:
        """The next frame of one direction."""
        wire, goes_up = self._direction(number)
        queue = wire.up if goes_up else wire.down
        if queue:
            frame, _ = queue.popleft()
            self._receive(wire, goes_up, frame)

    def arrive_twice(self, number: int) -> None:
        wire, goes_up = self._direction(number)
        queue = wire.up if goes_up else wire.down
        if queue:
            self._receive(wire, goes_up, queue[0][0])

    def settle(self) -> None:
        """From now on nothing happens any more, and nothing fails."""
        for _ in range(100):
            if (
                not self.edge.outbox
                and not len(self.delivery)
                and not any(wire.up or wire.down for wire in self.wires)
            ):
                break
            for number in range(len(self.wires)):
                self.connect(number)
            self.write(0)
            while any(wire.up or wire.down for wire in self.wires):
                for number in range(2 * len(self.wires)):
                    self.arrive(number)
            self.now += 1
        assert not self.edge.outbox

    def _receive(self, wire: Wire, goes_up: bool, frame: bytes) -> None:
        for message in decode(frame):
            self._at_cloud(wire, message) if goes_up else self._at_edge(wire, message)

    def _at_cloud(self, wire: Wire, message: Message) -> None:
        raise NotImplementedError

    def _at_edge(self, wire: Wire, message: Message) -> None:
        raise NotImplementedError

    def _direction(self, number: int) -> tuple[Wire, bool]:
        return self.wires[number // 2 % len(self.wires)], bool(number % 2)

    def _value(self, kind: str) -> str:
        self._made += 1
        return f"{kind}{self._made}"

    def _time(self) -> int:
        """Rises with every change, so that no two have the same."""
        return START + int(self.now * 1000) + self._made


def _place(number: int) -> Place:
    return DEVICES[number % 2], NAMES[number // 2 % 2]


class OurLink(World):
    """Two twinhub ends: hub and bus, cumulative acknowledgements, a cursor."""

    def __init__(self) -> None:
        self.hub, self.bus = Wire(), Wire()
        super().__init__(self.hub, self.bus)
        self.delivery = Delivery(plain=False, window=2)
        self.uplink = Uplink(plain=False, after=0, window=Window(200, 2_000))
        for wire in self.wires:
            wire.open = True

    def wish(self, number: int) -> None:
        device, name = _place(number)
        self.cloud.wish(device, name, self._value("w"), self._time())
        self._offer(device)

    def fresh(self, number: int) -> None:
        """The newest values go ahead of the outbox."""
        device, _ = _place(number)
        if self.hub.open and self.edge.twins[device]:
            message = rows.edge_updated(device, self.edge.newest(device), self._time())
            self.hub.up.append((encode(message), self.now))

    def connect(self, number: int) -> None:
        wire = self.wires[number % 2]
        if wire.open:
            return
        wire.open = True
        if wire is self.hub:
            self.delivery.restart()
        else:
            self.edge.trim(self.cloud.cursor)
            self.uplink = Uplink(plain=False, after=self.cloud.cursor, window=Window(200, 2_000))

    def restart_cloud(self, number: int) -> None:
        super().restart_cloud(number)
        self.delivery = Delivery(plain=False, window=2)
        for device in DEVICES:
            if self.cloud.open(device):
                self._offer(device)

    def write(self, _: int) -> None:
        if self.hub.open:
            self.hub.down.extend((encode(message), self.now) for message in self.delivery.due(self.now))
        if self.bus.open:
            self._drain()

    def _drain(self) -> None:
        batch = []
        for entry in self.edge.after(self.uplink.next_after):
            if not self.uplink.room(self.now):
                break
            batch.append(rows.edge_updated(entry.device, entry.body, self._time(), str(entry.seq)))
            self.uplink.sent(entry.seq, len(encode(batch[-1])), self.now)
        if batch:
            self.bus.up.append((encode_batch(batch), self.now))

    def _offer(self, device: str) -> None:
        body = msgspec.json.encode(self.cloud.open(device)).decode()
        self.delivery.offer(device, rows.wishes(device, body, self._time()))

    def _at_cloud(self, wire: Wire, message: Message) -> None:
        if is_acknowledgement(message):
            for device, sent in self.delivery.acknowledged(message.header.parent_msg_id, self.now):
                self.cloud.brought(device, contents.twins(sent))
            return
        device, twins = parse(message.route.resource).id, contents.twins(message)
        if wire is self.hub:
            self.cloud.take(0, device, twins, self._time(), history=False)
        else:
            self.cloud.take(int(message.header.msg_id), device, twins, self._time())
            wire.down.append((encode(rows.confirm(message)), self.now))

    def _at_edge(self, wire: Wire, message: Message) -> None:
        if is_acknowledgement(message):
            self.edge.trim(self.uplink.acknowledged(message.header.parent_msg_id, self.now))
            return
        assert wants_acknowledgement(message, plain=False)
        self.edge.obey(parse(message.route.resource).id, contents.twins(message), self._time())
        wire.up.append((encode(acknowledge(message)), self.now))


class PlainWire(World):
    """KubeEdge's wire: one connection, each message confirmed by itself, desired values within device objects."""

    def __init__(self) -> None:
        self.wire = Wire()
        super().__init__(self.wire)
        self.delivery = Delivery(plain=True)
        self._connected()

    def wish(self, number: int) -> None:
        device, name = _place(number)
        self.cloud.desire(device, name, self._value("w"))
        self._offer(device)

    def connect(self, _: int) -> None:
        if not self.wire.open:
            self._connected()
            self.delivery.restart()

    def _connected(self) -> None:
        self.wire.open = True
        self.uplink = Uplink(plain=True, after=self.edge.trimmed, window=Window())

    def restart_cloud(self, number: int) -> None:
        super().restart_cloud(number)
        self.delivery = Delivery(plain=True)
        for device, (version, _) in self.cloud.objects.items():
            if self.cloud.confirmed.get(device) != version:
                self._offer(device)

    def write(self, _: int) -> None:
        if not self.wire.open:
            return
        self.wire.down.extend((encode(message), self.now) for message in self.delivery.due(self.now))
        again = set(self.uplink.overdue(self.now))
        assert self.uplink.given_up() == []
        for entry in [entry for entry in self.edge.outbox if entry.seq in again]:
            self._send(entry)
        for entry in self.edge.after(self.uplink.next_after):
            if self.uplink.room(self.now):
                self._send(entry)

    def _send(self, entry: Entry) -> None:
        msg_id = f"of-the-journal-{entry.seq}"
        frame = encode(rows.edge_updated(entry.device, entry.body, self._time(), msg_id))
        self.uplink.sent(entry.seq, len(frame), self.now, msg_id)
        self.wire.up.append((frame, self.now))

    def _offer(self, device: str) -> None:
        version, desired = self.cloud.objects[device]
        namespace, _, name = device.partition("/")
        manifest = {"metadata": {"resourceVersion": str(version)}, "spec": desired}
        self.delivery.offer(device, rows.declared_object(Kind.DEVICE, "update", namespace, name, manifest))

    def _at_cloud(self, wire: Wire, message: Message) -> None:
        if is_acknowledgement(message):
            for device, sent in self.delivery.acknowledged(message.header.parent_msg_id, self.now):
                self.cloud.confirmed[device] = int(sent.header.resourceversion)
            return
        self.cloud.take(0, parse(message.route.resource).id, contents.twins(message), self._time())
        wire.down.append((encode(rows.confirm(message)), self.now))

    def _at_edge(self, wire: Wire, message: Message) -> None:
        if is_acknowledgement(message):
            self.uplink.acknowledged(message.header.parent_msg_id, self.now)
            self.edge.trim(self.uplink.confirmed)
            return
        assert wants_acknowledgement(message)
        device = parse(message.route.resource).id
        self.edge.obey_object(device, contents.manifest(message)["spec"], self._time())
        wire.up.append((encode(acknowledge(message)), self.now))


# ---- the properties

STEPS = ("report", "set", "delete", "wish", *3 * ("report",), *8 * ("write",), *12 * ("arrive",))
TROUBLE = ("arrive_twice", *4 * ("connect",), "cut", "wait", "restart_edge", "restart_cloud")


def some(*steps: str) -> st.SearchStrategy[list[tuple[str, int]]]:
    return st.lists(st.tuples(st.sampled_from(steps), st.integers(0, 7)), min_size=30, max_size=120)


def shown(records: Mapping[str, Record]) -> dict[str, tuple[str | None, str | None, bool]]:
    """What is to be equal at both ends, by property: desired, reported, deleted."""
    found = {}
    for name, record in records.items():
        sides = (record.shown.expected, record.shown.actual)
        expected, actual = (side.value if side else None for side in sides)
        if record.shown.metadata:
            found[name] = (expected, actual, record.deleted)
    return found


def check(world: World) -> None:
    for device in DEVICES:
        assert shown(world.cloud.records(device)) == shown(world.edge.twins[device])
    assert world.cloud.history == world.edge.said


def play(world: World, steps: list[tuple[str, int]]) -> None:
    for step, number in steps:
        act: Callable[[int], None] = getattr(world, step)
        act(number)
    world.settle()


@settings(max_examples=150, deadline=None)
@given(some(*STEPS, *TROUBLE, "fresh"))
def test_two_twinhub_ends_end_equal(steps):
    world = OurLink()
    play(world, steps)
    check(world)
    assert not any(world.cloud.open(device) for device in DEVICES)
    assert len(world.delivery) == 0
    for place, value in world.cloud.wished.items():
        assert value in world.edge.accepted | world.cloud.lost, f"the wish for {place} is lost without a word"


@settings(max_examples=150, deadline=None)
@given(some(*STEPS, *TROUBLE))
def test_two_ends_of_the_plain_wire_end_equal(steps):
    world = PlainWire()
    play(world, steps)
    check(world)
    assert len(world.delivery) == 0
    assert world.cloud.confirmed == {device: version for device, (version, _) in world.cloud.objects.items()}
    for device, (_, desired) in world.cloud.objects.items():
        assert world.edge.desired[device] == desired
    assert set(world.cloud.wished.values()) <= world.edge.accepted
