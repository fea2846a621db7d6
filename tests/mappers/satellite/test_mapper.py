"""The whole way: a satellite in flight, its bus over TCP, the framework, a twin."""

from __future__ import annotations

import asyncio
import struct
from dataclasses import replace
from typing import Any

import pytest

from device_models import AccessMode, DataType, Device, Property
from mappers.configuration import ConfigurationErrors, points_of
from mappers.mapper import LinkLost
from mappers.probe import probe
from mappers.satellite.elements import CBERS_2
from mappers.satellite.mapper import SatelliteMapper
from mappers.satellite.orbit import Orbit
from mappers.satellite.simulator.faults import Fault
from mappers.satellite.simulator.on_board_software import OnBoardSoftware
from mappers.satellite.simulator.spacecraft import Spacecraft
from mappers.testing.running import running

D = "default/sat"


async def test_telemetry_becomes_values_with_on_board_time(flying: Any, declare: Any) -> None:
    async with flying(speed=60) as server:
        server.software.times = times = []
        async with running("satellite", [declare(server, "battery.soc", "payload.imaging", "wheel.target")]) as side:
            await side.until(lambda: len(side.readings(D, "wheel.target")) > 3)
            assert side.state_of(D) == "online"
            assert side.value(D, "payload.imaging") == "true"
            assert side.value(D, "wheel.target") == "1200"
            assert 80 < float(side.value(D, "battery.soc")) < 91
            told = [reading.time for reading in side.readings(D, "battery.soc")]
            assert set(told) <= set(times)
            assert told == sorted(told)


async def test_a_wish_becomes_a_telecommand_and_housekeeping_meets_it(flying: Any, declare: Any) -> None:
    wishes = {
        "wheel.target": "-300",
        "heater.setPoint": "12.50",
        "payload.imaging": "false",
        "storage.generation": "7",
    }
    async with flying() as server, running("satellite", [declare(server, *wishes)]) as side:
        await side.until(lambda: side.state_of(D) == "online")
        side.wish(D, **wishes)
        for name, text in wishes.items():
            await side.until(lambda name=name, text=text: side.value(D, name) == text)
        spacecraft = server.software.spacecraft
        assert (spacecraft.attitude.target, spacecraft.battery.set_point) == (-300, 12.5)
        assert (spacecraft.payload.imaging, spacecraft.payload.generation) == (False, 7)


async def test_what_the_satellite_does_not_accept_is_given_up(
    flying: Any, declare: Any, caplog: pytest.LogCaptureFixture
) -> None:
    async with flying() as server, running("satellite", [declare(server, "wheel.target")]) as side:
        await side.until(lambda: side.state_of(D) == "online")
        side.wish(D, **{"wheel.target": "6001"})
        await side.until(lambda: "code 6, the value is out of range" in caplog.text)
        assert "trying on" not in caplog.text
        assert side.quality(D, "wheel.target") == "good"


async def test_what_cannot_be_done_now_is_tried_on(
    flying: Any, declare: Any, caplog: pytest.LogCaptureFixture
) -> None:
    async with flying() as server:
        spacecraft = server.software.spacecraft
        spacecraft.payload.imaging, spacecraft.safe_mode = False, True
        async with running("satellite", [declare(server, "payload.imaging")]) as side:
            await side.until(lambda: side.state_of(D) == "online")
            side.wish(D, **{"payload.imaging": "true"})
            await side.until(lambda: "does not complete it (code 20, the battery is too low)" in caplog.text)
            spacecraft.safe_mode = False
            await side.until(lambda: side.value(D, "payload.imaging") == "true")


async def test_a_telecommand_that_nobody_reports_on_leaves_the_telemetry_alone(
    flying: Any, declare: Any, caplog: pytest.LogCaptureFixture
) -> None:
    deaf = Property(
        "x", DataType.INT, AccessMode.READ_WRITE,
        visitor={"service": 3, "subservice": 25, "structure": 3, "offset": 6, "format": "int16",
                 "command": {"service": 20, "subservice": 3, "prefix": "010002"}},
    )  # fmt: skip
    async with flying() as server:
        server.software.obey = lambda packet, time: []
        async with running("satellite", [declare(server, more=(deaf,), timeout=0.1)]) as side:
            await side.until(lambda: side.value(D, "x") == "1200")
            side.wish(D, x="5")
            await side.until(lambda: "no report of completion within 0.1 s" in caplog.text)
            assert [state for _, state in side.states] == ["online"]
            assert side.quality(D, "x") == "good"


async def test_a_place_that_is_spelled_out_is_read_and_set(flying: Any, declare: Any) -> None:
    spelled = Property(
        "wheel", DataType.INT, AccessMode.READ_WRITE,
        visitor={"service": 3, "subservice": 25, "structure": 3, "offset": 6, "format": "int16",
                 "command": {"service": 20, "subservice": 3, "prefix": "010002"}},
    )  # fmt: skip
    async with flying() as server, running("satellite", [declare(server, more=(spelled,))]) as side:
        await side.until(lambda: side.value(D, "wheel") == "1200")
        side.wish(D, wheel="77")
        await side.until(lambda: side.value(D, "wheel") == "77")
        assert server.software.spacecraft.attitude.target == 77


async def test_contacts_stand_in_the_twin(flying: Any, declare: Any) -> None:
    values = {"inContact": DataType.BOOLEAN, "nextRise": DataType.STRING, "rate": DataType.INT}
    more = tuple(
        Property(name, kind, visitor={"contact": {"station": "kiruna", "value": name}}, collect_cycle=0.05)
        for name, kind in values.items()
    )
    stations = [{"name": "kiruna", "latitude": 67.86, "longitude": 20.22, "altitude": 390, "minimumElevation": 5}]
    async with flying(speed=2000) as server:
        device = declare(server, more=more, elements=list(CBERS_2), stations=stations)
        async with running("satellite", [device]) as side:
            await side.until(lambda: {r.value for r in side.readings(D, "inContact")} == {"true", "false"})
            pairs = {
                (contact.value, rate.value == "0")
                for contact, rate in zip(side.readings(D, "inContact"), side.readings(D, "rate"), strict=False)
            }
            assert pairs == {("true", False), ("false", True)}
            assert side.value(D, "nextRise").startswith("2006-06-")


async def test_no_value_is_invented_when_packets_stop(flying: Any, declare: Any) -> None:
    async with flying() as server:
        device = declare(server, "battery.soc", silence=0.3)
        async with running("satellite", [device]) as side:
            await side.until(lambda: side.state_of(D) == "online")
            server.software.spacecraft.plan(Fault.parse("silent-bus"))
            await side.until(lambda: side.state_of(D) == "offline")
            last = side.value(D, "battery.soc")
            assert side.quality(D, "battery.soc") == "bad"
            assert side.last(D, "battery.soc").reason == "nothing heard for 0.3 s"
            server.software.spacecraft.faults.clear("silent-bus")
            await side.until(lambda: side.quality(D, "battery.soc") == "good")
            assert last is not None


async def test_lost_packets_are_counted(flying: Any, declare: Any) -> None:
    missed = Property("missed", DataType.INT, visitor={"packets": "missed"})
    async with flying() as server, running("satellite", [declare(server, "battery.soc", more=(missed,))]) as side:
        await side.until(lambda: side.value(D, "missed") == "0")
        server.software.spacecraft.plan(Fault.parse("lost-packets=0.5"))
        await side.until(lambda: int(side.value(D, "missed")) > 5)


async def test_satellites_behind_one_front_end_are_told_apart(flying: Any, declare: Any) -> None:
    async with flying(apid=7) as server:
        device = declare(server, "wheel.target", apid=7)
        other = declare(server, "wheel.target", apid=8, silence=0.3)
        other = replace(other, name="other")
        async with running("satellite", [device, other]) as side:
            await side.until(lambda: side.value(D, "wheel.target") == "1200")
            await side.until(lambda: side.state_of("default/other") == "offline")
            assert side.value("default/other", "wheel.target") is None
            assert len(server._connections) == 1


async def test_a_time_that_cannot_be_read_is_told_once(
    saying: Any, declare: Any, caplog: pytest.LogCaptureFixture
) -> None:
    packet = bytes.fromhex("0864c000") + struct.pack(">H", 19) + bytes.fromhex("20031900000000") + bytes(13)
    async with saying(packet, packet) as bus, running("satellite", [declare(bus, "battery.soc", checksum=False)]):
        async with asyncio.timeout(20):
            while "cannot be read" not in caplog.text:
                await asyncio.sleep(0.01)
        assert caplog.text.count("the time field begins with 0x00") == 1


async def test_what_is_said_together_is_one_message(flying: Any, declare: Any) -> None:
    names = ("battery.soc", "wheel.speed", "storage.used")
    missed = Property("missed", DataType.INT, visitor={"packets": "missed"})
    async with flying() as server, running("satellite", [declare(server, *names, more=(missed,))]) as side:
        await side.until(lambda: len(side.readings(D, "storage.used")) > 3)
        sizes = [len(readings) for _, readings in side.reports]
        assert sizes.count(4) > len(sizes) / 2


async def test_what_is_said_twice_is_told_twice(saying: Any, declare: Any) -> None:
    orbit = Orbit.of(*CBERS_2)
    spacecraft = Spacecraft(orbit, orbit.epoch)
    board, packets = OnBoardSoftware(spacecraft, 100), []
    for second in range(3):
        spacecraft.set("wheel.target", second)
        packets += board.housekeeping(orbit.epoch + second)
    async with saying(*packets, b"noise") as bus, running("satellite", [declare(bus, "wheel.target")]) as side:
        await side.until(lambda: side.quality(D, "wheel.target") == "bad")
        told = [reading for reading in side.readings(D, "wheel.target") if reading.value is not None][:3]
        assert [reading.value for reading in told] == ["0", "1", "2"]
        assert [reading.time - told[0].time for reading in told] == [0, 1000, 2000]


async def test_a_telecommand_without_a_connection_leaves_nothing_behind(flying: Any, declare: Any) -> None:
    async with flying() as server:
        [point] = points_of(SatelliteMapper, [declare(server, "wheel.target")])
    mapper = SatelliteMapper([point])
    with pytest.raises(LinkLost):
        await mapper.write(point, 5)
    await asyncio.sleep(0)
    assert mapper._telecommands._requests == {}


async def test_try_shows_what_it_hears(flying: Any, declare: Any) -> None:
    async with flying() as server:
        [row] = [row for row in await probe(declare(server, "wheel.target")) if row.property == "wheel.target"]
        assert (row.value, row.quality) == ("1200", "good")


@pytest.mark.parametrize(
    ("config", "prop", "says"),
    [
        ({}, {"visitor": {}}, "write one of parameter, contact, packets, or a place"),
        ({}, {"visitor": {"parameter": "x"}}, "there is no parameter x; known are battery.soc"),
        ({}, {"visitor": {"parameter": "battery.soc", "offset": 3}}, "write one of"),
        ({}, {"visitor": {"service": 3}}, "a place in a packet needs service, subservice, offset and format"),
        ({}, {"visitor": {"parameter": "battery.soc", "command": {"service": 8, "subservice": 1}}}, "command be"),
        ({}, {"visitor": {"parameter": "battery.soc"}, "access": AccessMode.READ_WRITE}, "no telecommand sets it"),
        ({}, {"visitor": {"parameter": "battery.soc"}, "type": DataType.STRING}, "packets hold numbers, not STRING"),
        ({}, {"visitor": {"contact": {"station": "x", "value": "rate"}}}, "there is no station x"),
        (
            {"stations": [{"name": "x", "latitude": 1, "longitude": 2}]},
            {"visitor": {"contact": {"station": "x", "value": "rate"}}},
            "write elements or elementsFile",
        ),
        (
            {"stations": [{"name": "x", "latitude": 1, "longitude": 2}], "elementsFile": "f"},
            {"visitor": {"contact": {"station": "x", "value": "nextRise"}}, "type": DataType.FLOAT},
            "nextRise is a STRING .ISO 8601. or an INT",
        ),
        (
            {"stations": [{"name": "x", "latitude": 1, "longitude": 2}], "elementsFile": "f"},
            {"visitor": {"contact": {"station": "x", "value": "rate"}}, "type": DataType.STRING},
            "rate is no STRING",
        ),
        ({"structureBytes": 1}, {"visitor": {"service": 3, "subservice": 25, "structure": 256, "offset": 1,
          "format": "uint8"}}, "structure 256 does not fit into 1 bytes"),
        ({"elements": "one line"}, {"visitor": {"parameter": "battery.soc"}}, "elements are two lines"),
        ({"elements": [CBERS_2[0], CBERS_2[0]]}, {"visitor": {"parameter": "battery.soc"}}, "line 2 of the elements"),
        ({"elements": list(CBERS_2), "elementsFile": "f"}, {"visitor": {"parameter": "battery.soc"}}, "not both"),
        ({"stations": [{"name": "x", "latitude": 1, "longitude": 2}] * 2}, {"visitor": {"parameter": "battery.soc"}},
         "two stations are called x"),
        ({"prot": 1}, {"visitor": {"parameter": "battery.soc"}}, "unknown field prot; did you mean port"),
    ],
)  # fmt: skip
def test_mistakes_are_told(config: dict[str, Any], prop: dict[str, Any], says: str) -> None:
    wrong = Property("p", **({"type": DataType.FLOAT} | prop))
    device = Device("default", "sat", "m", "satellite", {"host": "h"} | config, (wrong,))
    with pytest.raises(ConfigurationErrors, match=says):
        points_of(SatelliteMapper, [device])
