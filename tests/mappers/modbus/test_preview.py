from __future__ import annotations

from typing import Any

import pytest

from device_models import DataType, Device, Property
from mappers.configuration import ConfigurationErrors
from mappers.mapper import LinkLost
from mappers.preview import plan_rows, plan_text
from mappers.probe import probe


def device(config: dict[str, Any], *properties: Property, name: str = "boiler") -> Device:
    return Device("default", name, "m", "modbus", config, properties)


def register(name: str, address: int, period: float = 1.0, **visitor: Any) -> Property:
    asked = {"register": "holding", "address": address} | visitor
    return Property(name, DataType.INT, collect_cycle=period, visitor=asked)


PLANT = [
    device({"host": "plc"}, *(register(f"p{n}", n) for n in range(3)), register("far", 100), register("slow", 3, 10)),
    device({"host": "plc", "unit": 2}, register("coil", 7, register="coil"), name="pump"),
]


def test_the_plan_says_what_is_asked_of_whom_and_how_often() -> None:
    assert (
        plan_text(PLANT)
        == """modbus tcp://plc:502
  default/boiler
    every 1 s: unit 1, holding 0-2: p0, p1, p2
    every 1 s: unit 1, holding 100: far
    every 10 s: unit 1, holding 3: slow
  default/pump
    every 1 s: unit 2, coil 7: coil
1 links, 2 devices: 6 properties in 4 requests, 3.1 requests a second"""
    )


def test_the_rows_hold_the_same() -> None:
    assert plan_rows(PLANT)[0] == (
        "modbus tcp://plc:502",
        "default/boiler",
        1.0,
        "unit 1, holding 0-2",
        ("p0", "p1", "p2"),
    )


def test_devices_without_a_mapper_are_left_out() -> None:
    assert plan_text([Device("default", "d", "m", "external")]).startswith("0 links, 0 devices")


def test_a_wrong_device_has_no_plan() -> None:
    with pytest.raises(ConfigurationErrors):
        plan_rows([device({}, register("x", 1))])


async def test_a_probe_shows_every_decoding_and_the_configured_value(hand_slave: Any) -> None:
    async with hand_slave(
        units={1: {5: 0x41AC, 6: 0, 9: 2}}, refuse=lambda asked: 2 * (asked.address == 8)
    ).serving() as slave:
        rows = await probe(
            device(
                {"host": "127.0.0.1", "port": slave.port},
                register("x", 5, type="uint32"),
                Property("t", DataType.FLOAT, visitor={"register": "holding", "address": 5, "type": "float32"}),
                register("gone", 8),
            )
        )
    x, t, gone = rows
    assert (x.property, x.where, x.raw, x.value, x.quality) == (
        "x",
        "unit 1, holding 5-6",
        "1101791232",
        "1101791232",
        "good",
    )
    assert t.value == "21.5"
    assert x.decodings["registers"] == "41ac 0000 0007 0008"
    assert x.decodings["float32 ABCD"] == "21.5"
    assert x.decodings["uint16 ABCD"] == str(0x41AC)
    assert x.decodings["uint16 BADC"] == str(0xAC41)
    assert x.decodings["int32 CDAB"] == str(0x41AC)
    assert {"float64 DCBA", "int64 BADC", "text"} <= set(x.decodings)
    assert (gone.value, gone.quality, gone.reason) == (None, "bad", "illegal data address (exception 2)")


async def test_a_probe_of_a_slave_that_is_not_there_says_so(unused_tcp_port: int) -> None:
    with pytest.raises(LinkLost, match="connect"):
        await probe(device({"host": "127.0.0.1", "port": unused_tcp_port}, register("x", 1)))


async def test_a_probe_of_a_silent_slave_ends_soon(hand_slave: Any) -> None:
    async with hand_slave(twist=lambda _asked, _pdu: []).serving() as slave:
        config = {"host": "127.0.0.1", "port": slave.port, "timeout": 0.05}
        with pytest.raises(LinkLost, match="default/boiler does not answer"):
            await probe(device(config, *(register(f"p{n}", n) for n in range(20))))
    assert len(slave.asked) == 2


async def test_a_probe_of_an_unknown_protocol_says_so() -> None:
    with pytest.raises(LinkLost, match="no mapper here speaks"):
        await probe(Device("default", "d", "m", "external"))
