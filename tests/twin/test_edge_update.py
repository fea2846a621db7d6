"""Reports of an edge into a cloud's record: the rules one by one, and that both ends end equal."""

from __future__ import annotations

import dataclasses

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from twin import cloud_update, edge_update, machine
from twin.documents import MsgTwin, TwinValue, TwinVersion, TypeMetadata, ValueMetadata
from twin.machine import DELETED, FIRST, NOTHING, Record
from twin.rules import Rules

RULES = Rules()
INT = TypeMetadata("int")


def value(text: str | None, time: int = 0) -> TwinValue:
    return TwinValue(text, ValueMetadata(time) if time else None)


def wished(text: str, cloud: int, edge: int) -> Record:
    return Record.from_versions(MsgTwin(value(text), metadata=INT, expected_version=TwinVersion(cloud, edge)))


def reported(text: str, edge: int, time: int = 5) -> Record:
    return Record.from_versions(MsgTwin(actual=value(text, time), metadata=INT, actual_version=TwinVersion(0, edge)))


def said(text: str, cloud: int, edge: int) -> MsgTwin:
    return MsgTwin(value(text), metadata=INT, expected_version=TwinVersion(cloud, edge))


def merge(ours: Record | None, sent: MsgTwin | None) -> edge_update.EdgeOutcome:
    return edge_update.apply({"x": ours} if ours else {}, {"x": sent})


# ---- the desired side


def test_what_the_edge_desires_first_is_taken() -> None:
    outcome = merge(None, said("1", 0, 1))
    assert outcome.after["x"].shown.expected == value("1")
    assert not outcome.lost


def test_the_edge_has_the_wish() -> None:
    outcome = merge(wished("7", 3, 2), said("7", 3, 2))
    assert outcome.confirmed == {"x"}
    assert not outcome.after


def test_a_wish_on_its_way_stays_when_the_edge_has_not_seen_it() -> None:
    outcome = merge(wished("7", 3, 2), said("1", 2, 2))
    assert outcome.stale == {"x"}
    assert not outcome.after
    assert not outcome.confirmed


def test_at_the_same_time_the_edge_wins_and_the_wish_is_told_lost() -> None:
    outcome = merge(wished("7", 3, 2), said("1", 2, 3))
    assert outcome.lost == {"x": ("7", "1")}
    assert outcome.after["x"].expected_version == TwinVersion(2, 3)


def test_at_the_same_time_and_of_one_opinion_nothing_is_lost() -> None:
    outcome = merge(wished("7", 3, 2), said("7", 2, 3))
    assert not outcome.lost
    assert outcome.confirmed == {"x"}


def test_a_loss_is_told_once() -> None:
    lost = merge(wished("7", 1, 0), said("1", 0, 1))
    again = merge(lost.after["x"], said("2", 0, 2))
    assert not again.lost
    assert again.after["x"].shown.expected == value("2")


def test_the_edge_went_on_from_the_wish() -> None:
    outcome = merge(wished("7", 3, 2), said("8", 3, 3))
    assert outcome.confirmed == {"x"}
    assert not outcome.lost


@pytest.mark.parametrize("edge", [2, 6])
def test_a_cloud_put_back_from_a_copy_is_told_that_its_new_wish_is_lost(edge: int) -> None:
    """The edge has a wish from after the copy, with a higher number; it took that before the new one was made."""
    ours = wished("7", 3, 2)
    ours = replace(ours, shown=replace(ours.shown, expected=value("7", 900)))
    outcome = merge(ours, replace(said("1", 5, edge), expected=value("1", 800)))
    assert outcome.lost == {"x": ("7", "1")}
    assert outcome.after["x"].expected_version == TwinVersion(5, edge)


@pytest.mark.parametrize("edge", [2, 6])
def test_a_cloud_put_back_from_a_copy_learns_of_the_later_wish(edge: int) -> None:
    ours = wished("7", 3, 2)
    ours = replace(ours, shown=replace(ours.shown, expected=value("7", 700)))
    outcome = merge(ours, replace(said("1", 5, edge), expected=value("1", 800)))
    assert (outcome.lost, outcome.confirmed) == ({}, {"x"})
    assert outcome.after["x"].shown.expected == value("1", 800)


def test_an_old_report_changes_nothing() -> None:
    assert merge(wished("7", 3, 2), said("1", 0, 1)).stale == {"x"}


# ---- the reported side


@pytest.mark.parametrize(
    ("edge", "time", "newer"),
    [(4, 1, True), (3, 9, False), (2, 4, False), (2, 9, True)],
    ids=["higher number", "equal number", "lower number", "numbers began anew"],
)
def test_a_reported_value_is_newer_by_its_number_or_else_its_time(edge: int, time: int, newer: bool) -> None:
    sent = MsgTwin(actual=value("2", time), metadata=INT, actual_version=TwinVersion(0, edge))
    assert bool(merge(reported("1", 3), sent).after) is newer


@pytest.mark.parametrize(("time", "newer"), [(5, False), (6, True)])
def test_a_report_without_versions_is_newer_by_its_time(time: int, newer: bool) -> None:
    outcome = merge(reported("1", 3), MsgTwin(actual=value("2", time), metadata=INT))
    assert bool(outcome.after) is newer
    if newer:
        assert outcome.after["x"].actual_version == TwinVersion(0, 3)


def test_where_versions_were_forgotten_the_edge_is_believed_whatever_its_clock() -> None:
    ours = replace(reported("1", 3, time=500), actual_version=None)
    sent = MsgTwin(actual=value("2", 1), metadata=INT, actual_version=TwinVersion(0, 1))
    assert merge(ours, sent).after["x"].shown.actual == value("2", 1)


def test_another_type_is_taken_though_no_version_rose() -> None:
    sent = replace(reported("1", 3).with_versions(), metadata=TypeMetadata("float", "bar"))
    assert merge(reported("1", 3), sent).after["x"].shown.metadata == TypeMetadata("float", "bar")


# ---- deletion


def tombstone(edge: int) -> MsgTwin:
    return MsgTwin(actual=TwinValue(), metadata=TypeMetadata(DELETED), actual_version=TwinVersion(0, edge))


def test_a_tombstone_deletes_and_an_old_report_does_not_bring_it_back() -> None:
    buried = merge(reported("1", 3), tombstone(4)).after["x"]
    assert buried.deleted
    assert merge(buried, reported("1", 3, time=99).with_versions()).stale == {"x"}
    assert not merge(buried, reported("2", 5).with_versions()).after["x"].deleted


def test_a_late_report_is_not_shown_in_a_property_that_a_wish_has_revived() -> None:
    buried = Record(MsgTwin(metadata=TypeMetadata(DELETED)), DELETED, None, TwinVersion(0, 5))
    revived = replace(buried, shown=MsgTwin(value("7"), metadata=INT), type="int", expected_version=TwinVersion(1, 0))
    late = MsgTwin(actual=value("3", 4), metadata=INT, actual_version=TwinVersion(0, 4))
    assert "x" not in merge(revived, late).after


def test_an_old_tombstone_does_not_delete() -> None:
    assert merge(reported("1", 5), tombstone(4)).stale == {"x"}


def test_a_wish_the_edge_has_not_seen_survives_the_deletion() -> None:
    both = replace(reported("1", 3).with_versions(), expected=value("7"), expected_version=TwinVersion(1, 0))
    left = merge(Record.from_versions(both), tombstone(4)).after["x"]
    assert not left.deleted
    assert left.shown.expected == value("7")
    assert not left.shown.actual or left.shown.actual.value is None


def test_a_tombstone_of_who_counts_no_versions_deletes() -> None:
    assert merge(reported("1", 3), MsgTwin(metadata=TypeMetadata(DELETED))).after["x"].deleted


def test_a_null_says_nothing() -> None:
    assert merge(reported("1", 3), None) == edge_update.EdgeOutcome()


# ---- both ends


@dataclasses.dataclass
class Cloud:
    """A cloud's record of one property, and what became of each wish."""

    records: dict[str, Record] = dataclasses.field(default_factory=dict)
    wishes: list[MsgTwin] = dataclasses.field(default_factory=list)
    """Every wish there ever was: any of them may still be on its way."""
    undecided: str = ""
    superseded: set[str] = dataclasses.field(default_factory=set)
    lost: list[str] = dataclasses.field(default_factory=list)

    def wish(self, text: str) -> None:
        known = self.records.get("x", Record(NOTHING))
        version = known.expected_version or FIRST
        shown = NOTHING if known.deleted else known.shown
        shown = replace(shown, expected=value(text), metadata=shown.metadata or INT)
        up = TwinVersion(version.cloud + 1, version.edge)
        self.records["x"] = Record(shown, "int", up, known.actual_version)
        self.superseded |= {self.undecided}
        self.undecided = text
        self.wishes.append(MsgTwin(value(text), metadata=INT, expected_version=up))

    def hear(self, sent: MsgTwin) -> None:
        outcome = edge_update.apply(self.records, {"x": sent})
        self.records |= outcome.after
        self.lost += [wanted for wanted, _ in outcome.lost.values()]
        if "x" in outcome.confirmed or outcome.lost:
            self.undecided = ""


@dataclasses.dataclass
class Edge:
    """An edge's record of one property, and all it ever said."""

    records: dict[str, Record] = dataclasses.field(default_factory=dict)
    outbox: list[MsgTwin] = dataclasses.field(default_factory=list)
    accepted: set[str] = dataclasses.field(default_factory=set)
    time: int = 1

    def write(self, update: MsgTwin | None) -> None:
        self.time += 1
        self._keep(machine.apply(self.records, {}, {"x": update}, self.time, RULES))

    def obey(self, wish: MsgTwin) -> None:
        self.time += 1
        outcome = cloud_update.apply(self.records, {}, {"x": wish}, self.time, RULES)
        if outcome.after and wish.expected and wish.expected.value:
            self.accepted.add(wish.expected.value)
        self._keep(outcome)

    def _keep(self, outcome: machine.Outcome) -> None:
        self.records |= outcome.after
        kept = [record.with_versions() for record in outcome.refused.values()]
        self.outbox += [*outcome.changed.values(), *kept]


STEPS = st.lists(
    st.tuples(st.sampled_from(["desire", "report", "delete", "wish", "deliver", "hear"]), st.integers(0, 30)),
    max_size=60,
)


def play(steps: list[tuple[str, int]]) -> tuple[Edge, Cloud]:
    """Steps in any order: what is sent may be lost (never delivered), doubled and overtaken (any index)."""
    edge, cloud = Edge(), Cloud()
    for number, (step, pick) in enumerate(steps):
        match step:
            case "desire":
                edge.write(MsgTwin(expected=value(str(1000 + number)), metadata=INT))
            case "report":
                edge.write(MsgTwin(actual=value(str(2000 + number)), metadata=INT))
            case "delete":
                edge.write(None)
            case "wish":
                cloud.wish(str(number))
            case "deliver" if cloud.wishes:
                edge.obey(cloud.wishes[-1 - pick % len(cloud.wishes)])
            case "hear" if edge.outbox:
                cloud.hear(edge.outbox[-1 - pick % len(edge.outbox)])
    settle(edge, cloud)
    return edge, cloud


def settle(edge: Edge, cloud: Cloud) -> None:
    """The link is good again: everything is sent anew, in order."""
    for sent in edge.outbox:
        cloud.hear(sent)
    if cloud.undecided:
        news = len(edge.outbox)
        edge.obey(cloud.wishes[-1])
        for sent in edge.outbox[news:]:
            cloud.hear(sent)


def shown(records: dict[str, Record]) -> tuple[str, str]:
    both = records.get("x", Record(NOTHING)).shown
    return tuple((side.value or "") if side else "" for side in (both.expected, both.actual))  # type: ignore[return-value]


@settings(max_examples=500, deadline=None)
@given(STEPS)
def test_both_ends_agree_in_the_end(steps: list[tuple[str, int]]) -> None:
    edge, cloud = play(steps)
    assert shown(edge.records) == shown(cloud.records)
    assert not cloud.undecided


@settings(max_examples=500, deadline=None)
@given(STEPS)
def test_every_wish_reaches_the_edge_or_is_told_lost(steps: list[tuple[str, int]]) -> None:
    edge, cloud = play(steps)
    wishes = {wish.expected.value for wish in cloud.wishes if wish.expected}
    assert wishes <= edge.accepted | set(cloud.lost) | cloud.superseded
    assert edge.accepted.isdisjoint(cloud.lost)
    assert len(cloud.lost) == len(set(cloud.lost))
