"""Sentences that others have published, with the values they published for them.

Most are the examples of the widely copied NMEA data page by Dale DePriest (gpsinformation.org); the instruments' are
those of the maritime talkers in NMEA 0183 handbooks.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mappers.mapper import Failure, Sample
from mappers.serial.framing import Sentences
from mappers.serial.nmea import FIELDS, Sentence, path_of, sentence_of, time_of

GGA = "$GPGGA,123519,4807.038,N,01131.000,E,1,08,0.9,545.4,M,46.9,M,,*47"
RMC = "$GPRMC,123519,A,4807.038,N,01131.000,E,022.4,084.4,230394,003.1,W*6A"
GLL = "$GPGLL,4916.45,N,12311.12,W,225444,A,*1D"
VTG = "$GPVTG,054.7,T,034.4,M,005.5,N,010.2,K*48"
GSA = "$GPGSA,A,3,04,05,,09,12,,,24,,,,,2.5,1.3,2.1*39"
GSV = "$GPGSV,2,1,08,01,40,083,46,02,17,308,41,12,07,344,39,14,22,228,45*75"
ZDA = "$GPZDA,201530.00,04,07,2002,00,00*60"
HDG = "$HCHDG,101.1,,,7.1,W*3C"
DBT = "$SDDBT,7.8,f,2.4,M,1.3,F*0D"
MTW = "$INMTW,17.9,C*1B"
GARMIN = "$PGRME,15.0,M,45.0,M,25.0,M*1C"
SECOND = datetime(1994, 3, 23, 12, 35, 19, tzinfo=UTC).timestamp() * 1000


def received(line: str) -> Sentence:
    [frame] = Sentences(checked=True).feed(line.encode() + b"\r\n")
    found = sentence_of(frame.decode())
    assert found is not None
    return found


def value(line: str, words: str) -> Any:
    found = path_of(words).of(received(line))
    return found.value if isinstance(found, Sample) else found


@pytest.mark.parametrize(
    ("line", "words", "expected"),
    [
        (GGA, "GGA.time", "12:35:19"),
        (GGA, "GGA.latitude", 48.1173),
        (GGA, "GPGGA.longitude", 11.516666667),
        (GGA, "GGA.quality", "1"),
        (GGA, "GGA.satellites", "08"),
        (GGA, "GGA.hdop", "0.9"),
        (GGA, "GGA.altitude", "545.4"),
        (GGA, "GGA.geoidSeparation", "46.9"),
        (RMC, "RMC.speed", "022.4"),
        (RMC, "RMC.course", "084.4"),
        (RMC, "RMC.date", "1994-03-23"),
        (RMC, "RMC.variation", -3.1),
        (RMC, "RMC.7", "022.4"),
        (GLL, "GLL.latitude", 49.274166667),
        (GLL, "GLL.longitude", -123.185333333),
        (VTG, "VTG.course", "054.7"),
        (VTG, "VTG.magneticCourse", "034.4"),
        (VTG, "VTG.knots", "005.5"),
        (VTG, "VTG.kilometresPerHour", "010.2"),
        (GSA, "GSA.fix", "3"),
        (GSA, "GSA.pdop", "2.5"),
        (GSA, "GSA.hdop", "1.3"),
        (GSA, "GSA.vdop", "2.1"),
        (GSV, "GSV.satellitesInView", "08"),
        (ZDA, "ZDA.year", "2002"),
        (HDG, "HDG.heading", "101.1"),
        (HDG, "HDG.variation", -7.1),
        (DBT, "DBT.depth", "2.4"),
        (MTW, "MTW.temperature", "17.9"),
        (GARMIN, "PGRME.3", "45.0"),
    ],
)
def test_published_values(line: str, words: str, expected: Any) -> None:
    assert value(line, words) == expected


def test_date_and_time_of_a_sentence() -> None:
    assert time_of(received(RMC)) == SECOND
    assert time_of(received(ZDA)) == datetime(2002, 7, 4, 20, 15, 30, tzinfo=UTC).timestamp() * 1000
    assert [time_of(received(line)) for line in (GGA, GLL, VTG)] == [None] * 3


def test_a_value_has_the_time_of_its_sentence() -> None:
    assert path_of("RMC.speed").of(received(RMC)) == Sample("022.4", int(SECOND))
    assert path_of("GGA.altitude").of(received(GGA)) == "545.4"


@pytest.mark.parametrize(
    "text",
    [
        "GPRMC,123519,V,4807.038,N,01131.000,E,022.4,084.4,230394,,",
        "GPRMC,123519,A,,,,,,,,,",
        "GPRMC,253519,A,,,,,,,230394,,",
        "GPRMC,123519,A,,,,,,,310294,,",
        "GPZDA,201530.00,04,13,2002,00,00",
        "GPZDA,,,,,00,00",
        "GPZDA,201530.00,04,07,02,00,00",
    ],
)
def test_a_time_that_is_void_or_impossible_is_none(text: str) -> None:
    sentence = sentence_of(text)
    assert sentence is not None
    assert time_of(sentence) is None


def test_a_leap_second_is_the_second_after() -> None:
    sentence = sentence_of("GPZDA,235960.00,31,12,2016,00,00")
    assert sentence is not None
    assert time_of(sentence) == datetime(2017, 1, 1, tzinfo=UTC).timestamp() * 1000


@pytest.mark.parametrize(
    ("text", "words", "reason"),
    [
        ("GPGGA,170834,,,,,0,00,99.9,,M,,M,,", "GGA.latitude", "the receiver has no fix"),
        ("GPGGA,170834,4807.038,N,01131.000,E,0,00,,,M,,M,,", "GGA.latitude", "the receiver has no fix"),
        ("GPGGA,170834,4807.038,N,01131.000,E,,00,,,M,,M,,", "GGA.latitude", "the receiver has no fix"),
        ("GPRMC,123519,V,4807.038,N,01131.000,E,1,2,230394,,", "RMC.speed", "the receiver has no fix"),
        ("GPVTG,,T,,M,,N,,K,N", "VTG.course", "the receiver has no fix"),
        ("GPGSA,A,1,,,,,,,,,,,,,99.9,99.9,99.9", "GSA.pdop", "the receiver has no fix"),
        ("GPGLL,4916.45,N,12311.12,W,225444,V,N", "GLL.latitude", "the receiver has no fix"),
        ("IIMWV,214.8,R,0.1,K,V", "MWV.speed", "the instrument calls it void"),
        ("GPGGA,123519,4807.038,N,01131.000,E,1,08,0.9,,M,,M,,", "GGA.altitude", "GGA.altitude is empty"),
        ("GPGGA,123519,9107.038,N,01131.000,E,1,08,0.9,,M,,M,,", "GGA.latitude", "GGA.latitude is '9107.038'"),
        ("GPGGA,123519,4867.038,N,01131.000,E,1,08,0.9,,M,,M,,", "GGA.latitude", "GGA.latitude is '4867.038'"),
        ("GPGGA,123519,4807.038,,01131.000,E,1,08,0.9,,M,,M,,", "GGA.latitude", "GGA.latitude is '4807.038'"),
        ("GPVTG,054.7", "VTG.knots", "VTG.knots is empty"),
    ],
)
def test_what_is_void_or_malformed_is_no_value(text: str, words: str, reason: str) -> None:
    sentence = sentence_of(text)
    assert sentence is not None
    assert path_of(words).of(sentence) == Failure(reason)


def test_what_is_known_without_a_fix() -> None:
    sentence = sentence_of("GPGGA,170834,,,,,0,03,99.9,,M,,M,,")
    assert sentence is not None
    assert path_of("GGA.satellites").of(sentence) == "03"
    assert path_of("GGA.quality").of(sentence) == "0"
    assert path_of("GGA.time").of(sentence) == "17:08:34"


@pytest.mark.parametrize(
    ("text", "words", "reason"),
    [
        ("GPGGA,170834,4807.038,N,01131.000,E,6,00,,1,M,,M,,", "GGA.latitude", "the position is estimated"),
        ("GPGGA,170834,4807.038,N,01131.000,E,8,00,,1,M,,M,,", "GGA.latitude", "the position is simulated"),
        ("GPVTG,054.7,T,,M,005.5,N,010.2,K,E", "VTG.knots", "the position is estimated"),
        ("GPRMC,123519,A,4807.038,N,01131.000,E,1,2,230394,,,M", "RMC.latitude", "the position was typed in"),
    ],
)
def test_what_the_receiver_doubts_is_uncertain(text: str, words: str, reason: str) -> None:
    sentence = sentence_of(text)
    assert sentence is not None
    found = path_of(words).of(sentence)
    assert isinstance(found, Sample)
    assert (found.quality, found.reason) == ("uncertain", reason)


def test_talkers() -> None:
    assert received(GGA).kind == "GGA"
    assert path_of("GGA.time").address == "GGA"
    assert path_of("GNGGA.time").address == "GNGGA"
    assert sentence_of("PGRME,15.0,M,45.0,M,25.0,M") == Sentence("PGRME", ("15.0", "M", "45.0", "M", "25.0", "M"))
    proprietary = sentence_of("PGRME,15.0,M")
    assert proprietary is not None
    assert proprietary.kind == "PGRME"
    assert path_of("PGRME.1").of(proprietary) == "15.0"


@pytest.mark.parametrize(
    "words", ["", "GGA", "GGA.", "GGA.lattitude", "gga.latitude", "GGA.0", "GGA.100", "XXX.depth"]
)
def test_fields_that_are_not(words: str) -> None:
    with pytest.raises(ValueError, match=r"write one like|has no field"):
        path_of(words)


def test_a_misspelled_field_is_told_what_there_is() -> None:
    with pytest.raises(ValueError, match="GGA has no field 'lattitude'; it has time, latitude, longitude"):
        path_of("GGA.lattitude")


@pytest.mark.parametrize("wrong", [GGA.replace("545.4", "545.5"), GGA[:-2] + "48", GGA[:-2], GGA[:-3], GGA[1:]])
def test_a_sentence_that_does_not_add_up_is_none(wrong: str) -> None:
    assert Sentences(checked=True).feed(wrong.encode() + b"\r\n") == []


@given(st.text(max_size=100))
def test_no_text_raises(text: str) -> None:
    sentence_of(text)


@given(st.sampled_from(sorted(FIELDS)), st.lists(st.text("0123456789.,NSEWAV-x", max_size=12), max_size=20))
def test_no_fields_raise(kind: str, fields: list[str]) -> None:
    sentence = Sentence(f"GP{kind}", tuple(fields))
    for name in FIELDS[kind]:
        path_of(f"{kind}.{name}").of(sentence)


@given(st.integers(0, 89), st.floats(0, 59.9999), st.sampled_from("NS"))
def test_any_latitude(degrees: int, minutes: float, side: str) -> None:
    sentence = sentence_of(f"GPGLL,{degrees:02}{minutes:07.4f},{side},00000.0000,E,120000,A")
    assert sentence is not None
    found = path_of("GLL.latitude").of(sentence)
    if not isinstance(found, Failure):  # 59.99996 rounds to 60
        assert found == pytest.approx((degrees + minutes / 60) * (1 if side == "N" else -1), abs=1e-6)
