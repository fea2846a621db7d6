"""Real GATT traffic through a virtual controller over TCP: values, advertisements, slots, and all that goes away."""

from __future__ import annotations

import asyncio
import logging
import sys
import time
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Any

import pytest

from device_models import AccessMode, DataType, Device, Property
from mappers.ble import mapper as ble_mapper
from mappers.ble import radio
from mappers.ble.adapter import Advertisement
from mappers.ble.bumble_adapter import BumbleAdapter
from mappers.ble.discover import discover
from mappers.ble.simulator import COMPANY, SETPOINT, SETPOINT_SERVICE, Simulation, address_of
from mappers.configuration import points_of
from mappers.mapper import CannotDiscover, LinkLost
from mappers.protocols import PROTOCOLS
from mappers.runner import links
from mappers.testing.running import running

TEMPERATURE = {"characteristicUUID": "2A6E"}
POLLED = {"characteristicUUID": "2A6E", "notify": False}


def prop(name: str, visitor: Mapping[str, Any], type_: DataType = DataType.FLOAT, **more: Any) -> Property:
    return Property(name, type_, visitor=visitor, **({"collect_cycle": 0.05} | more))


def device(number: int, adapter: str, *properties: Property, **config: Any) -> Device:
    words = {"macAddress": address_of(number), "adapter": adapter, "timeout": 1, "slots": 50} | config
    return Device("default", f"d{number}", "m", "ble", words, properties)


@asynccontextmanager
async def simulated(count: int) -> AsyncIterator[Simulation]:
    async with Simulation(count, advertise_every=0.05) as simulation:
        yield simulation


async def test_what_is_known_is_decoded_and_what_is_declared_too() -> None:
    low_byte = {"startIndex": 0, "endIndex": 0}
    properties = (
        prop("temperature", TEMPERATURE),
        prop("low-byte", TEMPERATURE | {"dataConverter": low_byte}, DataType.INT),
        prop("humidity", {"characteristicUUID": "2A6F", "serviceUUID": "181a"}),
        prop("battery", {"characteristicUUID": "00002a19-0000-1000-8000-00805F9B34FB"}, DataType.INT),
        prop("name", {"characteristicUUID": "2A00"}, DataType.STRING),
    )
    async with simulated(1) as air:
        air.sensors[0].temperature, air.sensors[0].humidity = -3.25, 61.5
        async with running("ble", [device(0, air.adapter, *properties)]) as side:
            await side.until(lambda: all(side.value("default/d0", p.name) is not None for p in properties))
            values = {p.name: side.value("default/d0", p.name) for p in properties}
            assert values == {
                "temperature": "-3.25", "low-byte": str(-325 & 255), "humidity": "61.5", "battery": "100",
                "name": "sensor-0",
            }  # fmt: skip


async def test_what_notifies_is_not_polled() -> None:
    async with simulated(1) as air, running("ble", [device(0, air.adapter, prop("t", TEMPERATURE))]) as side:
        await side.until(lambda: side.value("default/d0", "t") == "20.0")
        air.sensors[0].temperature = 25.0
        await asyncio.sleep(0.3)
        assert side.value("default/d0", "t") == "20.0"  # nobody asks, and it did not say
        await air.sensors[0].notify()
        await side.until(lambda: side.value("default/d0", "t") == "25.0")


async def test_labels_are_written_and_read_back() -> None:
    visitor = {
        "characteristicUUID": SETPOINT,
        "serviceUUID": SETPOINT_SERVICE,
        "dataWrite": {"LOW": [5], "HIGH": [90]},
    }
    mode = prop("mode", visitor, DataType.STRING, access=AccessMode.READ_WRITE)
    async with simulated(1) as air, running("ble", [device(0, air.adapter, mode)]) as side:
        await side.until(lambda: side.quality("default/d0", "mode") == "bad")
        assert "no label of dataWrite has the bytes 14" in side.last("default/d0", "mode").reason  # type: ignore[union-attr]
        side.wish("default/d0", mode="HIGH")
        await side.until(lambda: side.value("default/d0", "mode") == "HIGH")
        assert air.sensors[0].setpoint == 90


async def test_advertisements_are_heard_without_connecting() -> None:
    properties = (
        prop("battery", {"manufacturerData": COMPANY, "type": "uint8"}, DataType.INT),
        prop("warmth", {"manufacturerData": COMPANY, "type": "int16", "offset": 1}, DataType.INT),
        prop("strength", {"rssi": True}, DataType.INT),
        prop("seen", {"lastSeen": True}, DataType.INT),
    )
    async with simulated(1) as air, running("ble", [device(0, air.adapter, *properties)]) as side:
        await side.until(lambda: all(side.value("default/d0", p.name) for p in properties))
        assert side.value("default/d0", "battery") == "100"
        assert side.value("default/d0", "warmth") == "2000"
        assert side.value("default/d0", "strength") == "-50"
        assert abs(int(side.value("default/d0", "seen") or 0) - time.time() * 1000) < 20_000
        assert side.state_of("default/d0") == "online"
        assert air.sensors[0].connections == 0


async def test_a_device_that_advertises_no_more_is_gone_and_comes_back(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ble_mapper, "SILENT_AFTER", 0.5)
    strength = prop("s", {"rssi": True}, DataType.INT)
    async with simulated(1) as air, running("ble", [device(0, air.adapter, strength)]) as side:
        await side.until(lambda: side.state_of("default/d0") == "online")
        await air.sensors[0].stop()
        await side.until(lambda: side.state_of("default/d0") == "offline")
        assert side.last("default/d0", "s").reason == "no advertisement for 0.5 s"  # type: ignore[union-attr]
        await air.sensors[0].start()
        await side.until(lambda: side.state_of("default/d0") == "online")


async def test_more_polled_devices_than_slots_take_turns() -> None:
    async with simulated(4) as air:
        devices = [device(n, air.adapter, prop("t", POLLED), slots=2, timeout=5) for n in range(4)]
        async with running("ble", devices) as side:
            await side.until(lambda: min(len(side.readings(d.id, "t")) for d in devices) >= 3)
            assert all(reading.quality == "good" for d in devices for reading in side.readings(d.id, "t"))
            assert sum(sensor.connections for sensor in air.sensors) <= 2


async def test_a_device_without_a_slot_is_told_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(radio, "SIGHTING", 0.5)
    async with simulated(2) as air:
        first = device(0, air.adapter, prop("t", TEMPERATURE), slots=1)
        second = device(1, air.adapter, prop("t", TEMPERATURE), slots=1)
        async with running("ble", [first, second]) as side:
            await side.until(lambda: "bad" in {side.quality(first.id, "t"), side.quality(second.id, "t")})
            without = first if side.quality(first.id, "t") == "bad" else second
            reason = side.last(without.id, "t").reason  # type: ignore[union-attr]
            assert "all 1 connections" in reason
            assert "raise slots" in reason


async def test_a_device_out_of_range_disturbs_nobody(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(radio, "SIGHTING", 0.3)
    async with simulated(1) as air:
        near, far = (device(n, air.adapter, prop("t", POLLED), slots=1) for n in (0, 77))
        async with running("ble", [far, near]) as side:
            await side.until(lambda: len(side.readings(near.id, "t")) > 10)
            await side.until(lambda: side.quality(far.id, "t") == "bad")
            assert "was not seen for 0.3 s: is it on, and near?" in side.last(far.id, "t").reason  # type: ignore[union-attr]
            assert all(reading.quality == "good" for reading in side.readings(near.id, "t"))


async def test_the_controller_goes_and_all_come_back_by_themselves(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "mappers")
    async with simulated(3) as air:
        devices = [device(n, air.adapter, prop("t", POLLED)) for n in range(2)]
        devices.append(device(2, air.adapter, prop("t", {"rssi": True}, DataType.INT)))
        async with running("ble", devices) as side:
            await side.until(lambda: all(side.state_of(d.id) == "online" for d in devices))
            await air.unplug()
            await side.until(lambda: all(side.state_of(d.id) == "offline" for d in devices))
            assert "the controller is gone" in side.last("default/d0", "t").reason  # type: ignore[union-attr]
            await asyncio.sleep(0.5)
            await air.plug()
            await side.until(lambda: all(side.state_of(d.id) == "online" for d in devices))
    for d in devices:
        lines = [record.message for record in caplog.records if d.config["macAddress"] in record.message]
        assert len(lines) == 2, lines  # gone, and back
        assert "back" in lines[1]


async def test_a_characteristic_that_is_not_there_is_told() -> None:
    async with simulated(1) as air:
        wrong = prop("x", {"characteristicUUID": "2A37"}, DataType.INT)
        async with running("ble", [device(0, air.adapter, prop("t", POLLED), wrong)]) as side:
            await side.until(lambda: side.quality("default/d0", "x") == "bad")
            reason = side.last("default/d0", "x").reason  # type: ignore[union-attr]
            assert reason.startswith("the device has no characteristic 2A37; it has 2A00, 2A01")
            await side.until(lambda: side.quality("default/d0", "t") == "good")


async def test_a_controller_that_is_not_there_is_told(unused_tcp_port: int) -> None:
    lost = device(0, f"tcp-client:127.0.0.1:{unused_tcp_port}", prop("t", TEMPERATURE))
    async with running("ble", [lost]) as side:
        await side.until(lambda: side.quality("default/d0", "t") == "bad")
        assert "connect call failed" in side.last("default/d0", "t").reason.lower()  # type: ignore[union-attr]


async def test_a_value_can_be_tried_in_every_way() -> None:
    async with simulated(1) as air:
        [point] = points_of(ble_mapper.BleMapper, [device(0, air.adapter, prop("t", TEMPERATURE))])
        mapper = ble_mapper.BleMapper([point])
        try:
            await mapper.connect()
            [batch] = mapper.plan([point])
            assert mapper.describe(batch) == "characteristic 2A6E"
            assert not mapper.polls(point)
            assert mapper.readable(point)
            assert await mapper.read(batch) == [20.0]
            assert (await mapper.decodings(point))["int16"] == "2000"
        finally:
            await mapper.close()


async def test_a_read_that_waits_when_the_connection_ends_is_lost_and_not_cancelled() -> None:
    """A cancellation that nobody asked for would end the link for good."""
    async with simulated(1) as air:
        adapter = BumbleAdapter(air.adapter)
        heard: asyncio.Queue[Advertisement] = asyncio.Queue()
        try:
            await adapter.open(heard.put_nowait, lambda _: None)
            connection = await adapter.connect(await heard.get(), 5, lambda _: None)
            place = next(each for each in connection.characteristics if each.readable)
            air.sensors[0].silent = True
            reading = asyncio.create_task(connection.read(place))
            await asyncio.sleep(0.1)
            air.sensors[0].drop()
            with pytest.raises(LinkLost, match="remote user terminated connection"):
                await reading
        finally:
            await adapter.close()


# -- discovery ----------------------------------------------------------------------------------------------


async def test_who_is_near_is_listed() -> None:
    async with simulated(2) as air:
        found = await discover("", {"adapter": air.adapter, "seconds": "0.5"})
        assert not found.manifests
        assert any(line.startswith(f"{address_of(1)}  -50 dBm  sensor-1") for line in found.remarks)
        assert any("manufacturerData 0xffff: 64 d0 07" in line for line in found.remarks)


async def test_a_device_is_described_so_that_it_can_be_read_at_once() -> None:
    async with simulated(2) as air:
        found = await discover(address_of(1).lower(), {"adapter": air.adapter})
        model, instance = found.manifests
        types = {p["name"]: (p["type"], p["accessMode"], p.get("unit")) for p in model["spec"]["properties"]}
        assert types["temperature"] == ("FLOAT", "ReadOnly", "°C")
        assert types["characteristic-f0de1000"] == ("BYTES", "ReadWrite", None)
        declared = tuple(
            prop(p["name"], p["visitors"]["configData"], DataType(types[p["name"]][0]))
            for p in instance["spec"]["properties"]
        )
        config = instance["spec"]["protocol"]["configData"]
        both = Device("default", "found", "m", "ble", config, declared)
        async with running("ble", [both]) as side:
            await side.until(lambda: all(side.quality("default/found", p.name) == "good" for p in declared))


async def test_discovery_says_what_is_wrong() -> None:
    async with simulated(1) as air:
        with pytest.raises(LinkLost, match=r"was not heard for 0\.2 s"):
            await discover(address_of(9), {"adapter": air.adapter, "seconds": "0.2"})
        with pytest.raises(CannotDiscover, match="no Bluetooth address"):
            await discover("kitchen", {"adapter": air.adapter})


# -- the simulator as a program -----------------------------------------------------------------------------


async def test_the_simulator_runs_by_itself() -> None:
    words = ["-m", "mappers.ble.simulator", "--devices", "2", "--port", "0", "--every", "0.1"]
    simulator = await asyncio.create_subprocess_exec(sys.executable, *words, stdout=asyncio.subprocess.PIPE)
    try:
        assert simulator.stdout is not None
        line = (await simulator.stdout.readline()).decode().strip()
        assert line.startswith(f"2 devices from {address_of(0)} on tcp-client:127.0.0.1:")
        async with running(
            "bluetooth", [_renamed(device(1, line.rpartition(" ")[2], prop("t", TEMPERATURE)))]
        ) as side:
            await side.until(lambda: len(side.readings("default/d1", "t")) > 3)
    finally:
        simulator.terminate()
        await simulator.wait()


def test_both_names_of_the_protocol_share_a_link() -> None:
    ours = device(1, "hci0", prop("t", TEMPERATURE))
    theirs = replace(_renamed(ours), name="twice")
    for name in ("ble", "bluetooth"):
        [plan] = links(PROTOCOLS[name], [ours, theirs]).values()
        assert plan.devices == (ours, theirs)


def _renamed(old: Device) -> Device:
    """Under KubeEdge's name."""
    assert PROTOCOLS["bluetooth"].mapper is PROTOCOLS["ble"].mapper
    return Device(old.namespace, old.name, old.model, "bluetooth", old.config, old.properties)
