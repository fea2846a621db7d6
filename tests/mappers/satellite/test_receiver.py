"""What the packets of one satellite tell, point by point."""

from __future__ import annotations

import struct
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from device_models import DataType, Device, Property
from mappers.configuration import points_of
from mappers.mapper import Failure, Sample
from mappers.satellite.elements import CBERS_2
from mappers.satellite.mapper import SatelliteMapper
from mappers.satellite.packets import Header, Telemetry
from mappers.satellite.receiver import Receiver
from mappers.satellite.sequence_count import SequenceCount

T = 1151261701250
BEIJING = {"name": "beijing", "latitude": 39.9, "longitude": 116.4}


def receiver(*properties: Property, **config: Any) -> Receiver:
    device = Device("default", "sat", "m", "satellite", {"host": "h"} | config, properties)
    return Receiver(points_of(SatelliteMapper, [device]))


def told(receiver: Receiver, data: bytes, *, time: int | None = T, now: float = 100.0) -> dict[str, Any]:
    values = receiver.read(Telemetry(3, 25, time, data), now)
    return {point.property.name: raw for point, raw in values.items()}


def place(name: str, kind: DataType = DataType.DOUBLE, **visitor: Any) -> Property:
    return Property(name, kind, visitor={"service": 3, "subservice": 25, "format": "uint8", "offset": 2} | visitor)


def test_a_name_and_its_place_say_the_same() -> None:
    both = receiver(
        Property("a", DataType.FLOAT, visitor={"parameter": "battery.voltage"}),
        place("b", structure=1, offset=6, format="float32"),
    )
    data = struct.pack(">Hfff", 1, 80.0, 28.5, 1.0)
    assert told(both, data) == {"a": Sample(28.5, T), "b": Sample(28.5, T)}


def test_each_structure_tells_its_own() -> None:
    many = receiver(place("one", structure=1), place("any"), place("wide", structure=1, offset=4), structureBytes=2)
    assert told(many, b"\x00\x01\x2a\x00\x07") == {"one": Sample(42, T), "any": Sample(42, T), "wide": Sample(7, T)}
    assert told(many, b"\x00\x02\x2a") == {"any": Sample(42, T)}
    assert many.read(Telemetry(5, 1, T, b"\x00\x01\x2a"), 100.0) == {}


def test_a_short_packet_is_a_failure_and_no_number() -> None:
    [raw] = told(receiver(place("x", format="uint32")), b"\x00\x01\x2a").values()
    assert raw == Failure("a packet with 3 bytes of data has no uint32 at 2")


def test_a_truth_is_a_truth() -> None:
    assert told(receiver(place("x", DataType.BOOLEAN)), b"\x00\x01\x02") == {"x": Sample(True, T)}


def test_without_an_epoch_the_time_of_receipt_counts() -> None:
    assert told(receiver(place("x")), b"\x00\x01\x02", time=None) == {"x": Sample(2, None)}


def contact(name: str, kind: DataType, period: float = 1.0) -> Property:
    return Property(name, kind, visitor={"contact": {"station": "beijing", "value": name}}, collect_cycle=period)


CONTACTS = (
    contact("inContact", DataType.BOOLEAN),
    contact("nextRise", DataType.STRING),
    contact("nextSet", DataType.INT),
    contact("maximumElevation", DataType.FLOAT),
    contact("elevation", DataType.FLOAT),
    contact("rate", DataType.INT),
)


def test_contacts_are_computed_at_on_board_time() -> None:
    above = receiver(*CONTACTS, elements="CBERS-2\n" + "\n".join(CBERS_2) + "\n", stations=[BEIJING])
    before = told(above, b"", time=T)
    rise = datetime.fromisoformat(before["nextRise"].value)
    assert before["inContact"] == Sample(False, T)
    assert before["rate"] == Sample(0.0, T)
    assert 0 < rise.timestamp() * 1000 - T < 12 * 3600 * 1000
    within = told(above, b"", time=int(rise.timestamp() * 1000) + 60_000, now=200.0)
    assert within["inContact"].value is True
    assert within["rate"].value > 0
    assert 10 < within["elevation"].value <= within["maximumElevation"].value
    assert within["nextSet"].value > rise.timestamp() * 1000
    assert datetime.fromisoformat(within["nextRise"].value).tzinfo == UTC


def test_contacts_are_not_computed_more_often_than_asked_for() -> None:
    slow = receiver(contact("elevation", DataType.FLOAT, 5.0), elements=list(CBERS_2), stations=[BEIJING])
    assert "elevation" in told(slow, b"", now=100.0)
    assert told(slow, b"", now=104.9) == {}
    assert "elevation" in told(slow, b"", now=105.0)


def test_elements_are_read_when_they_are_there(tmp_path: Path) -> None:
    file = tmp_path / "cbers.tle"
    above = receiver(CONTACTS[4], elementsFile=str(file), stations=[BEIJING])
    assert told(above, b"", now=1.0) == {"elevation": Failure(f"elementsFile {file}: No such file or directory")}
    file.write_text("CBERS-2\n" + CBERS_2[0] + "\n" + CBERS_2[1][:-1] + "9\n")
    assert "checksum" in told(above, b"", now=2.0)["elevation"].reason
    file.write_text("CBERS-2\n" + "\n".join(CBERS_2) + "\n")
    assert isinstance(told(above, b"", now=3.0)["elevation"], Sample)


def test_contacts_need_the_time() -> None:
    above = receiver(CONTACTS[4], elements=list(CBERS_2), stations=[BEIJING])
    assert told(above, b"", time=None) == {"elevation": Failure("the packets do not tell the time in UTC or TAI")}


def test_gaps_are_counted_and_logged_once(caplog: pytest.LogCaptureFixture) -> None:
    counting = receiver(
        place("x"),
        Property("missed", DataType.INT, visitor={"packets": "missed"}),
        Property("received", DataType.INT, visitor={"packets": "received"}),
    )
    for number in (7, 8, 11, 12, 20):
        counting.count(Header(100, number, True, True))
    values = {point.property.name: raw for point, raw in counting.counts().items()}
    assert (values["missed"], values["received"]) == (9, 5)
    assert [record.getMessage() for record in caplog.records] == [
        "default/sat: 2 packets are missing before number 11; counting on"
    ]


@given(st.integers(0, 0x3FFF), st.lists(st.integers(0, 1000), max_size=50))
def test_every_packet_that_is_lost_is_counted(first: int, gaps: list[int]) -> None:
    sequence, number = SequenceCount(), first
    sequence.hear(number)
    for gap in gaps:
        number = (number + 1 + gap) & 0x3FFF
        assert sequence.hear(number) == gap
    assert (sequence.missed, sequence.received) == (sum(gaps), len(gaps) + 1)


@pytest.mark.parametrize(
    "counts",
    [
        [16382, 16383, 0, 1],
        [5, 6, 6, 7],
        [16383, 0, 0, 0, 1],
        [1000, 1001, 3, 1002, 1003],
        [500, 501, 0, 1, 2, 3],
    ],
    ids=["around", "twice", "twice at the turn", "late", "begun anew"],
)
def test_no_packet_is_missed_that_came(counts: list[int]) -> None:
    sequence = SequenceCount()
    assert [sequence.hear(count) for count in counts] == [0] * len(counts)
    assert (sequence.missed, sequence.received) == (0, len(counts))


def test_gaps_are_counted_after_a_source_has_begun_anew() -> None:
    sequence = SequenceCount()
    assert [sequence.hear(count) for count in (700, 0, 1, 4, 5)] == [0, 0, 0, 2, 0]
