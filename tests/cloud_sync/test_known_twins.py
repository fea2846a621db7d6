"""What changes in a twin at hand: reports, wishes, edges that begin anew, and what of it is history."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cloud_sync.known_twins import KnownProperty, KnownTwin
from cloud_sync.twin_log import LostWish, Reading
from twin import cloud_update, machine
from twin.documents import DeviceState, MsgTwin, TwinValue, TwinVersion, TypeMetadata, ValueMetadata
from twin.machine import Record
from twin.rules import Rules

NOW = 1_786_000_000_000
INT, DELETED = TypeMetadata("int"), TypeMetadata("deleted")


def twin(*names: str, journal: str = "j") -> KnownTwin:
    properties = {name: KnownProperty(number) for number, name in enumerate(names or ("speed",), 1)}
    return KnownTwin(1, "default/pump", "press-shop", journal, properties=properties)


def actual(text: str, edge: int, time: int = 0) -> MsgTwin:
    said = TwinValue(text, ValueMetadata(time or NOW + edge))
    return MsgTwin(actual=said, optional=True, metadata=INT, actual_version=TwinVersion(0, edge))


def expected(text: str, cloud: int, edge: int) -> MsgTwin:
    return MsgTwin(TwinValue(text), metadata=INT, expected_version=TwinVersion(cloud, edge))


# ---- history


def test_a_reported_value_is_a_reading_once() -> None:
    known = KnownProperty(1)
    sent = MsgTwin(
        actual=TwinValue("5", ValueMetadata(NOW, NOW - 3, "uncertain", "above 4")), actual_version=TwinVersion(0, 1)
    )
    assert known.reading(sent, NOW + 9) == Reading(NOW, NOW - 3, "uncertain", "5", "above 4")
    assert known.reading(sent, NOW + 9) is None
    assert known.recorded == 1


def test_without_a_number_every_report_is_one_and_without_a_time_it_is_now() -> None:
    known = KnownProperty(1)
    for _ in range(2):
        assert known.reading(MsgTwin(actual=TwinValue("5")), NOW) == Reading(NOW, 0, "good", "5")


def test_only_a_reported_value_is_a_reading() -> None:
    assert KnownProperty(1).reading(expected("7", 0, 1), NOW) is None


def test_the_end_of_a_property_is_one() -> None:
    gone = MsgTwin(actual=TwinValue(), metadata=DELETED, actual_version=TwinVersion(0, 2))
    assert KnownProperty(1).reading(gone, NOW) == Reading(NOW, 0, "bad", None, "deleted")


@pytest.mark.parametrize(
    ("text", "edge", "anew"),
    [("3", 4, False), ("3", 3, False), ("3", 2, True), ("1", 1, True), ("4", 3, True)],
    ids=["goes on", "told again", "lower", "one", "another value by the same number"],
)
def test_numbers_that_were_used_belong_to_another_life(text: str, edge: int, anew: bool) -> None:
    known = twin()
    for number in range(1, 4):
        known.properties["speed"].reading(actual(str(number), number), NOW)
        known.report({"speed": actual(str(number), number)}, NOW)
    assert known.counts_anew({"speed": actual(text, edge), "other": actual("1", 1)}) is anew


def test_a_copy_that_is_ahead_is_no_other_life() -> None:
    known = twin()
    known.report({"speed": actual("9", 9)}, NOW)
    assert not known.counts_anew({"speed": actual("1", 1)})
    assert not known.counts_anew({"speed": expected("1", 0, 1)})


# ---- wishes


def test_a_wish_is_one_of_the_cloud_up() -> None:
    known = twin()
    known.report({"speed": expected("1", 0, 4)}, NOW)
    assert known.wish("speed", "5", NOW).expected_version == TwinVersion(1, 4)
    sent = known.wish("speed", "6", NOW)
    assert sent == MsgTwin(TwinValue("6", ValueMetadata(NOW)), metadata=INT, expected_version=TwinVersion(2, 4))
    assert known.properties["speed"].open


@pytest.mark.parametrize(
    ("said", "is_open", "lost"),
    [
        (expected("5", 1, 0), False, []),
        (expected("2", 0, 1), False, [("speed", LostWish("speed", "5", "2", NOW))]),
        (expected("5", 0, 1), False, []),
        (actual("1", 1), True, []),
    ],
    ids=["the edge has it", "the edge kept its own", "both wanted the same", "the edge has not seen it"],
)
def test_what_a_report_means_for_a_wish(said: MsgTwin, is_open: bool, lost: list[tuple[str, LostWish]]) -> None:
    known = twin()
    known.wish("speed", "5", NOW)
    assert known.report({"speed": said}, NOW) == lost
    assert known.properties["speed"].open is is_open
    assert known.report({"speed": said}, NOW) == []


def test_a_wish_for_what_was_deleted_begins_with_nothing_but_its_versions() -> None:
    known = twin()
    gone = MsgTwin(
        TwinValue(),
        TwinValue(),
        metadata=DELETED,
        expected_version=TwinVersion(3, 4),
        actual_version=TwinVersion(0, 7),
    )
    known.report({"speed": gone}, NOW)
    assert known.latest().twin == {}
    assert known.wish("speed", "5", NOW).expected_version == TwinVersion(4, 4)
    shown = known.latest().twin["speed"]
    assert (shown.actual, shown.actual_version) == (None, TwinVersion(0, 7))


# ---- beginning anew, and going


def test_an_edge_that_begins_anew_gets_what_is_desired_and_is_believed() -> None:
    known = twin("speed", "mode")
    known.report({"speed": actual("9", 9), "mode": expected("auto", 2, 3)}, NOW)
    known.begin_anew("k")
    assert known.journal == "k"
    assert known.latest().unmet == {"mode"}
    assert known.properties["mode"].wish().expected_version == TwinVersion(3, 0)
    assert known.properties["speed"].recorded == 0
    known.report({"speed": actual("1", 1, time=5)}, NOW)
    shown = known.latest().twin["speed"].actual
    assert shown is not None
    assert shown.value == "1"


def test_an_edge_that_is_met_for_the_first_time_does_not_begin_anew() -> None:
    known = twin(journal="")
    known.wish("speed", "5", NOW)
    known.properties["speed"].open = False
    known.begin_anew("j")
    assert known.journal == "j"
    assert not known.properties["speed"].open
    assert known.properties["speed"].record.expected_version == TwinVersion(1, 0)


def test_what_is_forgotten_has_nothing_but_names() -> None:
    known = twin()
    known.state = DeviceState("pump", "online")
    known.wish("speed", "5", NOW)
    known.report({"speed": actual("9", 9)}, NOW)
    known.forget()
    fresh = twin(journal="")
    fresh.node = ""
    assert known == fresh


LIVES = st.lists(st.integers(1, 6), min_size=1, max_size=6)


@given(LIVES)
def test_the_history_has_every_report_of_every_life(lives: list[int]) -> None:
    """As a log does it: each life counts from one, in the same journal."""
    known, told, kept = twin(), [], []
    for life, length in enumerate(lives):
        for edge in range(1, length + 1):
            sent = {"speed": actual(f"{life}.{edge}", edge)}
            told.append(f"{life}.{edge}")
            for _ in range(2):  # told again, as what the edge keeps against the cloud
                if known.counts_anew(sent):
                    known.begin_anew(known.journal)
                reading = known.properties["speed"].reading(sent["speed"], NOW)
                kept += [reading.value] if reading else []
                known.report(sent, NOW)
            shown = known.latest().twin["speed"].actual
            assert shown is not None
            assert shown.value == told[-1]
    assert kept == told


class Edge:
    """One device at an edge: its twins, all it ever told, and the journal whose numbers those are."""

    def __init__(self) -> None:
        self.records: dict[str, Record] = {}
        self.outbox: list[tuple[str, dict[str, MsgTwin]]] = []
        self.lives, self.time = 1, NOW

    def write(self, update: MsgTwin | None) -> None:
        self.time += 1
        self._keep(machine.apply(self.records, {}, {"speed": update}, self.time, Rules()))

    def obey(self, wish: MsgTwin) -> None:
        self.time += 1
        self._keep(cloud_update.apply(self.records, {}, {"speed": wish}, self.time, Rules()))

    def lose_everything(self) -> None:
        """What was told is told: the cloud gets it or not."""
        self.records, self.lives = {}, self.lives + 1
        self.outbox = []

    def _keep(self, outcome: machine.Outcome) -> None:
        self.records |= outcome.after
        told = [*outcome.changed.values(), *(record.with_versions() for record in outcome.refused.values())]
        self.outbox += [(f"journal {self.lives}", {"speed": one}) for one in told]


WRITES: dict[str, Callable[[str], MsgTwin | None]] = {
    "desire": lambda text: MsgTwin(expected=TwinValue(f"edge {text}")),
    "report": lambda text: MsgTwin(actual=TwinValue(f"real {text}")),
    "delete": lambda _: None,
}
STEPS = st.lists(
    st.tuples(st.sampled_from(["desire", "report", "delete", "wish", "deliver", "hear", "lose"]), st.integers(0, 9)),
    max_size=50,
)


def play(edge: Edge, cloud: KnownTwin, steps: list[tuple[str, int]]) -> None:
    """In any order; what is on its way does not survive an edge that begins anew: its connections are new, too."""
    wishes: list[MsgTwin] = []
    for number, (step, pick) in enumerate(steps):
        if step in WRITES:
            edge.write(WRITES[step](str(number)))
        elif step == "wish":
            wishes.append(cloud.wish("speed", f"cloud {number}", NOW))
        elif step == "deliver" and wishes:
            edge.obey(wishes[-1 - pick % len(wishes)])
        elif step == "hear" and edge.outbox:
            _hear(cloud, *edge.outbox[-1 - pick % len(edge.outbox)])
        elif step == "lose":
            edge.lose_everything()
            wishes.clear()


@settings(max_examples=300, deadline=None)
@given(STEPS)
def test_both_ends_agree_though_the_edge_lost_its_journal(steps: list[tuple[str, int]]) -> None:
    edge, cloud = Edge(), twin(journal="")
    play(edge, cloud, steps)
    edge.write(MsgTwin(actual=TwinValue("last")))  # from its new life a cloud has to hear something
    for _ in range(3):
        for told in edge.outbox:
            _hear(cloud, *told)
        if cloud.properties["speed"].open:
            edge.obey(cloud.properties["speed"].wish())
    assert not cloud.properties["speed"].open
    assert _shown(cloud.properties["speed"].record) == _shown(edge.records["speed"])


def _hear(cloud: KnownTwin, journal: str, sent: dict[str, MsgTwin]) -> None:
    if cloud.journal != journal:
        cloud.begin_anew(journal)
    cloud.report(sent, NOW)


def _shown(record: Record) -> tuple[str, str]:
    sides = record.shown.expected, record.shown.actual
    return tuple((side.value or "") if side else "" for side in sides)  # type: ignore[return-value]
