"""The twins a log knows, as objects at hand: what changes in them, and what of that is still to be written."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import dataclass, field

from msgspec.structs import replace

from cloud_sync.twin_log import Latest, LostWish, Reading
from twin import edge_update
from twin.documents import DeviceState, MsgTwin, TwinValue, TwinVersion, TypeMetadata, ValueMetadata
from twin.machine import DELETED, FIRST, NOTHING, Record
from twin.rules import Rules

__all__ = ["NOTHING_KNOWN", "PROPERTIES", "KnownProperty", "KnownTwin"]

logger = logging.getLogger("cloud_sync")

NOTHING_KNOWN = Record(NOTHING)
PROPERTIES = 2 * Rules().properties
"""Of one device, those included that were deleted."""


@dataclass(slots=True)
class KnownProperty:
    """One property of one device."""

    id: int
    record: Record = NOTHING_KNOWN
    open: bool = False
    """The edge has not confirmed the desired value."""
    recorded: int = 0
    """The edge's number of the last reading in the history."""

    def wish(self) -> MsgTwin:
        """The desired value, as it is sent to the edge."""
        shown = self.record.shown
        return MsgTwin(
            expected=shown.expected,
            metadata=shown.metadata or TypeMetadata("string"),
            expected_version=self.record.expected_version,
        )

    def reading(self, sent: MsgTwin, now: int) -> Reading | None:
        """What a report adds to the history: its reported value, unless that is in there already."""
        actual, version = sent.actual, sent.actual_version
        if actual is None or (version is not None and version.edge <= self.recorded):
            return None
        self.recorded = version.edge if version else self.recorded
        if sent.metadata is not None and sent.metadata.type == DELETED:
            return Reading(now, 0, "bad", None, "deleted")
        said = actual.metadata or ValueMetadata(now)
        return Reading(said.timestamp or now, said.sourceTimestamp, said.quality, actual.value, said.reason)

    def counted(self, sent: MsgTwin) -> bool:
        """Whether the history is beyond this number, or has another value by it."""
        version, known = sent.actual_version, self.record
        if version is None or version.edge > self.recorded:
            return False
        same = version == known.actual_version
        return version.edge < self.recorded or (same and _text(sent.actual) != _text(known.shown.actual))


@dataclass(slots=True)
class KnownTwin:
    """One device."""

    id: int
    name: str
    node: str
    journal: str = ""
    """Whose changes the versions count; empty = of an edge that does not say."""
    state: DeviceState | None = None
    received: int = 0
    properties: dict[str, KnownProperty] = field(default_factory=dict)
    full: bool = False
    """It was told that there is no room for more of them."""

    def begin_anew(self, journal: str) -> None:
        """The edge knows nothing of what was: its numbers begin at one, and it needs the desired values again."""
        met, self.journal = bool(self.journal) or self._reported(), journal
        if journal and not met:
            return
        for known in self.properties.values():
            record, known.recorded = known.record, 0
            wished = record.expected_version if _text(record.shown.expected) else None
            known.open = wished is not None
            renewed = TwinVersion(wished.cloud + 1, 0) if wished else None
            known.record = replace(record, expected_version=renewed, actual_version=None)

    def _reported(self) -> bool:
        """Whether an edge has said anything yet: if not, there is nothing to begin anew."""
        records = [known.record for known in self.properties.values()]
        return any(r.actual_version or (r.expected_version and r.expected_version.edge) for r in records)

    def forget(self) -> None:
        """The device is gone; what is left are the names of its properties, under which its readings are kept."""
        self.node, self.state, self.journal, self.received = "", None, "", 0
        for known in self.properties.values():
            known.record, known.open, known.recorded = NOTHING_KNOWN, False, 0

    def latest(self) -> Latest:
        """What it is now, as a log tells it."""
        alive = {name: known for name, known in self.properties.items() if not known.record.deleted}
        shown = {name: known.record.with_versions() for name, known in alive.items()}
        unmet = frozenset(name for name, known in alive.items() if known.open)
        return Latest(self.name, self.node, shown, self.state, self.received, unmet)

    def counts_anew(self, sent: Mapping[str, MsgTwin]) -> bool:
        """Whether a report that comes in its turn has numbers of an earlier one: the edge has forgotten the device
        meanwhile, as when its declaration went and came back."""
        known = self.properties
        return any(name in known and known[name].counted(twin) for name, twin in sent.items())

    def fitting(self, sent: Mapping[str, MsgTwin]) -> Mapping[str, MsgTwin]:
        """The part of a report for which there is room; the names of properties that were deleted take room too."""
        known = self.properties
        new = [name for name in sent if name not in known]
        if len(known) + len(new) <= PROPERTIES:
            return sent
        over = frozenset(new[max(0, PROPERTIES - len(known)) :])
        if not self.full:
            self.full = True
            logger.warning("%s has %d properties; further ones are passed over", self.name, PROPERTIES)
        return {name: twin for name, twin in sent.items() if name not in over}

    def report(self, sent: Mapping[str, MsgTwin], now: int) -> list[tuple[str, LostWish]]:
        """Take what an edge reports; the properties must be known. Returns the wishes that gave way to it."""
        records = {name: self.properties[name].record for name in sent}
        outcome = edge_update.apply(records, sent)
        for name, record in outcome.after.items():
            self.properties[name].record = record
        for name in outcome.confirmed | outcome.lost.keys():
            self.properties[name].open = False
        self.received = now
        return [(name, LostWish(name, wanted, kept, now)) for name, (wanted, kept) in outcome.lost.items()]

    def wish(self, name: str, value: str, now: int) -> MsgTwin:
        """Set a desired value; the property must be known. Returns what to send."""
        known = self.properties[name]
        record = NOTHING_KNOWN if known.record.deleted else known.record
        before = known.record.expected_version or FIRST
        metadata = record.shown.metadata or TypeMetadata("string")
        shown = replace(record.shown, expected=TwinValue(value, ValueMetadata(now)), metadata=metadata)
        version = TwinVersion(before.cloud + 1, before.edge)
        known.record = Record(shown, metadata.type, version, known.record.actual_version)
        known.open = True
        return known.wish()


def _text(value: TwinValue | None) -> str:
    return (value.value or "") if value else ""
