"""What a message says of a property."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from device_models import DataType, Property
from mappers.mapper import Failure, Sample
from mappers.serial.config import SerialVisitor
from mappers.serial.message import Message, reader_of

DOUBLE, INT, TEXT, TRUTH, BYTES = (
    DataType.DOUBLE, DataType.INT, DataType.STRING, DataType.BOOLEAN, DataType.BYTES,
)  # fmt: skip


def read(type_: DataType, message: bytes, address: str = "", **visitor: Any) -> Any:
    return reader_of(Property("p", type_), SerialVisitor(**visitor), address)(Message(message))


@pytest.mark.parametrize(
    ("type_", "message", "visitor", "expected"),
    [
        # the whole message
        (DOUBLE, b" 21.5 ", {}, 21.5),
        (INT, b"+007", {}, 7),
        (INT, b"- 12", {}, -12),
        (TEXT, b" ready ", {}, "ready"),
        (BYTES, b"\x00\xff", {}, b"\x00\xff"),
        (TRUTH, b"ON", {}, True),
        (TRUTH, b"0", {}, False),
        (TRUTH, b"2", {}, 2),
        (DOUBLE, b"1e3", {}, 1000.0),
        # columns
        (DOUBLE, b"a, 21.5 ,c", {"csv": 2}, 21.5),
        (TEXT, b'a;"b c"', {"csv": 2, "separator": ";"}, "b c"),
        # patterns
        (DOUBLE, b"S S     100.00 g", {"regex": r"([-\d.]+) g"}, 100.0),
        (DOUBLE, b"x=1 y=2", {"regex": r"x=(\d) y=(?P<value>\d)"}, 2),
        (TEXT, b"state: idle", {"regex": r"idle|busy"}, "idle"),
        (INT, b"07:42", {"regex": r"^{address}:(\d+)"}, 42),
        # JSON
        (DOUBLE, b'{"a": {"b": [1, 2.5]}}', {"json": "/a/b/1"}, 2.5),
        (INT, b"42", {"json": ""}, 42),
        (TRUTH, b'{"on": true}', {"json": "/on"}, True),
        (INT, b'{"on": true}', {"json": "/on"}, 1),
        (DOUBLE, b'{"t": "21.5"}', {"json": "/t"}, 21.5),
        (TEXT, b'{"a/b": {"~": 1}}', {"json": "/a~1b"}, '{"~":1}'),
        (TEXT, b'{"n": 7}', {"json": "/n"}, "7"),
        # binary
        (INT, b"\x01\xff\xfe", {"binary": "int16", "offset": 1}, -2),
        (INT, b"\x01\xff\xfe", {"binary": "uint16 little", "offset": 1}, 0xFEFF),
        (INT, b"\x01\x02\x03", {"binary": "uint24"}, 0x010203),
        (DOUBLE, b"\x41\xac\x00\x00", {"binary": "float32"}, 21.5),
        (TEXT, b"AB\x00\x00", {"binary": "text:4"}, "AB"),
        (INT, b"0042", {"binary": "text:4"}, 42),
        (BYTES, b"ABCD", {"binary": "bytes:2", "offset": 1}, b"BC"),
    ],
)
def test_values(type_: DataType, message: bytes, visitor: dict[str, Any], expected: Any) -> None:
    found = read(type_, message, "07", **visitor)
    assert found == expected
    assert type(found) is type(expected)


@pytest.mark.parametrize(
    ("type_", "message", "visitor", "reason"),
    [
        (DOUBLE, b"ES", {}, "the instrument says 'ES'"),
        (DOUBLE, b"", {}, "the instrument says ''"),
        (DOUBLE, b"nan", {}, "the instrument says 'nan'"),
        (DOUBLE, b"1e999", {}, "the instrument says '1e999'"),
        (INT, b"0x10", {}, "the instrument says '0x10'"),
        (TRUTH, b"maybe", {}, "the instrument says 'maybe'"),
        (DOUBLE, b"1,2", {"csv": 3}, "the line has 2 columns, 3 is asked for"),
        (DOUBLE, b"T=----", {"regex": "T=(.+)"}, "the instrument says '----'"),
        (DOUBLE, b'{"t": null}', {"json": "/t"}, "the instrument says null"),
        (DOUBLE, b'{"t": {}}', {"json": "/t"}, "the instrument says a whole object"),
        (INT, b"\x01", {"binary": "int16"}, "the message has 1 bytes, 2 are needed"),
    ],
)
def test_what_is_no_value(type_: DataType, message: bytes, visitor: dict[str, Any], reason: str) -> None:
    assert read(type_, message, **visitor) == Failure(reason)


@pytest.mark.parametrize(
    ("message", "visitor"),
    [
        (b"H 1", {"match": "^T"}),
        (b"H=1", {"regex": r"T=(\d)"}),
        (b'{"h": 1}', {"json": "/t"}),
        (b'{"t": [1]}', {"json": "/t/1"}),
        (b'{"t": 1}', {"json": "/t/1"}),
        (b"starting up", {"json": "/t"}),
        (b"GPGGA,1", {"nmea": "RMC.speed"}),
        (b"starting up", {"nmea": "RMC.speed"}),
    ],
)
def test_what_is_about_something_else(message: bytes, visitor: dict[str, Any]) -> None:
    assert read(DOUBLE, message, **visitor) is None


def test_a_sentence_brings_its_time_and_its_doubt() -> None:
    rmc = b"GPRMC,123519,A,4807.038,N,01131.000,E,022.4,084.4,230394,003.1,W"
    assert read(DOUBLE, rmc, nmea="RMC.speed") == Sample(22.4, 764426119000)
    gga = b"GPGGA,170834,4807.038,N,01131.000,E,6,00,,1,M,,M,,"
    assert read(DOUBLE, gga, nmea="GGA.altitude") == Sample(1, None, "uncertain", "the position is estimated")


def test_doubt() -> None:
    visitor = {"regex": r"([\d.]+) g", "doubt": "^S D"}
    assert read(DOUBLE, b"S S 1.5 g", **visitor) == 1.5
    assert read(DOUBLE, b"S D 1.5 g", **visitor) == Sample(1.5, None, "uncertain", "the instrument is not sure of it")
    assert read(DOUBLE, b"S D x g", **visitor) is None


@pytest.mark.parametrize(
    ("type_", "visitor", "advice"),
    [
        (DOUBLE, {"regex": "("}, "is no regular expression"),
        (DOUBLE, {"match": "{address}"}, "needs address in protocol.configData"),
        (DOUBLE, {"json": "t"}, "must begin with /"),
        (DOUBLE, {"binary": "int12"}, "is no binary layout; write int16"),
        (DOUBLE, {"binary": "text:0"}, "is no binary layout"),
        (BYTES, {"binary": "int16"}, "int16 cannot be BYTES; write bytes:2"),
        (DOUBLE, {"nmea": "GGA.x"}, "GGA has no field"),
        (DataType.STREAM, {}, "no streams"),
    ],
)
def test_what_cannot_be_read(type_: DataType, visitor: dict[str, Any], advice: str) -> None:
    with pytest.raises(ValueError, match=advice):
        read(type_, b"", **visitor)


@pytest.mark.parametrize(
    "visitor",
    [
        {}, {"csv": 2}, {"regex": r"(\d+)"}, {"json": "/a/0"}, {"binary": "float64", "offset": 2},
        {"nmea": "GGA.latitude"}, {"match": "a", "doubt": "b"}, {"binary": "float16"}, {"binary": "text:2"},
    ],
)  # fmt: skip
@given(message=st.binary(max_size=60) | st.text(max_size=30).map(str.encode))
def test_no_message_raises(visitor: dict[str, Any], message: bytes) -> None:
    for type_ in (DOUBLE, INT, TRUTH, TEXT):
        read(type_, message, **visitor)


def test_deep_json_is_no_value() -> None:
    assert read(DOUBLE, b"[" * 5000, json="/0") is None
