"""The state machine of twins: an update and what is known, in; what changed, out. Pure.

The rules are KubeEdge's (expected and actual sides, version vectors, tombstones), without its crashes. One bad
property refuses the whole update, so nothing of it is kept.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from msgspec import Struct
from msgspec.structs import replace

from device_models import Property, limits
from twin.documents import MsgTwin, Quality, TwinChange, TwinValue, TwinVersion, TypeMetadata, ValueMetadata
from twin.refused import Refused
from twin.rules import Rules

DELETED = "deleted"
NOTHING = MsgTwin()
EMPTY_VALUE = TwinValue()
"""What a side of a tombstone holds: nothing, but it was there."""
FIRST = TwinVersion()
LONGEST_REASON = 4096
"""Characters of why a quality is not good."""


class Record(Struct, frozen=True, gc=False):
    """One property as it is remembered: what is shown, and the version vector of each side that was ever set."""

    shown: MsgTwin
    type: str = ""
    """The type in `shown.metadata`, at hand. `deleted` = a tombstone: the values are gone, the versions stay so
    that an old one cannot come back."""
    expected_version: TwinVersion | None = None
    actual_version: TwinVersion | None = None

    @property
    def deleted(self) -> bool:
        return self.type == DELETED

    def with_versions(self) -> MsgTwin:
        """The form for the journal and the cloud."""
        s = self.shown
        return MsgTwin(s.expected, s.actual, s.optional, s.metadata, self.expected_version, self.actual_version)

    @classmethod
    def from_versions(cls, twin: MsgTwin) -> Record:
        """The inverse of `with_versions`."""
        shown = replace(twin, expected_version=None, actual_version=None)
        return cls(shown, twin.metadata.type if twin.metadata else "", twin.expected_version, twin.actual_version)


@dataclass(slots=True)
class Outcome:
    """What an accepted update did, by property name."""

    result: dict[str, MsgTwin | None] = field(default_factory=dict)
    """For `twin/update/result`: the part that was set."""
    document: dict[str, TwinChange] = field(default_factory=dict)
    """For `twin/update/document`: before and after."""
    after: dict[str, Record] = field(default_factory=dict)
    """What to remember from now on, equal reports (new times only) included."""
    changed: dict[str, MsgTwin] = field(default_factory=dict)
    """Those of `after` whose value, quality or type really changed, with their versions: they are journalled and
    go to the cloud."""
    refused: dict[str, Record] = field(default_factory=dict)
    """Cloud updates only: what the edge keeps against the cloud, and tells it."""


def apply(
    twins: Mapping[str, Record],
    declared: Mapping[str, Property],
    update: Mapping[str, MsgTwin | None],
    now: int,
    rules: Rules,
) -> Outcome:
    """A local update (an app's or a mapper's). `now` is the receive time in Unix milliseconds.

    Raises `Refused` when one property is not allowed.
    """
    outcome = Outcome()
    for name, wanted in update.items():
        known = twins.get(name)
        if wanted is None:
            _delete(outcome, name, known)
        elif known is None or known.type == DELETED:
            _create(outcome, name, known, wanted, declared.get(name), now, rules)
        elif wanted.expected is None and wanted.actual is not None and wanted.optional is None:
            _report(outcome, name, known, wanted.actual, declared.get(name), now, rules)
        else:
            _change(outcome, name, known, wanted, declared.get(name), now, rules)
    limit_count(twins, outcome, rules)
    return outcome


def delta(twins: Mapping[str, Record]) -> tuple[dict[str, MsgTwin], dict[str, str]] | None:
    """The wishes not met: every property with a wish, and the wished text of those that differ (as text).

    None when all wishes are met.
    """
    wished = {name: r.shown for name, r in twins.items() if r.shown.expected and r.shown.expected.value}
    differing = {}
    for name, shown in wished.items():
        actual = shown.actual.value if shown.actual else None
        if shown.expected and shown.expected.value is not None and shown.expected.value != (actual or ""):
            differing[name] = shown.expected.value
    return (wished, differing) if differing else None


def limit_count(twins: Mapping[str, Record], outcome: Outcome, rules: Rules) -> None:
    if outcome.after and len(twins) + len(outcome.after) > rules.properties:
        total = len(twins.keys() | outcome.after.keys())
        if total > rules.properties:
            raise Refused(400, f"a device may have {rules.properties} properties, this update would make it {total}")


def _delete(outcome: Outcome, name: str, known: Record | None) -> None:
    if known is None:
        outcome.document[name] = TwinChange()
    elif known.deleted:
        outcome.document[name] = TwinChange(last=known.shown)
    elif known.shown.optional:
        outcome.result[name] = None
        bury(outcome, name, known, _next(known.expected_version), _next(known.actual_version))


def bury(
    outcome: Outcome, name: str, known: Record, expected: TwinVersion | None, actual: TwinVersion | None
) -> None:
    shown = MsgTwin(
        expected=EMPTY_VALUE if expected else None,
        actual=EMPTY_VALUE if actual else None,
        optional=known.shown.optional,
        metadata=TypeMetadata(type=DELETED),
    )
    outcome.document[name] = TwinChange(last=known.shown)
    outcome.after[name] = Record(shown, DELETED, expected, actual)
    outcome.changed[name] = outcome.after[name].with_versions()


def _next(version: TwinVersion | None) -> TwinVersion | None:
    return TwinVersion(version.cloud, version.edge + 1) if version else None


def _create(
    outcome: Outcome,
    name: str,
    tombstone: Record | None,
    wanted: MsgTwin,
    prop: Property | None,
    now: int,
    rules: Rules,
) -> None:
    if wanted.metadata and wanted.metadata.type == DELETED:
        outcome.document[name] = TwinChange()
        return
    metadata = type_metadata(wanted, prop, rules)
    expected = _expected(name, wanted.expected, metadata.type, prop, now, rules)
    actual = _actual(name, wanted.actual, None, metadata.type, prop, now, rules) if wanted.actual else None
    optional = wanted.optional is not False
    buried = tombstone or Record(NOTHING)
    shown = MsgTwin(expected or buried.shown.expected, actual or buried.shown.actual, optional, metadata)
    record = Record(
        shown,
        metadata.type,
        _advanced(expected, buried.expected_version),
        _advanced(actual, buried.actual_version),
    )
    outcome.result[name] = MsgTwin(expected, actual, optional, metadata)
    outcome.document[name] = TwinChange(current=shown)
    outcome.after[name] = record
    outcome.changed[name] = outcome.after[name].with_versions()


def _advanced(value: TwinValue | None, version: TwinVersion | None) -> TwinVersion | None:
    return _next(version or FIRST) if value else version


def type_metadata(wanted: MsgTwin, prop: Property | None, rules: Rules) -> TypeMetadata:
    if prop is not None:
        return TypeMetadata(rules.type_of(prop.type), prop.unit)
    return TypeMetadata(wanted.metadata.type) if wanted.metadata else TypeMetadata("string")


def _report(
    outcome: Outcome, name: str, known: Record, sent: TwinValue, prop: Property | None, now: int, rules: Rules
) -> None:
    """`_change` for what nearly every update is: a mapper's reading of a property that is known."""
    before = known.shown
    actual = _actual(name, sent, before.actual, known.type, prop, now, rules)
    shown = MsgTwin(before.expected, actual, before.optional, before.metadata)
    outcome.result[name] = MsgTwin(None, actual, before.optional, before.metadata) if before.expected else shown
    outcome.document[name] = TwinChange(before, shown)
    if _differs(actual, before.actual):
        record = Record(shown, known.type, known.expected_version, _next(known.actual_version or FIRST))
        outcome.changed[name] = record.with_versions()
    else:
        record = Record(shown, known.type, known.expected_version, known.actual_version)
    outcome.after[name] = record


def _change(
    outcome: Outcome,
    name: str,
    known: Record,
    wanted: MsgTwin,
    prop: Property | None,
    now: int,
    rules: Rules,
) -> None:
    before = known.shown
    expected = _expected(name, wanted.expected, known.type, prop, now, rules) if wanted.expected else None
    actual = _actual(name, wanted.actual, before.actual, known.type, prop, now, rules) if wanted.actual else None
    fixed = wanted.optional is False and bool(before.optional)
    if expected is None and actual is None:
        retyped = wanted.metadata is not None and wanted.metadata.type != known.type
        if not fixed and not retyped:
            return
        outcome.result[name] = MsgTwin(optional=False) if fixed else NOTHING
    optional = False if fixed else before.optional
    shown = MsgTwin(expected or before.expected, actual or before.actual, optional, before.metadata)
    if expected or actual:
        outcome.result[name] = MsgTwin(expected, actual, optional, before.metadata)
    news = _differs(expected, before.expected), _differs(actual, before.actual)
    outcome.document[name] = TwinChange(before, shown)
    outcome.after[name] = Record(
        shown,
        known.type,
        _next(known.expected_version or FIRST) if news[0] else known.expected_version,
        _next(known.actual_version or FIRST) if news[1] else known.actual_version,
    )
    if fixed or any(news):
        outcome.changed[name] = outcome.after[name].with_versions()


def _differs(new: TwinValue | None, old: TwinValue | None) -> bool:
    """Whether there is more to a new value than its times."""
    if new is None:
        return False
    if old is None or new.value != old.value:
        return True
    was, is_ = old.metadata, new.metadata
    if was is None or is_ is None:
        return was is not is_
    return is_.quality != was.quality or is_.reason != was.reason


def _expected(
    name: str, sent: TwinValue | None, type_name: str, prop: Property | None, now: int, rules: Rules
) -> TwinValue | None:
    if sent is None:
        return None
    if sent.value is None:
        raise Refused(400, f"the expected value of {name} is missing: give it as text in expected.value")
    check_type(sent.value, type_name, rules)
    if prop is not None and (reason := limits.refusal(prop, sent.value)):
        raise Refused(400, f"{name}: {reason}")
    return TwinValue(sent.value, ValueMetadata(now))


def _actual(
    name: str,
    sent: TwinValue,
    before: TwinValue | None,
    type_name: str,
    prop: Property | None,
    now: int,
    rules: Rules,
) -> TwinValue:
    value, said = sent.value, sent.metadata
    if said is not None and len(said.reason) > LONGEST_REASON:
        raise Refused(400, f"the reason given with {name} has more than {LONGEST_REASON} characters")
    if value is None:
        if said is None or said.quality == "good":
            raise Refused(400, f"the actual value of {name} is missing: give it as text in actual.value")
        return _distrusted(before or EMPTY_VALUE, said.quality, said.reason)
    check_type(value, type_name, rules)
    limited = prop is not None and (prop.minimum is not None or prop.maximum is not None)
    remark = limits.remark(prop, value) if prop is not None and limited else None
    if said is None:
        return TwinValue(value, ValueMetadata(now, 0, "uncertain", remark) if remark else ValueMetadata(now))
    measured = said.sourceTimestamp or said.timestamp
    if remark and said.quality == "good":
        return TwinValue(value, ValueMetadata(now, measured, "uncertain", remark))
    return TwinValue(value, ValueMetadata(now, measured, said.quality, said.reason))


def _distrusted(before: TwinValue, quality: Quality, reason: str) -> TwinValue:
    """The last value with its own times: nothing was read, so nothing is fresh."""
    times = before.metadata or ValueMetadata()
    return TwinValue(before.value, replace(times, quality=quality, reason=reason))


def check_type(text: str, type_name: str, rules: Rules) -> None:
    if reason := rules.type_fault(type_name, text):
        raise Refused(400, reason)
