"""Real bleak against a BlueZ of our own. Not collected: `test_bluez` runs it in a process that has its own D-Bus."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

sys.path.insert(0, str(Path(__file__).parent))

from bluez_stand_in import StandIn, stand_in

from device_models import AccessMode, DataType, Device, Property
from mappers.ble.discover import discover
from mappers.mapper import LinkLost
from mappers.testing.running import running
from mappers.testing.side import MemorySide

TAG = "F0:F1:F2:F3:F4:F5"
ID = "default/tag"
READ = ["read"]


def prop(
    name: str, type_: DataType = DataType.FLOAT, access: AccessMode = AccessMode.READ_ONLY, **visitor: Any
) -> Property:
    return Property(name, type_, access, visitor=visitor, collect_cycle=0.05)


TEMPERATURE = prop("t", characteristicUUID="2A6E")


def tag(*properties: Property, address: str = TAG, **config: Any) -> Device:
    words = {"macAddress": address, "adapter": "hci0", "timeout": 0.5} | config
    return Device("default", "tag", "m", "ble", words, properties)


@asynccontextmanager
async def bluez(*, temperature: int = 2150) -> AsyncIterator[StandIn]:
    """One adapter, one device that advertises every 50 ms."""
    async with stand_in() as found:
        found.plug()
        found.service(
            TAG, c2a6e=(temperature.to_bytes(2, "little"), [*READ, "notify"]), c2a06=(b"\x01", [*READ, "write"])
        )
        talking = asyncio.create_task(_talk(found, TAG))
        try:
            yield found
        finally:
            talking.cancel()


async def _talk(found: StandIn, address: str, company: Mapping[int, bytes] | None = None) -> None:
    rssi = -60
    while True:
        if "/org/bluez/hci0" in found.objects:
            found.advertise(address, rssi, company)
        rssi = -121 - rssi  # it is never twice the same
        await asyncio.sleep(0.05)


async def good(side: MemorySide, name: str = "t") -> None:
    await side.until(lambda: side.quality(ID, name) == "good" and side.state_of(ID) == "online")


async def test_it_is_read_notifies_and_is_written() -> None:
    alert = prop("alert", DataType.INT, AccessMode.READ_WRITE, characteristicUUID="2A06")
    async with bluez() as found, running("ble", [tag(TEMPERATURE, alert)]) as side:
        await good(side)
        assert side.value(ID, "t") == "21.5"
        found.notify(TAG, "c2a6e", (-325).to_bytes(2, "little", signed=True))
        await side.until(lambda: side.value(ID, "t") == "-3.25")
        side.wish(ID, alert="2")
        await side.until(lambda: side.value(ID, "alert") == "2")
    assert "Disconnect" in found.calls  # and nothing stays connected


async def test_advertisements_are_heard_and_nothing_else_is_one() -> None:
    async with stand_in() as found:
        found.plug()
        seen = prop("seen", DataType.INT, lastSeen=True)
        data = prop("data", DataType.INT, manufacturerData=76, type="uint8")
        async with running("ble", [tag(seen, data)]) as side:
            await side.until(lambda: found.discovering)
            found.advertise(TAG, -50, {76: b"\x07"})
            await side.until(lambda: side.value(ID, "data") == "7")
            count = len(side.readings(ID, "seen"))
            await asyncio.sleep(0.1)
            found.rename(TAG, "kitchen")  # BlueZ tells of it, the device said nothing
            await asyncio.sleep(0.3)
            assert len(side.readings(ID, "seen")) == count
            found.advertise(TAG, -51)
            await side.until(lambda: len(side.readings(ID, "seen")) > count)
        assert "Connect" not in found.calls


async def test_a_connection_that_bluez_holds_and_nobody_has_is_ended() -> None:
    async with bluez() as found:
        found.known(TAG, connected=True)  # it does not advertise, so nobody could find it
        async with running("ble", [tag(TEMPERATURE)]) as side:
            await good(side)
        assert found.calls[:2] == ["Disconnect", "Connect"]


@pytest.mark.parametrize("mood", ["hang", "InProgress", "Failed"])
async def test_what_does_not_connect_is_cleared_and_tried_again(mood: str) -> None:
    async with bluez() as found:
        found.mood = mood
        async with running("ble", [tag(TEMPERATURE, timeout=0.15)]) as side:
            await side.until(lambda: side.quality(ID, "t") == "bad")
            await side.until(lambda: "RemoveDevice" in found.calls)  # after three of them
            attempt = found.calls.index("Connect")
            assert "Disconnect" in found.calls[attempt:]
            found.mood = ""
            await good(side)


async def test_services_that_bluez_remembers_wrongly_are_looked_for_afresh() -> None:
    async with bluez() as found:
        found.service(TAG, c2a19=(b"\x64", READ))
        found.advertise(TAG)
        async with running("ble", [tag(TEMPERATURE)]) as side:
            await side.until(lambda: "Connect" in found.calls)
            found.service(TAG, c2a6e=(b"\x10\x27", READ))
            await good(side)
            assert side.value(ID, "t") == "100.0"
        assert found.calls.count("RemoveDevice") == 1


@pytest.mark.parametrize("how", ["unplugged", "switched off"])
async def test_the_adapter_goes_and_the_device_comes_back_by_itself(how: str) -> None:
    async with bluez() as found, running("ble", [tag(TEMPERATURE)]) as side:
        await good(side)
        if how == "unplugged":
            found.unplug()
        else:
            found.power(False)
        await side.until(lambda: side.state_of(ID) == "offline")
        assert f"adapter hci0 is {how}" in side.last(ID, "t").reason  # type: ignore[union-attr]
        await asyncio.sleep(0.2)
        if how == "unplugged":
            found.plug()
        else:
            found.power(True)
            found.disconnect(TAG)
        await good(side)


async def test_the_device_drops_and_comes_back_by_itself() -> None:
    async with bluez() as found, running("ble", [tag(TEMPERATURE)]) as side:
        await good(side)
        found.disconnect(TAG)
        await side.until(lambda: side.state_of(ID) == "offline")
        await good(side)


async def test_an_adapter_that_is_not_usable_is_told() -> None:
    async with stand_in() as found:
        with pytest.raises(LinkLost, match="adapter hci0 is not there: is it plugged in"):
            await discover("", {})
        found.plug(powered=False)
        with pytest.raises(LinkLost, match="adapter hci0 is switched off: bluetoothctl power on"):
            await discover("", {})


async def test_a_device_is_described() -> None:
    async with bluez():
        found = await discover(TAG, {"seconds": "5"})
        names = [each["name"] for each in found.manifests[1]["spec"]["properties"]]
        assert names == ["temperature", "alert-level", "rssi"]
