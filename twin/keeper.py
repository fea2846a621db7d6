"""The keeper of this node's twins: who is a member, what each twin is, and what an update makes of it.

What it answers is true in memory at once; the journal says when it is durable, and until then nobody is told.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping
from datetime import UTC, datetime
from typing import NamedTuple

import msgspec

from device_models import Device, Property
from twin import cloud_update, machine
from twin.documents import DeviceState, MemberDevice, MsgTwin, TwinVersion, TypeMetadata
from twin.journal import Journal, StoredDevice
from twin.machine import Outcome, Record
from twin.refused import BadRequest, Refused
from twin.rules import Rules

STATES = frozenset({"online", "offline", "ok", "unknown", "unhealthy"})
"""KubeEdge's words for a device's state, in any letter case; the spelling given is kept."""
TOLD_AT_ONCE = 20
"""Properties in one change, where all are told: with the longest values it still fits into a message."""
NOT_A_MEMBER = "update rejected due to the device is not existed"


class Membership(NamedTuple):
    """What a declaration changed."""

    added: list[MemberDevice]
    removed: list[MemberDevice]


class DeviceTwin:
    """One member: its declaration and its properties."""

    __slots__ = ("device", "last_online", "private", "properties", "records", "state", "wished")

    def __init__(self, device: Device, state: str, last_online: str, records: dict[str, Record]) -> None:
        self.device = device
        self.properties: Mapping[str, Property] = {p.name: p for p in device.properties}
        self.private = frozenset(p.name for p in device.properties if not p.report_to_cloud)
        """Properties that the cloud does not hear of."""
        self.state = state
        self.last_online = last_online
        self.records = records
        self.wished = {name for name, record in records.items() if _wished(record)}

    def take(self, after: Mapping[str, Record]) -> None:
        """Remember what an update left."""
        self.records.update(after)
        for name, record in after.items():
            if _wished(record):
                self.wished.add(name)
            elif name in self.wished:
                self.wished.remove(name)

    def member(self) -> MemberDevice:
        device = self.device
        return MemberDevice(device.id, device.name, device.description, self.state, self.last_online)


class Keeper:
    """All twins of one node."""

    def __init__(
        self, journal: Journal, rules: Rules | None = None, *, clock: Callable[[], float] = time.time
    ) -> None:
        """`clock` gives Unix seconds."""
        self._journal = journal
        self._rules = rules or Rules()
        self._clock = clock
        self._devices: dict[str, DeviceTwin] = {}
        self._watched: dict[str, Callable[[], None]] = {}
        self.on_state: Callable[[str], None] | None = None
        """Called when a member said how it is, with its id."""

    def now(self) -> int:
        """Unix milliseconds."""
        return int(self._clock() * 1000)

    def declare(self, devices: Iterable[Device]) -> Membership:
        """From now on these are the members, no others. Identical declarations change nothing.

        A device that leaves takes its twins with it; one that stays keeps its values, under its new limits.
        """
        declared = {device.id: device for device in devices}
        stored = {d.id: d for d in self._journal.devices()} if not self._devices else {}
        before = stored.keys() | self._devices.keys()
        removed = [self._remove(device_id) for device_id in sorted(before - declared.keys())]
        for device in declared.values():
            self._keep(device, stored.get(device.id))
        added = [self._devices[device_id].member() for device_id in sorted(declared.keys() - before)]
        return Membership(added, removed)

    def members(self) -> list[MemberDevice]:
        """All members, by id."""
        return [twin.member() for _, twin in sorted(self._devices.items())]

    def device(self, device_id: str) -> Device | None:
        """The declaration of a member."""
        twin = self._devices.get(device_id)
        return twin.device if twin else None

    def update(self, device_id: str, update: Mapping[str, MsgTwin | None]) -> Outcome:
        """Apply a local update. Raises `Refused`; nothing is changed then."""
        twin = self._checked(device_id, update)
        outcome = machine.apply(twin.records, twin.properties, update, self.now(), self._rules)
        self._remember(device_id, twin, outcome)
        return outcome

    def cloud_update(self, device_id: str, update: Mapping[str, MsgTwin | None]) -> Outcome:
        """Apply a change made in the cloud; what is kept against it goes to the cloud again. Raises `Refused`;
        nothing is changed then."""
        twin = self._checked(device_id, update)
        outcome = cloud_update.apply(twin.records, twin.properties, update, self.now(), self._rules)
        twin.take(outcome.after)
        kept = {name: record.with_versions() for name, record in outcome.refused.items()}
        records = outcome.after | outcome.refused
        if records:
            self._journal.put(device_id, records, outcome.changed | kept, twin.private)
        return outcome

    def insist(self, device_id: str, names: Iterable[str]) -> None:
        """Wishes of the cloud for these properties cannot be: what is wished here stands, one version of the edge up,
        and the cloud is told. Properties that are not known are passed over."""
        twin = self._devices[device_id]
        kept = {name: _advanced(twin.records[name]) for name in names if name in twin.records}
        if kept:
            twin.take(kept)
            changed = {name: record.with_versions() for name, record in kept.items()}
            self._journal.put(device_id, kept, changed, twin.private)

    def report_all(self, device_ids: Iterable[str] | None = None) -> None:
        """Everything goes to the cloud, which knows nothing of these devices (None = of any): their twins as they
        are, and what they say of themselves."""
        for device_id in list(self._devices if device_ids is None else device_ids):
            twin = self._devices.get(device_id)
            if twin is None:
                continue
            names = list(twin.records)
            for start in range(0, len(names), TOLD_AT_ONCE):
                self._publish(twin, names[start : start + TOLD_AT_ONCE])
            if twin.state:
                self._put_state(device_id, DeviceState(twin.device.name, twin.state, twin.last_online))

    def get(self, device_id: str) -> dict[str, MsgTwin] | None:
        """What is shown of a member's twins, without the deleted ones; None when it is no member."""
        twin = self._devices.get(device_id)
        if twin is None:
            return None
        return {name: record.shown for name, record in twin.records.items() if not record.deleted}

    def delta(self, device_id: str) -> tuple[dict[str, MsgTwin], dict[str, str]] | None:
        """The member's wishes that are not met, as in `machine.delta`."""
        twin = self._devices[device_id]
        if not twin.wished:
            return None
        return machine.delta({name: twin.records[name] for name in sorted(twin.wished)})

    def watch(self, device_id: str, heard: Callable[[], None]) -> None:
        """From now on `heard` is called whenever this device was reported or wished here, came, left or went back to
        what was stored; what it is then is in `get`. A device has one watcher."""
        self._watched[device_id] = heard

    def state(self, device_id: str) -> DeviceState | None:
        """What a member said of itself last; None when it is no member."""
        twin = self._devices.get(device_id)
        return DeviceState(twin.device.name, twin.state, twin.last_online) if twin else None

    def set_state(self, device_id: str, state: str) -> DeviceState:
        """A member says how it is. Raises `Refused` for an unknown device or word."""
        twin = self._devices.get(device_id)
        if twin is None:
            raise Refused(404, NOT_A_MEMBER)
        if state.lower() not in STATES:
            raise Refused(400, f"device state {state[:32]!r} is none of {', '.join(sorted(STATES))}")
        twin.state = state
        alive = state.lower() in ("online", "ok")
        twin.last_online = datetime.fromtimestamp(self._clock(), UTC).strftime("%Y-%m-%dT%H:%M:%SZ") if alive else ""
        said = DeviceState(twin.device.name, state, twin.last_online)
        self._put_state(device_id, said)
        if self.on_state:
            self.on_state(device_id)
        return said

    def restore(self, device_ids: Iterable[str]) -> None:
        """Go back to what the journal has: updates of these devices could not be stored."""
        stored = {device.id: device for device in self._journal.devices()}
        for device_id in device_ids:
            if (twin := self._devices.get(device_id)) and (known := stored.get(device_id)):
                records = self._journal.records(device_id)
                self._devices[device_id] = DeviceTwin(twin.device, known.state, known.last_online, records)
                self._retype(self._devices[device_id])
                self._heard(device_id)

    def _heard(self, device_id: str) -> None:
        if device_id in self._watched:
            self._watched[device_id]()

    def _put_state(self, device_id: str, said: DeviceState) -> None:
        stored = StoredDevice(device_id, said.state, said.lastOnlineTime)
        self._journal.put_device(stored, msgspec.json.encode(said).decode())

    def _checked(self, device_id: str, update: Mapping[str, MsgTwin | None]) -> DeviceTwin:
        """Names and values first, then the device: the order in which KubeEdge finds fault."""
        twin = self._devices.get(device_id)
        known: Mapping[str, Record] = twin.records if twin else {}
        unsuspicious = self._rules.unsuspicious
        for name, wanted in update.items():
            if name not in known and (fault := self._rules.name_fault(name)):
                raise BadRequest(fault)
            for side in (wanted.expected, wanted.actual) if wanted else ():
                text = side.value if side else None
                if text and len(text) > unsuspicious and (fault := self._rules.value_fault(text)):
                    raise BadRequest(fault)
        if twin is None:
            raise Refused(404, NOT_A_MEMBER)
        return twin

    def _remember(self, device_id: str, twin: DeviceTwin, outcome: Outcome) -> None:
        if outcome.after:
            twin.take(outcome.after)
            self._journal.put(device_id, outcome.after, outcome.changed, twin.private)
            self._heard(device_id)

    def _keep(self, device: Device, stored: StoredDevice | None) -> None:
        known = self._devices.get(device.id)
        if known is not None and known.device == device:
            return
        if known is not None:
            state, last_online, records = known.state, known.last_online, known.records
        elif stored is not None:
            state, last_online, records = stored.state, stored.last_online, self._journal.records(device.id)
        else:
            state, last_online, records = "", "", {}
            self._journal.put_device(StoredDevice(device.id, state, last_online))
        twin = self._devices[device.id] = DeviceTwin(device, state, last_online, records)
        self._retype(twin)
        self._heard(device.id)
        if known is not None:
            self._publish(twin, known.private - twin.private)

    def _publish(self, twin: DeviceTwin, names: Iterable[str]) -> None:
        """Tell the cloud what these properties are."""
        records = {name: twin.records[name] for name in names if name in twin.records}
        if records:
            changed = {name: record.with_versions() for name, record in records.items()}
            self._journal.put(twin.device.id, records, changed, twin.private)

    def _retype(self, twin: DeviceTwin) -> None:
        """What is declared now about type and unit goes over what was remembered."""
        for name, prop in twin.properties.items():
            record = twin.records.get(name)
            metadata = TypeMetadata(self._rules.type_of(prop.type), prop.unit)
            if record is not None and not record.deleted and record.shown.metadata != metadata:
                shown = msgspec.structs.replace(record.shown, metadata=metadata)
                retyped = msgspec.structs.replace(record, shown=shown, type=metadata.type)
                twin.records[name] = retyped
                self._journal.put(twin.device.id, {name: retyped}, {name: retyped.with_versions()}, twin.private)

    def _remove(self, device_id: str) -> MemberDevice:
        self._journal.remove_device(device_id)
        gone = self._devices.pop(device_id, None)
        self._heard(device_id)
        return MemberDevice(device_id, gone.device.name if gone else device_id.partition("/")[2])


def _advanced(record: Record) -> Record:
    version = record.expected_version or TwinVersion()
    return msgspec.structs.replace(record, expected_version=TwinVersion(version.cloud, version.edge + 1))


def _wished(record: Record) -> bool:
    expected = record.shown.expected
    return expected is not None and bool(expected.value)
