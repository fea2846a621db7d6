"""Manifests as KubeEdge's users have them, and our own form, are understood as one."""

from __future__ import annotations

from typing import Any

import pytest
from jsonschema import Draft202012Validator

from device_models import Conversion, DataType, Device, Property
from mappers.configuration import ConfigurationErrors, points_of
from mappers.modbus.codec import Format
from mappers.modbus.config import ModbusConfig, ModbusVisitor
from mappers.modbus.formats import format_of
from mappers.modbus.mapper import ModbusMapper
from mappers.protocols import PROTOCOLS

V = {"register": "holding", "address": 0}

CONFIGS: list[tuple[dict[str, Any], str, dict[str, Any]]] = [
    # ours
    ({"host": "plc"}, "tcp://plc:502", {"unit": 1, "timeout": 1.0}),
    ({"host": "plc", "port": 1502, "unit": 7, "order": "CDAB"}, "tcp://plc:1502", {"unit": 7, "order": "CDAB"}),
    ({"serialPort": "/dev/ttyUSB0", "baudRate": 19200, "parity": "even"}, "/dev/ttyUSB0", {"parity": "even"}),
    ({"host": "gw", "mode": "rtuOverTcp"}, "rtu+tcp://gw:502", {}),
    # KubeEdge v1beta1
    ({"ip": "172.17.0.3", "port": 1502}, "tcp://172.17.0.3:1502", {}),
    ({"communicateMode": "TCP", "port": "5502", "slaveID": 1, "ip": "10.2.1.3"}, "tcp://10.2.1.3:5502", {"unit": 1}),
    (
        {"slaveID": 3, "serialPort": "/dev/ttyS0", "baudRate": 115200, "dataBits": 8, "parity": "even",
         "stopBits": 1},
        "/dev/ttyS0",
        {"unit": 3, "baud_rate": 115200, "parity": "even", "stop_bits": 1},
    ),
    ({"communicateMode": "RTU", "serialName": "/dev/ttyS1", "parity": "N"}, "/dev/ttyS1", {"parity": "none"}),
    ({"communicateMode": "RTU", "ip": "gw", "slaveID": 2}, "rtu+tcp://gw:502", {"unit": 2}),
    ({"ip": "a", "timeout": 1500}, "tcp://a:502", {"timeout": 1.5}),
    ({"ip": "a", "timeout": 2000000000}, "tcp://a:502", {"timeout": 2.0}),
    # KubeEdge v1alpha2, upgraded: the protocol's fields and `common` beside each other, or still nested
    ({"slaveID": 1, "tcp": {"ip": "192.168.33.1", "port": 502}}, "tcp://192.168.33.1:502", {"unit": 1}),
    ({"modbus": {"slaveID": 4}, "common": {"tcp": {"ip": "h", "port": "503"}}}, "tcp://h:503", {"unit": 4}),
    (
        {"slaveID": 1, "com": {"serialPort": "/dev/ttyS0", "baudRate": 9600, "parity": "Even", "stopBits": 1},
         "customizedValues": {"serialType": "RS232"}, "collectTimeout": 1000, "commType": "COM"},
        "/dev/ttyS0",
        {"parity": "even", "baud_rate": 9600},
    ),
    # any case
    ({"IP": "h", "SlaveId": 9}, "tcp://h:502", {"unit": 9}),
]  # fmt: skip


@pytest.mark.parametrize(("raw", "link", "fields"), CONFIGS)
def test_configurations_that_are_understood(raw: dict[str, Any], link: str, fields: dict[str, Any]) -> None:
    config = config_of(raw)
    assert ModbusMapper.link_of(config) == link
    assert {name: getattr(config, name) for name in fields} == fields
    Draft202012Validator(PROTOCOLS["modbus"].config_schema()).validate(raw)


VISITORS: list[tuple[dict[str, Any], DataType, Format]] = [
    # ours
    ({"register": "holding", "address": 5}, DataType.INT, Format("uint", 1)),
    ({"register": "input", "address": 5, "type": "int32", "order": "CDAB"}, DataType.INT, Format("int", 2, "CDAB")),
    ({"register": "holding", "address": 5, "type": "float64"}, DataType.DOUBLE, Format("float", 4)),
    ({"register": "holding", "address": 5, "type": "float32", "count": 2}, DataType.FLOAT, Format("float", 2)),
    ({"register": "holding", "address": 5, "type": "int16"}, DataType.FLOAT, Format("int", 1)),
    ({"register": "holding", "address": 5, "count": 8}, DataType.STRING, Format("string", 8)),
    ({"register": "holding", "address": 5, "count": 8}, DataType.BYTES, Format("bytes", 8)),
    ({"register": "holding", "address": 5, "bit": 3}, DataType.BOOLEAN, Format("bit", 1, bit=3, truth=True)),
    ({"register": "holding", "address": 5}, DataType.BOOLEAN, Format("uint", 1, truth=True)),
    # KubeEdge
    ({"register": "HoldingRegister", "offset": 2, "limit": 1, "scale": 1, "isSwap": True, "isRegisterSwap": True},
     DataType.INT, Format("uint", 1, "DCBA")),
    ({"register": "HoldingRegister", "offset": 2, "limit": 2, "isRegisterSwap": True},
     DataType.INT, Format("uint", 2, "CDAB")),
    ({"register": "HoldingRegister", "offset": 2, "limit": 2, "isSwap": True},
     DataType.FLOAT, Format("float", 2, "BADC")),
    ({"register": "InputRegister", "offset": 2, "limit": 4}, DataType.DOUBLE, Format("float", 4)),
    ({"register": "InputRegister", "offset": 2, "limit": 4}, DataType.INT, Format("uint", 4)),
    ({"register": "InputRegister", "offset": 1, "limit": 0, "scale": 0.1}, DataType.INT, Format("uint", 1)),
    ({"dataType": "float", "register": "HoldingRegister", "offset": 0, "limit": 1, "scale": 0.1, "isSwap": False,
      "isRegisterSwap": False, "max": 100.0, "min": 1.0}, DataType.FLOAT, Format("uint", 1)),
    ({"dataType": "int", "register": "holding_registers", "Offset": "3", "limit": "1"},
     DataType.INT, Format("uint", 1)),
]  # fmt: skip


@pytest.mark.parametrize(("raw", "type_", "form"), VISITORS)
def test_visitors_that_are_understood(raw: dict[str, Any], type_: DataType, form: Format) -> None:
    [point] = points({"host": "h"}, raw, type_)
    assert format_of(point.property, point.config, point.visitor) == form
    Draft202012Validator(PROTOCOLS["modbus"].visitor_schema()).validate(raw)


@pytest.mark.parametrize(
    ("word", "table"),
    [("CoilRegister", "coil"), ("coils", "coil"), ("DiscreteInputRegister", "discrete"),
     ("discrete input", "discrete"), ("InputRegister", "input"), ("Input_Registers", "input"),
     ("HoldingRegister", "holding"), ("HOLDING", "holding")],
)  # fmt: skip
def test_tables_by_any_name(word: str, table: str) -> None:
    [point] = points({"host": "h"}, {"register": word, "offset": 1})
    assert point.visitor.register == table


def test_the_order_of_the_slave_holds_where_a_property_says_none() -> None:
    raw = {"register": "holding", "address": 5, "type": "uint32"}
    [point] = points({"host": "h", "order": "badc"}, raw)
    assert format_of(point.property, point.config, point.visitor).order == "BADC"
    [point] = points({"host": "h", "order": "BADC"}, raw | {"order": "ABCD"})
    assert format_of(point.property, point.config, point.visitor).order == "ABCD"


def test_kubeedges_scale_becomes_the_conversion() -> None:
    [point] = points({"host": "h"}, V | {"scale": 0.1})
    assert ModbusMapper.conversion_of(point) == Conversion(scale=0.1)
    for nothing in (1, 0, None):
        [point] = points({"host": "h"}, V | {"scale": nothing})
        assert ModbusMapper.conversion_of(point) is None


@pytest.mark.parametrize(
    ("config", "visitor", "type_", "words"),
    [
        ({}, V, DataType.INT, "write either host (TCP) or serialPort (a serial line)"),
        ({"host": "h", "serialPort": "p"}, V, DataType.INT, "write either host"),
        ({"serialPort": "p", "mode": "tcp"}, V, DataType.INT, "mode tcp needs host"),
        ({"host": "h", "ip": "i"}, V, DataType.INT, "host is said twice, as 'h' and as 'i'"),
        ({"host": "h", "tcp": {"ip": "i"}}, V, DataType.INT, "host is said twice, as 'h' and as 'i'"),
        ({"host": "h", 7: 1}, V, DataType.INT, "unknown field 7"),
        ({"host": ["h"]}, V, DataType.INT, "protocol.configData.host: expected str, got array"),
        ({"host": "h"}, V | {"address": {"a": 1}}, DataType.INT, "address: expected int, got object"),
        ({"host": "h"}, V | {"address": True}, DataType.INT, "visitors.configData.address: expected int, got bool"),
        ({"host": "h", "prot": 5}, V, DataType.INT, "unknown field prot; did you mean port?"),
        ({"host": "h", "port": "x"}, V, DataType.INT, "protocol.configData.port: expected int"),
        ({"host": "h", "unit": 300}, V, DataType.INT, "protocol.configData.unit"),
        ({"host": "h", "parity": "mark"}, V, DataType.INT, "write one of"),
        ({"host": "h", "timeout": 0}, V, DataType.INT, "protocol.configData.timeout"),
        ({"host": "h"}, {"register": "holding"}, DataType.INT, "address is missing"),
        ({"host": "h"}, {"address": 1}, DataType.INT, "register is missing"),
        ({"host": "h"}, {"register": "40001", "address": 1}, DataType.INT, "one of coil, discrete, input, holding"),
        ({"host": "h"}, V | {"address": 65536}, DataType.INT, "visitors.configData.address"),
        ({"host": "h"}, V | {"address": 65535, "type": "uint32"}, DataType.INT, "reach beyond 65535"),
        ({"host": "h"}, V | {"type": "uint17"}, DataType.INT, "write one of"),
        ({"host": "h"}, V, DataType.FLOAT, "a float needs type"),
        ({"host": "h"}, V, DataType.STRING, "string needs count"),
        ({"host": "h"}, V, DataType.STREAM, "Modbus has no STREAM"),
        ({"host": "h"}, V | {"limit": 3}, DataType.INT, "a number has 1, 2 or 4 registers, not 3"),
        ({"host": "h"}, V | {"type": "uint32", "count": 1}, DataType.INT, "uint32 has 2 registers, not 1"),
        ({"host": "h"}, V | {"bit": 16}, DataType.BOOLEAN, "visitors.configData.bit"),
        ({"host": "h"}, V | {"bit": 1, "type": "uint16"}, DataType.INT, "bit picks one bit"),
        ({"host": "h"}, {"register": "coil", "address": 1, "type": "uint16"}, DataType.INT, "a coil is a single bit"),
        ({"host": "h"}, {"register": "coil", "address": 1, "count": 65}, DataType.INT, "at most 64 bits"),
        ({"host": "h"}, V | {"order": "ABCD", "isSwap": True}, DataType.INT, "write either order, or isSwap"),
        ({"host": "h", "maxBlock": 4}, V | {"count": 8}, DataType.STRING, "maxBlock is 4"),
        (
            {"host": "h", "forbidden": [{"register": "HoldingRegister", "first": 0, "last": 9}]}, V, DataType.INT,
            "configData.forbidden excludes",
        ),
    ],
)  # fmt: skip
def test_what_is_wrong_is_said_with_a_remedy(
    config: dict[str, Any], visitor: dict[str, Any], type_: DataType, words: str
) -> None:
    with pytest.raises(ConfigurationErrors) as caught:
        points(config, visitor, type_)
    assert words in str(caught.value)


def test_a_scale_that_is_said_twice_is_refused() -> None:
    prop = Property("x", DataType.INT, conversion=Conversion(scale=2), visitor=V | {"scale": 3})
    with pytest.raises(ConfigurationErrors, match="leave one out"):
        points_of(ModbusMapper, [Device("default", "d", "m", "modbus", {"host": "h"}, (prop,))])


@pytest.mark.parametrize("unknown", [{"host": "h", "prot": 1}, {"slaveID": 1, "zzz": None}])
def test_the_schema_names_unknown_fields(unknown: dict[str, Any]) -> None:
    [error] = Draft202012Validator(PROTOCOLS["modbus"].config_schema()).iter_errors(unknown)
    assert error.validator == "additionalProperties"


def test_two_devices_on_a_line_must_agree_about_it() -> None:
    def device(name: str, baud: int) -> Device:
        config = {"serialPort": "/dev/ttyS0", "baudRate": baud}
        return Device("default", name, "m", "modbus", config, (Property("x", DataType.INT, visitor=V),))

    with pytest.raises(ValueError, match="default/a and default/b share /dev/ttyS0 and disagree about baudRate"):
        ModbusMapper(points_of(ModbusMapper, [device("a", 9600), device("b", 19200)]))


def config_of(raw: dict[str, Any]) -> ModbusConfig:
    [point] = points(raw, V)
    assert isinstance(point.config, ModbusConfig)
    assert isinstance(point.visitor, ModbusVisitor)
    return point.config


def points(config: dict[str, Any], visitor: dict[str, Any], type_: DataType = DataType.INT) -> Any:
    prop = Property("x", type_, visitor=visitor)
    return points_of(ModbusMapper, [Device("default", "d", "m", "modbus", config, (prop,))])
