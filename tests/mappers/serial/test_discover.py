"""What is said on a line is recognised and declared; what is not, is told why."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from device_models import load_objects
from mappers.mapper import CannotDiscover, LinkLost
from mappers.protocols import PROTOCOLS
from mappers.runner import links
from mappers.serial import discover as discovering
from mappers.serial.checksum import Checksum
from mappers.serial.discover import discover
from mappers.serial.framing import Lines
from mappers.serial.recognition import recognise
from mappers.serial.simulator import Balance, Gnss
from mappers.serial.simulator.far_end import Instrument, pseudo_terminal, serve, tcp_server

SCHEMAS = {"serial": PROTOCOLS["serial"].schema}
RMC = b"$GPRMC,123519,A,4807.038,N,01131.000,E,022.4,084.4,230394,003.1,W*6A\r\n"


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(discovering, "LISTENED", 0.4)


class Weather(Instrument):
    """Says lines of JSON."""

    def __init__(self) -> None:
        super().__init__(20)
        self.framer = Lines(b"\n", Checksum())

    def speak(self) -> list[bytes]:
        return [b'{"air": {"temperature": 21.5, "dry": true}, "site": "roof", "gone": null}']


async def found(instrument: Instrument, *, tcp: bool = False, **options: str) -> Any:
    async with tcp_server("127.0.0.1:0") if tcp else pseudo_terminal() as end:
        task = asyncio.create_task(serve(instrument, end))
        try:
            return await discover(end.address, options)
        finally:
            task.cancel()


def test_kinds_of_talk() -> None:
    nmea = recognise(b"half,a,line*00\r\n" + RMC)
    assert nmea is not None
    assert {"latitude": {"nmea": "RMC.latitude"}, "speed": {"nmea": "RMC.speed"}}.items() <= {
        each.name: each.visitor for each in nmea.found
    }.items()
    json = recognise(b'1}\n{"a": {"b": 1}}\n')
    assert json is not None
    assert [(each.name, str(each.type), each.visitor) for each in json.found] == [("a-b", "DOUBLE", {"json": "/a/b"})]
    columns = recognise(b"5;x\n1;21.5;ok\n2;21.6;ok\n")
    assert columns is not None
    assert [(str(each.type), each.visitor) for each in columns.found] == [
        ("DOUBLE", {"csv": 1, "separator": ";"}),
        ("DOUBLE", {"csv": 2, "separator": ";"}),
        ("STRING", {"csv": 3, "separator": ";"}),
    ]


@pytest.mark.parametrize("data", [b"", b"\x80\x00\xff" * 30, b"ready\nready\n", RMC.replace(b"6A", b"6B")])
def test_what_is_not_recognised(data: bytes) -> None:
    assert recognise(data) is None


@given(st.binary(max_size=400) | st.text('$GPRMC,*0123456789{}[]":\n;', max_size=200).map(str.encode))
def test_nothing_raises(data: bytes) -> None:
    recognise(data)


@pytest.mark.parametrize("tcp", [False, True])
async def test_a_receiver_becomes_manifests_that_work(tcp: bool) -> None:
    receiver = Gnss(20)
    receiver.fix = True
    discovery = await found(receiver, tcp=tcp)
    assert "NMEA 0183: GGA, GSV, RMC, VTG" in discovery.remarks[0]
    [device] = load_objects(discovery.manifests, SCHEMAS).devices.values()
    assert len(links(PROTOCOLS["serial"], [device])) == 1
    assert {prop.name for prop in device.properties} >= {"latitude", "altitude", "kilometresPerHour"}


async def test_lines_of_json_become_manifests() -> None:
    discovery = await found(Weather(), baudrate="4800")
    model, device = discovery.manifests
    assert [(prop["name"], prop["type"]) for prop in model["spec"]["properties"]] == [
        ("air-temperature", "DOUBLE"),
        ("air-dry", "BOOLEAN"),
        ("site", "STRING"),
    ]
    assert device["spec"]["protocol"]["configData"]["baudRate"] == 4800


async def test_who_waits_to_be_asked_cannot_be_discovered() -> None:
    with pytest.raises(CannotDiscover, match="has to be declared by its manual"):
        await found(Balance(), baudRate="9600")


@pytest.mark.parametrize("target", ["plc", "host:", ":4001", "host:abc"])
async def test_targets_that_are_none(target: str) -> None:
    with pytest.raises(CannotDiscover, match="neither a device file"):
        await discover(target, {})


async def test_who_is_not_there(unused_tcp_port: int) -> None:
    with pytest.raises((LinkLost, OSError, CannotDiscover), match=r"Connect call failed|connect call failed"):
        await discover(f"127.0.0.1:{unused_tcp_port}", {})


async def test_a_wrong_option_is_told() -> None:
    with pytest.raises(ValueError, match=r"parity|enum"):
        await discover("/dev/null", {"parity": "strange"})
