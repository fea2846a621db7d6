"""What an edge reports, into what the cloud knows: decided by the version vectors. Pure.

The mirror of `cloud_update`, so that both ends decide a conflict alike: where edge and cloud set a desired value at
the same time, the edge's stays, and the cloud is told that its own is lost. A reported value is the edge's alone: one
with a higher number or, where numbers began anew or are missing, with a later time takes the place of the known one.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from twin.documents import MsgTwin, TwinValue
from twin.machine import DELETED, NOTHING, Record

__all__ = ["EdgeOutcome", "apply"]


@dataclass(slots=True)
class EdgeOutcome:
    """What a report did, by property name."""

    after: dict[str, Record] = field(default_factory=dict)
    """What to remember from now on; only what changed. Versions are as the edge sent them, so that the cloud's next
    desired value is one above what the edge has."""
    confirmed: set[str] = field(default_factory=set)
    """The edge has the cloud's desired value."""
    lost: dict[str, tuple[str, str]] = field(default_factory=dict)
    """(wanted, kept): the cloud's desired value gave way to the edge's."""
    stale: set[str] = field(default_factory=set)
    """Nothing of it was newer than what is known."""


def apply(known: Mapping[str, Record], sent: Mapping[str, MsgTwin | None]) -> EdgeOutcome:
    """Merge a report. A null among its twins says nothing: what is deleted comes as a tombstone with versions."""
    outcome = EdgeOutcome()
    for name, twin in sent.items():
        if twin is not None:
            _merge(outcome, name, known.get(name, Record(NOTHING)), twin)
    return outcome


def _merge(outcome: EdgeOutcome, name: str, ours: Record, sent: MsgTwin) -> None:
    news_expected = _judge_expected(outcome, name, ours, sent)
    news_actual = _newer_actual(ours, sent)
    if not news_expected and not news_actual and not _redeclared(ours, sent):
        outcome.stale.add(name)
        return
    kept = NOTHING if ours.deleted else ours.shown
    survives = _deleted(sent) and not news_expected and bool(_text(kept.expected))
    shown = MsgTwin(
        sent.expected if news_expected else kept.expected,
        sent.actual if news_actual else kept.actual,
        sent.optional if sent.optional is not None else kept.optional,
        kept.metadata if survives else sent.metadata or kept.metadata,
    )
    outcome.after[name] = Record(
        shown,
        shown.metadata.type if shown.metadata else "",
        sent.expected_version or ours.expected_version if news_expected else ours.expected_version,
        sent.actual_version or ours.actual_version if news_actual else ours.actual_version,
    )


def _judge_expected(outcome: EdgeOutcome, name: str, ours: Record, sent: MsgTwin) -> bool:
    """Whether the edge's desired value is news; what became of the cloud's is noted.

    A known vector is either one the edge has reported or a wish built on such a one, so a higher number of the cloud
    in it is a wish that the edge had not seen. A lower one tells that the cloud has forgotten a wish of its own, as
    when it was put back from a copy: what it wished since then counts from there, and the edge does not take it.
    Only the times tell such a wish from one that was known before the copy was made.
    """
    theirs, mine = sent.expected_version, ours.expected_version
    if theirs is None:
        return sent.expected is not None and mine is None and sent.expected != ours.shown.expected
    if mine is None:
        return True
    if (theirs.edge, theirs.cloud) < (mine.edge, mine.cloud):
        return False
    newer = _time(ours.shown.expected) > _time(sent.expected)
    if theirs.cloud < mine.cloud or (theirs.cloud > mine.cloud and newer):
        _note_loss(outcome, name, ours.shown.expected, sent.expected)
    else:
        outcome.confirmed.add(name)
    return theirs != mine


def _note_loss(outcome: EdgeOutcome, name: str, ours: TwinValue | None, theirs: TwinValue | None) -> None:
    wanted, kept = _text(ours), _text(theirs)
    if wanted == kept:
        outcome.confirmed.add(name)
    else:
        outcome.lost[name] = wanted, kept


def _newer_actual(ours: Record, sent: MsgTwin) -> bool:
    theirs, mine = sent.actual_version, ours.actual_version
    if sent.actual is None:
        counted = sent.expected_version or theirs
        return _deleted(sent) and not counted and not ours.deleted
    if theirs is not None and (mine is None or theirs.edge > mine.edge):
        return True
    if theirs is not None and (ours.deleted or theirs == mine):
        return False
    known = _time(ours.shown.actual)
    if theirs is not None and mine is not None:  # numbers began anew, or a late one: then not over what has no time
        return 0 < known < _time(sent.actual)
    return ours.shown.actual is None or _time(sent.actual) > known


def _redeclared(ours: Record, sent: MsgTwin) -> bool:
    """Only the type, the unit, or whether it may be deleted was changed: no version says so."""
    same = (sent.expected_version, sent.actual_version) == (ours.expected_version, ours.actual_version)
    known = (ours.shown.metadata, ours.shown.optional)
    counted = sent.expected_version or sent.actual_version
    return same and bool(counted) and sent.metadata is not None and (sent.metadata, sent.optional) != known


def _deleted(sent: MsgTwin) -> bool:
    return sent.metadata is not None and sent.metadata.type == DELETED


def _text(value: TwinValue | None) -> str:
    return (value.value or "") if value else ""


def _time(value: TwinValue | None) -> int:
    return value.metadata.timestamp if value and value.metadata else 0
