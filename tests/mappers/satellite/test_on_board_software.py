"""The simulated satellite takes telecommands that make sense, and says what becomes of each."""

from __future__ import annotations

import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st
from spacepackets.ecss.req_id import RequestId
from spacepackets.ecss.tc import PusTc

from mappers.satellite.dictionary import PARAMETERS, STRUCTURES, Failed
from mappers.satellite.elements import CBERS_2
from mappers.satellite.orbit import Orbit
from mappers.satellite.packets import LAST_COUNT, Telemetry, header_of, read_telemetry
from mappers.satellite.simulator.faults import Fault
from mappers.satellite.simulator.on_board_software import OnBoardSoftware
from mappers.satellite.simulator.spacecraft import Spacecraft

ORBIT = Orbit.of(*CBERS_2)
NOW = 1151261701.25


def software() -> OnBoardSoftware:
    return OnBoardSoftware(Spacecraft(ORBIT, ORBIT.epoch), 100)


def said(packets: list[bytes]) -> list[Telemetry]:
    found = [read_telemetry(packet) for packet in packets]
    assert all(each is not None for each in found)
    return [each for each in found if each is not None]


def command(data: bytes, service: int = 20, subservice: int = 3, apid: int = 100) -> PusTc:
    return PusTc(service, subservice, apid=apid, seq_count=5, app_data=data)


WHEEL = b"\x01\x00\x02"


def test_a_good_one_is_accepted_begun_and_completed() -> None:
    board, tc = software(), command(WHEEL + struct.pack(">h", -250))
    reports = said(board.obey(bytes(tc.pack()), NOW))
    assert [(each.service, each.subservice) for each in reports] == [(1, 1), (1, 3), (1, 7)]
    assert {each.data for each in reports} == {RequestId.from_pus_tc(tc).pack()}
    assert {each.time for each in reports} == {1151261701250}
    assert board.spacecraft.attitude.target == -250


def test_whether_anybody_is_there() -> None:
    reports = said(software().obey(bytes(command(b"", 17, 1).pack()), NOW))
    assert [(each.service, each.subservice) for each in reports] == [(1, 1), (1, 3), (17, 2), (1, 7)]


@pytest.mark.parametrize(
    ("tc", "code"),
    [
        (command(WHEEL + struct.pack(">h", 10), apid=101), Failed.UNKNOWN_APID),
        (command(b"", 99, 1), Failed.UNKNOWN_SERVICE),
        (command(b"", 20, 99), Failed.UNKNOWN_SUBSERVICE),
        (command(b"", 17, 9), Failed.UNKNOWN_SUBSERVICE),
        (command(b""), Failed.WRONG_DATA),
        (command(b"\x01\x00\x63\x00"), Failed.WRONG_DATA),
        (command(WHEEL + b"\x01"), Failed.WRONG_DATA),
        (command(WHEEL + b"\x01\x02\x03"), Failed.WRONG_DATA),
        (command(WHEEL + struct.pack(">h", 6001)), Failed.OUT_OF_RANGE),
        (command(b"\x01\x00\x01" + struct.pack(">f", float("nan"))), Failed.OUT_OF_RANGE),
    ],
)
def test_nonsense_is_refused_and_changes_nothing(tc: PusTc, code: Failed) -> None:
    board = software()
    before = board.spacecraft.parameters()
    [report] = said(board.obey(bytes(tc.pack()), NOW))
    assert (report.service, report.subservice) == (1, 2)
    assert report.data == RequestId.from_pus_tc(tc).pack() + struct.pack(">H", code)
    assert board.spacecraft.parameters() == before


def test_a_broken_checksum_is_refused() -> None:
    board, raw = software(), bytearray(command(WHEEL + struct.pack(">h", 10)).pack())
    raw[-1] ^= 1
    [report] = said(board.obey(bytes(raw), NOW))
    assert (report.subservice, report.data[4:]) == (2, b"\x00\x02")


def test_what_cannot_be_done_now_fails_in_the_end() -> None:
    board = software()
    board.spacecraft.safe_mode = True
    reports = said(board.obey(bytes(command(b"\x01\x00\x03\x01").pack()), NOW))
    assert [each.subservice for each in reports] == [1, 3, 8]
    assert reports[-1].data[4:] == struct.pack(">H", Failed.LOW_BATTERY)


@given(st.binary(min_size=7, max_size=60), st.booleans())
def test_whatever_comes_it_answers_or_is_silent(noise: bytes, like_one: bool) -> None:
    board = software()
    raw = b"\x18\x64\xc0\x00" + struct.pack(">H", len(noise) - 1) + noise if like_one else noise
    assert len(board.obey(raw, NOW)) in (0, 1, 3, 4)


def test_housekeeping_tells_every_parameter_in_an_unbroken_sequence() -> None:
    board = software()
    packets = [packet for _ in range(3) for packet in board.housekeeping(NOW)]
    assert [header_of(packet).number for packet in packets] == list(range(3 * len(STRUCTURES)))
    reports = said(packets[: len(STRUCTURES)])
    assert [(each.service, each.subservice) for each in reports] == [(3, 25)] * len(STRUCTURES)
    assert [int.from_bytes(each.data[:2], "big") for each in reports] == list(STRUCTURES)
    power = reports[0].data
    offset = PARAMETERS["load.power"].offset
    assert struct.unpack_from(">f", power, offset)[0] == pytest.approx(board.spacecraft.parameters()["load.power"])


def test_counts_begin_again_after_the_last() -> None:
    board = software()
    board._count = LAST_COUNT
    assert [header_of(packet).number for packet in board.housekeeping(NOW)][:2] == [LAST_COUNT, 0]


def test_lost_packets_leave_gaps_and_a_silent_bus_says_nothing() -> None:
    board = software()
    board.spacecraft.plan(Fault("lost-packets", 0.5))
    numbers = [header_of(packet).number for _ in range(20) for packet in board.housekeeping(NOW)]
    assert 20 < len(numbers) < 80
    assert numbers == sorted(numbers)
    board.spacecraft.plan(Fault.parse("silent-bus"))
    assert board.housekeeping(NOW) == []
    assert board.obey(bytes(command(b"", 17, 1).pack()), NOW) == []
