"""Real bleak against bluezoo, a stand-in for BlueZ of other makers. Not collected: `test_bluez` runs it in a process
that has its own D-Bus, on which bluezoo serves hci0 and hci1."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from dbus_fast import Message, MessageType, PropertyAccess, Variant
from dbus_fast.aio import MessageBus
from dbus_fast.constants import BusType
from dbus_fast.service import ServiceInterface, dbus_method, dbus_property

from device_models import AccessMode, DataType, Device, Property
from mappers.testing.running import running

ID = "default/tag"
HCI1 = "00:11:22:33:44:66"
"""The address of the adapter on whose side the device is."""
SERVICE = "0000181a-0000-1000-8000-00805f9b34fb"
READ = PropertyAccess.READ


class Service(ServiceInterface):
    def __init__(self) -> None:
        super().__init__("org.bluez.GattService1")

    @dbus_property(READ)
    def UUID(self) -> "s":  # type: ignore[name-defined]  # noqa: F821, N802, UP037
        return SERVICE

    @dbus_property(READ)
    def Primary(self) -> "b":  # type: ignore[name-defined]  # noqa: F821, N802, UP037
        return True


class Characteristic(ServiceInterface):
    """What GATT servers export to BlueZ."""

    def __init__(self, uuid: str, value: bytes, flags: list[str]) -> None:
        super().__init__("org.bluez.GattCharacteristic1")
        self._uuid = f"0000{uuid}-0000-1000-8000-00805f9b34fb"
        self._flags = flags
        self.value = value
        self.notifying = False

    @dbus_property(READ)
    def UUID(self) -> "s":  # type: ignore[name-defined]  # noqa: F821, N802, UP037
        return self._uuid

    @dbus_property(READ)
    def Service(self) -> "o":  # type: ignore[name-defined]  # noqa: F821, N802, UP037
        return "/app/s0"

    @dbus_property(READ)
    def Flags(self) -> "as":  # type: ignore[valid-type]  # noqa: F722, N802
        return self._flags

    @dbus_property(READ)
    def Value(self) -> "ay":  # type: ignore[name-defined]  # noqa: F821, N802, UP037
        return self.value

    @dbus_method()
    def ReadValue(self, _options: "a{sv}") -> "ay":  # type: ignore[valid-type]  # noqa: F722, F821, N802, UP037
        return self.value

    @dbus_method()
    def WriteValue(self, value: "ay", _options: "a{sv}"):  # type: ignore[no-untyped-def]  # noqa: F722, F821, N802, UP037
        self.value = bytes(value)

    @dbus_method()
    def StartNotify(self):  # type: ignore[no-untyped-def]  # noqa: N802
        self.notifying = True

    @dbus_method()
    def StopNotify(self):  # type: ignore[no-untyped-def]  # noqa: N802
        self.notifying = False

    @dbus_method()
    def Confirm(self):  # type: ignore[no-untyped-def]  # noqa: N802
        pass

    def notify(self, value: bytes) -> None:
        self.value = value
        self.emit_properties_changed({"Value": value})


class Beacon(ServiceInterface):
    def __init__(self) -> None:
        super().__init__("org.bluez.LEAdvertisement1")

    @dbus_property(READ)
    def Type(self) -> "s":  # type: ignore[name-defined]  # noqa: F821, N802, UP037
        return "peripheral"

    @dbus_property(READ)
    def LocalName(self) -> "s":  # type: ignore[name-defined]  # noqa: F821, N802, UP037
        return "tag"

    @dbus_property(READ)
    def Discoverable(self) -> "b":  # type: ignore[name-defined]  # noqa: F821, N802, UP037
        return True

    @dbus_property(READ)
    def ServiceUUIDs(self) -> "as":  # type: ignore[valid-type]  # noqa: F722, N802
        return [SERVICE]


@asynccontextmanager
async def peripheral(*characteristics: Characteristic) -> AsyncIterator[None]:
    """A GATT server with these characteristics, advertised by hci1."""
    bus = await MessageBus(bus_type=BusType.SYSTEM).connect()
    bus.export("/app/s0", Service())
    for number, characteristic in enumerate(characteristics):
        bus.export(f"/app/s0/c{number}", characteristic)
    bus.export("/adv", Beacon())
    try:
        await _call(bus, "org.bluez.GattManager1", "RegisterApplication", "/app")
        await _call(bus, "org.bluez.LEAdvertisingManager1", "RegisterAdvertisement", "/adv")
        yield
    finally:
        bus.disconnect()


async def _call(bus: MessageBus, interface: str, member: str, path: str) -> None:
    reply = await bus.call(
        Message(
            destination="org.bluez", path="/org/bluez/hci1", interface=interface, member=member, signature="oa{sv}",
            body=[path, dict[str, Variant]()],
        )
    )  # fmt: skip
    assert reply is not None
    assert reply.message_type is MessageType.METHOD_RETURN, reply.body


async def test_a_device_behind_bluezoo_is_read_notifies_and_is_written() -> None:
    temperature = Characteristic("2a6e", (2150).to_bytes(2, "little"), ["read", "notify"])
    alert = Characteristic("2a06", b"\x00", ["read", "write"])
    properties = (
        Property("t", DataType.FLOAT, visitor={"characteristicUUID": "2A6E"}),
        Property(
            "alert", DataType.INT, AccessMode.READ_WRITE, visitor={"characteristicUUID": "2A06"}, collect_cycle=0.1
        ),
    )
    device = Device("default", "tag", "m", "ble", {"macAddress": HCI1, "adapter": "hci0"}, properties)
    async with peripheral(temperature, alert), running("ble", [device]) as side:
        await side.until(lambda: side.value(ID, "t") == "21.5" and side.value(ID, "alert") == "0")
        assert side.state_of(ID) == "online"
        await side.until(lambda: temperature.notifying)
        temperature.notify((1975).to_bytes(2, "little"))
        await side.until(lambda: side.value(ID, "t") == "19.75")
        side.wish(ID, alert="2")
        await side.until(lambda: side.value(ID, "alert") == "2")
        assert alert.value == b"\x02"
