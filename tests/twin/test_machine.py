"""The state machine against a simple model of KubeEdge's rules, and the rules one by one."""

from __future__ import annotations

import pytest
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from device_models import AccessMode, DataType, Property
from twin import cloud_update, machine
from twin.documents import MsgTwin, TwinChange, TwinValue, TwinVersion, TypeMetadata, ValueMetadata
from twin.machine import Record
from twin.refused import Refused
from twin.rules import Rules

RULES = Rules()
INT = TypeMetadata("int")


def report(value: str | None, **metadata: object) -> MsgTwin:
    return MsgTwin(actual=TwinValue(value, ValueMetadata(**metadata) if metadata else None))  # type: ignore[arg-type]


def wish(value: str) -> MsgTwin:
    return MsgTwin(expected=TwinValue(value))


class Device:
    """The twins of one device, updated as the keeper does it."""

    def __init__(self, *properties: Property, rules: Rules = RULES) -> None:
        self.twins: dict[str, Record] = {}
        self.declared = {p.name: p for p in properties}
        self.rules = rules
        self.now = 1000

    def update(self, **update: MsgTwin | None) -> machine.Outcome:
        self.now += 1
        outcome = machine.apply(self.twins, self.declared, update, self.now, self.rules)
        self.twins.update(outcome.after)
        return outcome

    def cloud(self, **update: MsgTwin | None) -> machine.Outcome:
        self.now += 1
        outcome = cloud_update.apply(self.twins, self.declared, update, self.now, self.rules)
        self.twins.update(outcome.after)
        return outcome


def test_a_first_report_makes_a_twin() -> None:
    device = Device()
    outcome = device.update(speed=MsgTwin(actual=TwinValue("1200"), metadata=INT))
    shown = MsgTwin(actual=TwinValue("1200", ValueMetadata(1001)), optional=True, metadata=INT)
    assert outcome.result == {"speed": shown}
    assert outcome.document == {"speed": TwinChange(None, shown)}
    assert device.twins["speed"].actual_version == TwinVersion(0, 1)
    assert device.twins["speed"].expected_version is None


def test_an_equal_report_is_fresh_but_no_change() -> None:
    device = Device()
    device.update(speed=report("1"))
    outcome = device.update(speed=report("1"))
    assert outcome.changed == {}
    shown = device.twins["speed"].shown
    assert shown.actual is not None
    assert shown.actual.metadata == ValueMetadata(1002)
    assert device.twins["speed"].actual_version == TwinVersion(0, 1)


def test_a_wish_opens_a_delta_and_the_report_closes_it() -> None:
    device = Device()
    device.update(speed=report("1200"))
    device.update(speed=wish("1500"))
    found = machine.delta(device.twins)
    assert found is not None
    assert found[1] == {"speed": "1500"}
    device.update(speed=report("1500"))
    assert machine.delta(device.twins) is None


def test_the_delta_compares_text() -> None:
    device = Device()
    device.update(temperature=report("21.50"))
    device.update(temperature=wish("21.5"))
    assert machine.delta(device.twins) is not None


def test_one_bad_property_refuses_the_whole_update() -> None:
    device = Device()
    device.update(speed=MsgTwin(actual=TwinValue("1"), metadata=INT), label=report("north"))
    before = dict(device.twins)
    with pytest.raises(Refused, match="the value is not int or integer"):
        device.update(label=report("south"), speed=report("fast"))
    assert device.twins == before


@pytest.mark.parametrize("side", [{"expected": TwinValue()}, {"actual": TwinValue()}])
def test_a_missing_value_is_refused(side: dict[str, TwinValue]) -> None:
    device = Device()
    with pytest.raises(Refused, match="missing") as refused:
        device.update(speed=MsgTwin(**side))  # type: ignore[arg-type]
    assert refused.value.code == 400
    assert device.twins == {}


def test_a_failed_reading_keeps_the_value_and_its_times() -> None:
    device = Device()
    device.update(speed=report("1200", sourceTimestamp=900))
    outcome = device.update(speed=report(None, quality="bad", reason="no answer"))
    actual = device.twins["speed"].shown.actual
    assert actual == TwinValue("1200", ValueMetadata(1001, 900, "bad", "no answer"))
    assert set(outcome.changed) == {"speed"}
    assert device.update(speed=report(None, quality="bad", reason="no answer")).changed == {}


def test_a_property_that_was_never_read_may_be_bad() -> None:
    device = Device()
    device.update(speed=report(None, quality="bad", reason="no answer"))
    assert device.twins["speed"].shown.actual == TwinValue(None, ValueMetadata(0, 0, "bad", "no answer"))


def test_delete_leaves_a_tombstone_that_a_report_revives() -> None:
    device = Device()
    device.update(label=report("a"))
    assert device.update(label=None).result == {"label": None}
    assert device.twins["label"].deleted
    assert device.twins["label"].actual_version == TwinVersion(0, 2)
    assert device.update(label=None).result == {}
    outcome = device.update(label=MsgTwin(actual=TwinValue("7"), metadata=INT))
    assert outcome.document["label"].last is None
    assert device.twins["label"].type == "int"
    assert device.twins["label"].actual_version == TwinVersion(0, 3)


def test_what_is_not_optional_stays() -> None:
    device = Device()
    device.update(serial=MsgTwin(actual=TwinValue("SN1"), optional=False))
    outcome = device.update(serial=None)
    assert (outcome.result, outcome.document) == ({}, {})
    device.update(serial=MsgTwin(optional=True))
    assert device.twins["serial"].shown.optional is False


def test_the_unknown_name_of_a_delete_leaves_the_others_alone() -> None:
    device = Device()
    outcome = device.update(never=None, label=report("x"))
    assert outcome.document["never"] == TwinChange()
    assert set(outcome.result) == {"label"}


def limited() -> Device:
    return Device(
        Property("speed", DataType.INT, AccessMode.READ_WRITE, unit="rpm", minimum=0, maximum=3000),
        Property("power", DataType.DOUBLE),
    )


def test_a_wish_outside_the_limits_is_refused_with_the_reason() -> None:
    with pytest.raises(Refused, match="3000"):
        limited().update(speed=wish("3001"))


def test_a_read_only_property_takes_no_wish() -> None:
    with pytest.raises(Refused, match=r"(?i)read.?only"):
        limited().update(power=wish("1"))


def test_a_reading_outside_the_limits_is_kept_and_marked() -> None:
    device = limited()
    device.update(speed=report("3001"))
    actual = device.twins["speed"].shown.actual
    assert actual is not None
    assert actual.metadata is not None
    assert (actual.value, actual.metadata.quality) == ("3001", "uncertain")
    assert "3000" in actual.metadata.reason


def test_the_declared_type_and_unit_win() -> None:
    device = limited()
    device.update(speed=MsgTwin(actual=TwinValue("1"), metadata=TypeMetadata("string")))
    assert device.twins["speed"].shown.metadata == TypeMetadata("int", "rpm")


def test_strict_takes_only_the_types_of_kubeedge() -> None:
    with pytest.raises(Refused, match="the value type is not allowed"):
        Device(rules=Rules(strict=True)).update(d=MsgTwin(actual=TwinValue("1"), metadata=TypeMetadata("double")))


def test_the_number_of_properties_is_bounded() -> None:
    device = Device(rules=Rules(properties=2))
    device.update(a=report("1"), b=report("1"))
    device.update(a=report("2"), b=report("2"))
    with pytest.raises(Refused, match="2 properties"):
        device.update(c=report("1"))


@pytest.mark.parametrize(
    ("sent", "taken"),
    [((1, 0), False), ((2, 0), True), ((3, 0), True), ((1, 5), False), (None, False)],
)
def test_cloud_updates_are_decided_by_the_version_vector(sent: tuple[int, int] | None, taken: bool) -> None:
    device = Device()
    device.cloud(x=MsgTwin(TwinValue("1"), metadata=INT, expected_version=TwinVersion(2, 0)))
    version = TwinVersion(*sent) if sent else None
    outcome = device.cloud(x=MsgTwin(TwinValue("2"), metadata=INT, expected_version=version))
    assert ("x" in outcome.after) is taken
    assert ("x" in outcome.refused) is not taken


def test_a_local_change_wins_over_a_cloud_that_has_not_seen_it() -> None:
    device = Device()
    device.cloud(x=MsgTwin(TwinValue("1"), metadata=INT, expected_version=TwinVersion(1, 0)))
    device.update(x=wish("5"))
    device.cloud(x=MsgTwin(TwinValue("9"), metadata=INT, expected_version=TwinVersion(9, 0)))
    assert device.twins["x"].shown.expected == TwinValue("5", ValueMetadata(1002))


def test_a_wish_of_the_cloud_keeps_to_the_declared_limits() -> None:
    speed = Property("speed", DataType.INT, AccessMode.READ_WRITE, minimum=0, maximum=3000, unit="rpm")
    device = Device(speed, Property("level", DataType.INT))
    for name, reason in (("speed", "3000"), ("level", "read-only")):
        sent = MsgTwin(TwinValue("4000"), metadata=INT, expected_version=TwinVersion(1, 0))
        with pytest.raises(Refused, match=reason):
            device.cloud(**{name: sent})
    device.cloud(speed=MsgTwin(TwinValue("2000"), metadata=TypeMetadata(), expected_version=TwinVersion(1, 0)))
    assert device.twins["speed"].shown.metadata == TypeMetadata("int", "rpm"), "what is declared, not what is sent"


def test_a_reason_has_a_longest_length() -> None:
    with pytest.raises(Refused, match="reason given with x"):
        Device().update(x=report("1", quality="bad", reason="r" * 5_000))


@pytest.mark.parametrize("edge", [-1, 2**63 - 1])
def test_a_version_that_no_count_of_changes_can_be_is_refused(edge: int) -> None:
    """One more local change would make it a number that no journal holds."""
    sent = MsgTwin(TwinValue("1"), metadata=INT, expected_version=TwinVersion(1, edge))
    with pytest.raises(Refused, match="counts changes"):
        Device().cloud(x=sent)


def test_a_cloud_entry_without_metadata_is_refused() -> None:
    for entry in (None, MsgTwin(TwinValue("1"), expected_version=TwinVersion(1, 0))):
        with pytest.raises(Refused, match=r"metadata\.type"):
            Device().cloud(x=entry)


def test_records_survive_the_form_with_versions() -> None:
    device = Device()
    device.update(a=report("1"), b=wish("2"))
    for record in device.twins.values():
        assert Record.from_versions(record.with_versions()) == record


names = st.sampled_from(["a", "b", "c"])
texts = st.sampled_from(["", "1", "2", "x y", "grün"])


class Machine(RuleBasedStateMachine):
    """Random updates, each checked against a model that knows only values and version numbers."""

    def __init__(self) -> None:
        super().__init__()
        self.device = Device()
        self.model: dict[str, dict[str, tuple[str | None, int]]] = {}
        self.gone: set[str] = set()

    def _set(self, name: str, side: str, text: str) -> None:
        sides = self.model.setdefault(name, {})
        value, version = sides.get(side, (None, 0))
        self.gone.discard(name)
        if value != text:
            sides[side] = (text, version + 1)

    @rule(name=names, text=texts)
    def report(self, name: str, text: str) -> None:
        self.device.update(**{name: report(text)})
        self._set(name, "actual", text)

    @rule(name=names, text=texts)
    def wish(self, name: str, text: str) -> None:
        self.device.update(**{name: wish(text)})
        self._set(name, "expected", text)

    @rule(name=names)
    def delete(self, name: str) -> None:
        self.device.update(**{name: None})
        if name in self.model and name not in self.gone:
            self.gone.add(name)
            self.model[name] = {side: (None, version + 1) for side, (_, version) in self.model[name].items()}

    @rule(name=names, text=texts)
    def refused(self, name: str, text: str) -> None:
        with pytest.raises(Refused):
            self.device.update(other=report(text), **{name: MsgTwin(actual=TwinValue())})

    @rule(name=names, text=texts, cloud=st.integers(0, 3), edge=st.integers(0, 3))
    def cloud(self, name: str, text: str, cloud: int, edge: int) -> None:
        before = self.device.twins.get(name)
        ours = before.expected_version if before else None
        sent = MsgTwin(TwinValue(text), metadata=TypeMetadata("string"), expected_version=TwinVersion(cloud, edge))
        outcome = self.device.cloud(**{name: sent})
        taken = ours is None or (ours.cloud <= cloud and ours.edge <= edge)
        assert (name in outcome.after) is taken
        if taken:
            self.gone.discard(name)
            self.model.setdefault(name, {})["expected"] = (text, edge)

    @invariant()
    def shows_what_the_model_says(self) -> None:
        assert self.device.twins.keys() == self.model.keys()
        for name, sides in self.model.items():
            record = self.device.twins[name]
            assert record.deleted is (name in self.gone)
            for side, (value, version) in sides.items():
                shown = getattr(record.shown, side)
                assert (shown.value if shown else None) == value
                vector = getattr(record, f"{side}_version")
                assert vector is not None
                assert vector.edge == version

    @invariant()
    def the_delta_is_what_differs(self) -> None:
        differing = {}
        for name, sides in self.model.items():
            wanted, is_ = sides.get("expected", (None, 0))[0], sides.get("actual", (None, 0))[0]
            if wanted and wanted != (is_ or ""):
                differing[name] = wanted
        found = machine.delta(self.device.twins)
        assert (found[1] if found else {}) == differing


TestMachine = Machine.TestCase
