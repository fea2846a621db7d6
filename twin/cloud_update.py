"""Changes made in the cloud, against what the edge holds: decided by the version vectors. Pure.

A side (expected or actual) is taken when neither number of ours is greater than the sent one; an equal vector is
taken too. What is not taken, the edge keeps and tells the cloud again.
"""

from __future__ import annotations

from collections.abc import Mapping

from msgspec.structs import replace

from device_models import Property, limits
from twin.documents import MsgTwin, TwinChange, TwinValue, TwinVersion, ValueMetadata
from twin.machine import DELETED, NOTHING, Outcome, Record, bury, check_type, limit_count, type_metadata
from twin.refused import Refused
from twin.rules import Rules

HIGHEST_VERSION = 2**53
"""More than all changes ever made, and far enough from 64 bits that local changes can still count on from it."""


def apply(
    twins: Mapping[str, Record],
    declared: Mapping[str, Property],
    update: Mapping[str, MsgTwin | None],
    now: int,
    rules: Rules,
) -> Outcome:
    """A change made in the cloud: each side carries the version vector it was decided by.

    A side is taken when neither number of ours is greater than the sent one, else it lands in `refused`.
    Raises `Refused` when an entry is null or lacks its metadata, when a value is not of the type, when a desired
    one may not be set, or when a version is no count of changes.
    """
    outcome = Outcome()
    for name, sent in update.items():
        if sent is None or sent.metadata is None:
            raise Refused(400, f"cloud update of {name}: give metadata.type and the version of each value")
        _check_version(name, sent.expected_version)
        _check_version(name, sent.actual_version)
        _take_from_cloud(outcome, name, twins.get(name), sent, declared.get(name), now, rules)
    limit_count(twins, outcome, rules)
    return outcome


def _check_version(name: str, version: TwinVersion | None) -> None:
    if version and not (0 <= version.cloud <= HIGHEST_VERSION and 0 <= version.edge <= HIGHEST_VERSION):
        raise Refused(400, f"cloud update of {name}: a version counts changes, from 0 to {HIGHEST_VERSION}")


def _take_from_cloud(
    outcome: Outcome,
    name: str,
    known: Record | None,
    sent: MsgTwin,
    prop: Property | None,
    now: int,
    rules: Rules,
) -> None:
    assert sent.metadata is not None
    base = known or Record(NOTHING)
    takes_expected = _newer(sent.expected_version, base.expected_version)
    takes_actual = _newer(sent.actual_version, base.actual_version)
    if sent.metadata.type == DELETED:
        _bury_from_cloud(outcome, name, known, sent, takes_expected, takes_actual)
        return
    kept = base.shown.metadata if known and not known.deleted else None
    metadata = kept or type_metadata(sent, prop, rules)
    expected = _cloud_value(name, sent.expected, metadata.type, now, rules) if takes_expected else None
    actual = _cloud_value(name, sent.actual, metadata.type, now, rules) if takes_actual else None
    if prop and expected and (reason := limits.refusal(prop, expected.value or "")):
        raise Refused(400, f"{name}: {reason}")
    if expected is None and actual is None:
        if known is None:
            outcome.document[name] = TwinChange()
        else:
            outcome.refused[name] = known
        return
    optional = base.shown.optional if base.shown.optional is not None else sent.optional is not False
    shown = MsgTwin(expected or base.shown.expected, actual or base.shown.actual, optional, metadata)
    outcome.document[name] = TwinChange(known.shown if known and not known.deleted else None, shown)
    outcome.after[name] = Record(
        shown,
        metadata.type,
        sent.expected_version if expected else base.expected_version,
        sent.actual_version if actual else base.actual_version,
    )
    outcome.changed[name] = outcome.after[name].with_versions()
    if (sent.expected and not expected) or (sent.actual and not actual):
        outcome.refused[name] = outcome.after[name]


def _bury_from_cloud(
    outcome: Outcome, name: str, known: Record | None, sent: MsgTwin, takes_expected: bool, takes_actual: bool
) -> None:
    if known is None:
        outcome.document[name] = TwinChange()
    elif (sent.expected_version and not takes_expected) or (sent.actual_version and not takes_actual):
        outcome.refused[name] = known
    else:
        expected = sent.expected_version or known.expected_version
        bury(outcome, name, known, expected, sent.actual_version or known.actual_version)


def _newer(sent: TwinVersion | None, ours: TwinVersion | None) -> bool:
    if sent is None:
        return False
    return ours is None or (ours.cloud <= sent.cloud and ours.edge <= sent.edge)


def _cloud_value(name: str, sent: TwinValue | None, type_name: str, now: int, rules: Rules) -> TwinValue | None:
    if sent is None:
        return None
    if sent.value is None:
        raise Refused(400, f"cloud update of {name}: a value is missing")
    check_type(sent.value, type_name, rules)
    return TwinValue(sent.value, replace(sent.metadata or ValueMetadata(), timestamp=now))
