"""What bytes mean: KubeEdge's converter, labels, characteristics that everybody knows, and spellings."""

from __future__ import annotations

from contextlib import suppress
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from device_models import AccessMode, DataType, Device, Property
from mappers.ble import spelling
from mappers.ble.assigned import ASSIGNED
from mappers.ble.config import BleVisitor
from mappers.ble.converter import DataConverter
from mappers.ble.mapper import BleMapper
from mappers.ble.meaning import all_decodings, meaning_of
from mappers.ble.uuids import full_uuid, short_uuid
from mappers.configuration import ConfigurationErrors, points_of

C2 = {"characteristicUUID": "f000aa0104514000b000000000000000"}


def visitor(**words: Any) -> BleVisitor:
    return msgspec.convert(spelling.VISITOR.tidy(words), BleVisitor, strict=False)


def converter(**words: Any) -> DataConverter:
    found = visitor(**C2, dataConverter=words).data_converter
    assert found is not None
    return found


def point_errors(prop: Property, config: dict[str, Any] | None = None) -> str:
    config = {"macAddress": "F0:F1:F2:F3:F4:F5"} if config is None else config
    with pytest.raises(ConfigurationErrors) as caught:
        points_of(BleMapper, [Device("default", "d", "m", "ble", config, (prop,))])
    return str(caught.value)


# -- KubeEdge's dataConverter -------------------------------------------------------------------------------


def test_the_sample_of_kubeedge_reads_a_sensor_tag() -> None:
    """Infrared temperature of a CC2650: the two bytes backwards, two bits right, times 0.03125."""
    steps = [{"operationType": "Multiply", "operationValue": 0.03125}]
    sensor_tag = converter(startIndex=2, endIndex=1, shiftRight=2, orderOfOperations=steps)
    assert sensor_tag.decode(bytes([0x00, 0x68, 0x0B, 0x00])) == 22.8125


def test_backwards_is_little_endian() -> None:
    data = bytes([1, 2, 3])
    assert converter(startIndex=0, endIndex=1).decode(data) == 0x0102
    assert converter(startIndex=1, endIndex=0).decode(data) == 0x0201
    assert converter(startIndex=2, endIndex=2).decode(data) == 3


def test_steps_are_taken_in_order_whatever_their_case() -> None:
    steps = [("add", 2), ("MULTIPLY", 10), ("Subtract", 5), ("divide", 5)]
    found = converter(orderOfOperations=[{"operationType": t, "operationValue": v} for t, v in steps])
    assert found.decode(b"\x03") == 9
    assert converter(shiftLeft=4, shiftRight=1).decode(b"\x03") == 48


def test_too_few_bytes_are_no_value() -> None:
    with pytest.raises(ValueError, match="hold no byte 3"):
        converter(startIndex=3, endIndex=2).decode(b"\x01\x02\x03")


@given(st.binary(max_size=8), st.integers(0, 9), st.integers(0, 9))
def test_any_bytes_are_a_number_or_a_clear_error(data: bytes, start: int, end: int) -> None:
    converter = DataConverter(start, end)
    if max(start, end) >= len(data):
        with pytest.raises(ValueError, match="hold no byte"):
            converter.decode(data)
    else:
        assert 0 <= converter.decode(data) < 256 ** (abs(start - end) + 1)


def test_nothing_is_divided_by_zero() -> None:
    with pytest.raises(msgspec.ValidationError, match="divided by 0"):
        converter(orderOfOperations=[{"operationType": "Divide", "operationValue": 0}])


# -- labels -------------------------------------------------------------------------------------------------


def test_labels_are_written_and_shown() -> None:
    found = visitor(**C2, dataWrite={"ON": [1], "OFF": "AA=="})
    meaning = meaning_of(Property("led", DataType.STRING, AccessMode.READ_WRITE), found)
    assert meaning.encode is not None
    assert meaning.encode("on") == b"\x01"
    assert meaning.encode("OFF") == b"\x00"
    assert meaning.decode(b"\x01") == "ON"
    with pytest.raises(ValueError, match="no bytes for 'BLINK'; it has them for ON, OFF"):
        meaning.encode("BLINK")
    with pytest.raises(ValueError, match="no label of dataWrite has the bytes 05"):
        meaning.decode(b"\x05")


def test_a_truth_is_written_by_label_and_read_by_converter() -> None:
    found = visitor(**C2, dataWrite={True: [1], False: [0]}, dataConverter={"startIndex": 1, "endIndex": 1})
    assert found.data_write == {"ON": b"\x01", "OFF": b"\x00"}  # YAML reads ON and OFF so
    meaning = meaning_of(Property("led", DataType.BOOLEAN, AccessMode.READ_WRITE), found)
    assert meaning.encode is not None
    assert meaning.encode(True) == b"\x01"
    assert meaning.decode(b"\x00\x01") == 1


def test_bytes_of_a_label_must_be_bytes() -> None:
    with pytest.raises(ValueError, match=r"dataWrite.ON: write the bytes as a list"):
        visitor(**C2, dataWrite={"ON": [300]})
    with pytest.raises(ValueError, match=r"dataWrite.ON: write the bytes as a list"):
        visitor(**C2, dataWrite={"ON": "%%"})


# -- assigned characteristics -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("uuid", "data", "value"),
    [
        ("2A6E", "CE FF", -0.5),
        ("2A6F", "88 13", 50.0),
        ("2A6D", "CD 76 0F 00", 101345.3),
        ("2A19", "64", 100),
        ("2A37", "06 48", 72),
        ("2A37", "11 2C 01 FF FF", 300),
        ("2A1C", "00 6E 01 00 FF", 36.6),
        ("2A1C", "05 D2 03 00 FF 00 00 00", 36.555556),  # 97.8 °F, a time and a type follow
        ("2AFB", "10 27 00", 100.0),
        ("2B8C", "9A 01", 410),
        ("2A29", "41 43 4D 45", "ACME"),
    ],
)  # fmt: skip
def test_known_characteristics(uuid: str, data: str, value: object) -> None:
    assert ASSIGNED[full_uuid(uuid)].decode(bytes.fromhex(data)) == pytest.approx(value)


@pytest.mark.parametrize(
    ("uuid", "data"), [("2A6E", "00 80"), ("2A6F", "FF FF"), ("2AFB", "FF FF FF"), ("2B8C", "FF FF")]
)
def test_an_unknown_value_is_none(uuid: str, data: str) -> None:
    with pytest.raises(ValueError, match="does not know"):
        ASSIGNED[full_uuid(uuid)].decode(bytes.fromhex(data))


@given(st.sampled_from(sorted(ASSIGNED)), st.binary(max_size=20))
def test_any_bytes_of_a_known_characteristic_are_a_value_or_a_clear_error(uuid: str, data: bytes) -> None:
    with suppress(ValueError):
        assert isinstance(ASSIGNED[uuid].decode(data), (int, float, str, bytes))


def test_a_type_overrules_what_is_known() -> None:
    meaning = meaning_of(Property("t", DataType.INT), visitor(characteristicUUID="2A6E", type="int16"))
    assert meaning.decode(b"\x10\x27") == 10_000


def test_everything_it_could_be_is_shown() -> None:
    found = all_decodings(b"\x10\x27")
    assert found["bytes"] == "10 27"
    assert found["int16"] == "10000"
    assert "int32" not in found


# -- UUIDs --------------------------------------------------------------------------------------------------


@given(st.uuids())
def test_any_spelling_of_a_uuid(uuid: Any) -> None:
    for text in (str(uuid), str(uuid).upper(), uuid.hex, f"{{{uuid}}}"):
        assert full_uuid(text) == str(uuid)


def test_short_uuids() -> None:
    assert full_uuid("0x2a6E") == "00002a6e-0000-1000-8000-00805f9b34fb"
    assert short_uuid(full_uuid("2a6e")) == "2A6E"
    assert short_uuid(full_uuid("12345678")) == full_uuid("12345678")
    with pytest.raises(ValueError, match="no UUID"):
        full_uuid("2A6")


# -- configuration ------------------------------------------------------------------------------------------


def test_kubeedges_manifest_is_taken_as_it_is() -> None:
    config = {"bluetooth": {"macAddress": "bc-6a-29-ae-cc-96"}, "collectTimeout": 5}
    words = {"bluetooth": C2 | {"dataConverter": {"startIndex": 2, "endIndex": 1, "shiftRight": 2}}}
    prop = Property("temperature", DataType.FLOAT, visitor=words)
    [point] = points_of(BleMapper, [Device("default", "tag", "m", "bluetooth", config, (prop,))])
    assert point.config.address == "BC:6A:29:AE:CC:96"
    assert point.visitor.characteristic == "f000aa01-0451-4000-b000-000000000000"


@pytest.mark.parametrize(
    ("words", "complaint"),
    [
        ({}, "write exactly one of characteristicUUID, manufacturerData, serviceData, rssi, lastSeen"),
        ({"rssi": True, "lastSeen": True}, "not rssi and lastSeen"),
        ({"characteristicUUID": "2A6E", "manufacturerData": 76}, "not characteristicUUID and manufacturerData"),
        ({"manufacturerData": 76, "serviceUUID": "180F", "type": "int8"}, "serviceUUID goes with"),
        ({**C2}, "how is the number written"),
        ({**C2, "type": "int8", "dataConverter": {}}, "either type or dataConverter"),
        ({"characteristicUUID": "2A6E", "type": ["uint8"]}, "expected str"),
        ({"characteristicUUID": "2A6"}, "no UUID"),
        ({**C2, "typ": "int8"}, "did you mean type"),
        ({**C2, "type": "int7"}, "write one of int8"),
    ],
)
def test_a_wrong_visitor_is_told(words: dict[str, Any], complaint: str) -> None:
    assert complaint in point_errors(Property("p", DataType.INT, visitor=words))


@pytest.mark.parametrize(
    "words",
    [
        {"rssi": True},
        {"manufacturerData": "0x004C", "type": "int8"},
        {"characteristicUUID": "2A37"},
        {**C2, "type": "int8", "offset": 1},
        {**C2, "dataConverter": {}},
    ],
)
def test_what_cannot_be_written_is_not_declared_writable(words: dict[str, Any]) -> None:
    assert "ReadOnly" in point_errors(Property("p", DataType.INT, AccessMode.READ_WRITE, visitor=words))


def test_a_device_that_is_never_connected_has_no_characteristics() -> None:
    config = {"macAddress": "F0:F1:F2:F3:F4:F5", "connect": "never"}
    prop = Property("p", DataType.INT, visitor={"characteristicUUID": "2A19"})
    assert "connect is never" in point_errors(prop, config)


def test_a_wrong_address_is_told() -> None:
    prop = Property("p", DataType.INT, visitor={"rssi": True})
    assert "no address such as F0:F1" in point_errors(prop, {"macAddress": "F0:F1"})


def test_the_same_said_twice_must_be_the_same() -> None:
    with pytest.raises(ValueError, match="address is said twice"):
        spelling.CONFIG.tidy({"macAddress": "A", "address": "B"})
