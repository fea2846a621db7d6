"""Manifests as users write them: understood, or refused with advice."""

from __future__ import annotations

import subprocess
import sys
from typing import Any

import pytest
from jsonschema import Draft202012Validator

from device_models import AccessMode, DataType, Device, Property
from mappers.configuration import ConfigurationErrors, points_of
from mappers.protocols import PROTOCOLS
from mappers.runner import links
from mappers.serial.checksum import Checksum
from mappers.serial.config import Length, Line, Nmea, SerialConfig
from mappers.serial.mapper import SerialMapper
from mappers.serial.spelling import UNUSED_CONFIG

PORT = {"serialPort": "/dev/ttyUSB0"}


def device_of(config: dict[str, Any], visitor: dict[str, Any], name: str = "d", **more: Any) -> Device:
    prop = Property("p", **({"type": DataType.DOUBLE, "visitor": visitor} | more))
    return Device("default", name, "m", "serial", config, (prop,))


def config_of(raw: dict[str, Any]) -> SerialConfig:
    [point] = points_of(SerialMapper, [device_of(raw, {})])
    assert isinstance(point.config, SerialConfig)
    return point.config


@pytest.mark.parametrize(
    ("raw", "link", "fields"),
    [
        (PORT, "/dev/ttyUSB0", {"baud_rate": 9600, "parity": "none", "framing": Line(), "timeout": 1.0}),
        ({"serialPort": "usb:0403:6001:A5XK3RJT"}, "usb:0403:6001:A5XK3RJT", {}),
        ({"host": "moxa", "port": 4001}, "tcp://moxa:4001", {}),
        (PORT | {"framing": "NMEA"}, "/dev/ttyUSB0", {"framing": Nmea()}),
        (PORT | {"framing": {"type": "length", "size": 2}}, "/dev/ttyUSB0", {"framing": Length(size=2)}),
        (PORT | {"checksum": "xor"}, "/dev/ttyUSB0", {"closing": Checksum("xor", hexadecimal=True)}),
        (PORT | {"checksum": "crc16-modbus", "framing": "slip"}, "/dev/ttyUSB0",
         {"closing": Checksum("crc16-modbus", order="little")}),
        (PORT | {"checksum": {"type": "sum", "written": "bytes"}}, "/dev/ttyUSB0", {"closing": Checksum("sum")}),
        (PORT | {"flowControl": "RTS/CTS", "address": 7}, "/dev/ttyUSB0",
         {"flow_control": "hardware", "address": "7"}),
        # KubeEdge's
        ({"com": {"serialPort": "/dev/ttyS0", "baudRate": "115200", "parity": "even", "stopBits": 1, "dataBits": 7},
          "commType": "COM", "collectTimeout": 1000}, "/dev/ttyS0", {"baud_rate": 115200, "data_bits": 7}),
        ({"common": {"tcp": {"ip": "h", "port": "503"}}, "customizedValues": {"a": 1}}, "tcp://h:503", {}),
        ({"serialName": "/dev/ttyS1", "Parity": "E", "timeout": 1500}, "/dev/ttyS1",
         {"parity": "even", "timeout": 1.5}),
    ],
)  # fmt: skip
def test_configurations_that_are_understood(raw: dict[str, Any], link: str, fields: dict[str, Any]) -> None:
    config = config_of(raw)
    assert SerialMapper.link_of(config) == link
    assert {name: getattr(config, name) for name in fields} == fields
    Draft202012Validator(PROTOCOLS["serial"].config_schema()).validate(raw)


@pytest.mark.parametrize(
    ("config", "visitor", "more", "advice"),
    [
        ({}, {}, {}, "write either serialPort"),
        (PORT | {"host": "h", "port": 1}, {}, {}, "write either serialPort"),
        ({"host": "h"}, {}, {}, "host needs port"),
        (PORT | {"framing": "nmae"}, {}, {}, "framing"),
        (PORT | {"framing": "nmea", "checksum": "xor"}, {}, {}, "leave checksum out"),
        (PORT | {"framing": {"type": "fixed", "size": 4}}, {}, {}, "needs sync or a checksum"),
        (PORT | {"framing": {"type": "fixed", "size": 4, "sync": "AA5"}}, {}, {}, "framing.sync"),
        (PORT | {"baudrates": 9600}, {}, {}, "unknown field baudrates; did you mean baudRate?"),
        (PORT | {"parity": "strange"}, {}, {}, "write one of none, even, odd"),
        ({"serialPort": "usb:0403"}, {}, {}, "write usb:VID:PID or usb:VID:PID:SERIAL"),
        (PORT, {"csv": 1, "json": "/a"}, {}, "write one of csv, json, not several"),
        (PORT, {"offset": 1}, {}, "offset goes with binary"),
        (PORT, {"expect": "OK"}, {}, "expect goes with write"),
        (PORT, {"nmea": "GGA.latitude"}, {}, "nmea needs framing: nmea"),
        (PORT | {"framing": "nmea"}, {"nmea": "GGA.lat"}, {}, "GGA has no field 'lat'; it has time, latitude"),
        (PORT, {"request": "GET {value}"}, {}, "that is for write"),
        (PORT, {"request": "GET\r"}, {}, "must not contain"),
        (PORT, {"regex": "("}, {}, "is no regular expression"),
        (PORT, {}, {"access": AccessMode.READ_WRITE}, "has no write"),
        (PORT, {"write": "X {valu}"}, {}, "{valu} is unknown"),
        (PORT, {"regexp": "x"}, {}, "unknown field regexp; did you mean regex?"),
    ],
)
def test_what_is_wrong_is_said_with_advice(
    config: dict[str, Any], visitor: dict[str, Any], more: dict[str, Any], advice: str
) -> None:
    with pytest.raises(ConfigurationErrors) as caught:
        points_of(SerialMapper, [device_of(config, visitor, **more)])
    assert advice in str(caught.value)


@pytest.mark.parametrize("name", sorted(UNUSED_CONFIG))
def test_fields_without_effect_are_accepted(name: str) -> None:
    config_of(PORT | {name: 1})


def test_devices_of_a_line_agree_about_it() -> None:
    devices = [device_of(PORT | {"match": "^1"}, {}), device_of(PORT | {"match": "^2", "baudRate": 19200}, {}, "e")]
    with pytest.raises(ConfigurationErrors, match="disagree about baudRate"):
        links(PROTOCOLS["serial"], devices)


@pytest.mark.parametrize(("one", "other"), [({}, {}), ({"match": "^1"}, {}), ({"match": "^1"}, {"match": "^1"})])
def test_devices_of_a_line_can_be_told_apart(one: dict[str, Any], other: dict[str, Any]) -> None:
    with pytest.raises(ConfigurationErrors, match="share a line: write match in each"):
        links(PROTOCOLS["serial"], [device_of(PORT | one, {}), device_of(PORT | other, {}, "e")])


def test_an_address_tells_devices_of_a_line_apart() -> None:
    line = PORT | {"match": "^{address}:"}
    devices = [device_of(line | {"address": 1}, {}), device_of(line | {"address": 2}, {}, "e")]
    assert len(links(PROTOCOLS["serial"], devices)) == 1


def test_validating_needs_no_serial_library() -> None:
    words = "import sys, mappers.serial.mapper; sys.exit('serial' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", words], check=False).returncode == 0
