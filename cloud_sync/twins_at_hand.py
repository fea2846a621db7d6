"""The twins of an open log that are in use, as objects; all others are in its tables until they are asked for."""

from __future__ import annotations

import sqlite3
from collections import OrderedDict
from collections.abc import Callable, Iterable

import msgspec

from cloud_sync.known_twins import KnownProperty, KnownTwin
from twin.documents import DeviceState, MsgTwin
from twin.machine import Record

__all__ = ["StagedProperty", "TwinsAtHand"]

AT_HAND = 200_000
"""Properties kept in memory."""

StagedProperty = tuple[KnownTwin, str, KnownProperty]

_encode = msgspec.json.Encoder().encode
_record = msgspec.json.Decoder(MsgTwin).decode
_state = msgspec.json.Decoder(DeviceState).decode


class TwinsAtHand:
    """Raises `sqlite3.Error` when the tables cannot be read; `write` runs inside the caller's transaction."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._db = connection
        self._twins: OrderedDict[str, KnownTwin] = OrderedDict()
        """By name, the one used last at the end."""
        self._properties = 0
        self._next_device = 1 + (connection.execute("SELECT max(id) FROM device").fetchone()[0] or 0)
        self._next_property = 1 + (connection.execute("SELECT max(id) FROM property").fetchone()[0] or 0)

    @property
    def properties(self) -> int:
        """How many are in memory."""
        return self._properties

    def find(self, device: str) -> KnownTwin | None:
        """What is known of a device, or was until it was forgotten (its node is empty then)."""
        twin = self._twins.get(device)
        if twin is not None:
            self._twins.move_to_end(device)
            return twin
        twin = self._read(device)
        if twin is not None:
            self._keep(twin)
        return twin

    def get(self, device: str, node: str) -> KnownTwin:
        """The same; one that nothing is known of begins at this node."""
        twin = self.find(device)
        if twin is None:
            twin = KnownTwin(self._next_device, device, node)
            self._next_device += 1
            self._keep(twin)
        elif not twin.node:
            twin.node = node
        return twin

    def property(self, twin: KnownTwin, name: str) -> KnownProperty:
        """One of its properties, made when it is new."""
        known = twin.properties.get(name)
        if known is None:
            known = twin.properties[name] = KnownProperty(self._next_property)
            self._next_property += 1
            self._properties += 1
        return known

    def let_go(self, busy: Callable[[KnownTwin], bool]) -> None:
        """Keep no more than there is room for. Those that are `busy` are not in the tables yet: they stay."""
        for _ in range(len(self._twins)):
            if self._properties <= AT_HAND:
                return
            name, twin = next(iter(self._twins.items()))
            if busy(twin):
                self._twins.move_to_end(name)
                continue
            del self._twins[name]
            self._properties -= len(twin.properties)

    def clear(self) -> None:
        """What is in memory is not true: read everything again."""
        self._twins.clear()
        self._properties = 0

    def write(self, twins: Iterable[KnownTwin], properties: Iterable[StagedProperty]) -> None:
        """Put these into the tables as they are now."""
        self._db.executemany("INSERT OR REPLACE INTO device VALUES (?, ?, ?, ?, ?, ?)", map(_device_row, twins))
        rows = (_property_row(*one) for one in properties)
        self._db.executemany("INSERT OR REPLACE INTO property VALUES (?, ?, ?, ?, ?, ?)", rows)

    def _read(self, device: str) -> KnownTwin | None:
        query = "SELECT id, node, journal, state, received FROM device WHERE name = ?"
        row = self._db.execute(query, (device,)).fetchone()
        if row is None:
            return None
        number, node, journal, state, received = row
        twin = KnownTwin(number, device, node, journal, _state(state) if state else None, received)
        query = "SELECT name, id, record, open, recorded FROM property WHERE device = ?"
        for name, number, record, is_open, recorded in self._db.execute(query, (twin.id,)):
            known = Record.from_versions(_record(record))
            twin.properties[name] = KnownProperty(number, known, bool(is_open), recorded)
        return twin

    def _keep(self, twin: KnownTwin) -> None:
        self._twins[twin.name] = twin
        self._properties += len(twin.properties)


def _device_row(twin: KnownTwin) -> tuple[object, ...]:
    state = _encode(twin.state).decode() if twin.state else ""
    return twin.id, twin.name, twin.node, twin.journal, state, twin.received


def _property_row(twin: KnownTwin, name: str, known: KnownProperty) -> tuple[object, ...]:
    record = _encode(known.record.with_versions()).decode()
    return known.id, twin.id, name, record, int(known.open), known.recorded
