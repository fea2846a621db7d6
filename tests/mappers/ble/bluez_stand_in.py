"""An org.bluez of our own on a private D-Bus: one adapter, devices that advertise and connect, and BlueZ's moods."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any

from dbus_fast import Message, MessageType, Variant
from dbus_fast.aio import MessageBus
from dbus_fast.constants import BusType

HCI0 = "/org/bluez/hci0"
ADAPTER, DEVICE = "org.bluez.Adapter1", "org.bluez.Device1"
SERVICE, CHARACTERISTIC = "org.bluez.GattService1", "org.bluez.GattCharacteristic1"
MANAGER, PROPERTIES = "org.freedesktop.DBus.ObjectManager", "org.freedesktop.DBus.Properties"
BASE = "-0000-1000-8000-00805f9b34fb"

Properties = dict[str, Variant]


class Error(Exception):
    """Answered as a D-Bus error: name and text."""


class StandIn:
    """BlueZ, as far as bleak asks it. `mood` changes what Connect does."""

    def __init__(self, bus: MessageBus) -> None:
        self._bus = bus
        self._tasks: set[asyncio.Task[None]] = set()
        self.objects: dict[str, dict[str, Properties]] = {}
        self.values: dict[str, bytes] = {}
        self.calls: list[str] = []
        """`Connect`, `Disconnect`, `RemoveDevice` …, in their order."""
        self.mood = ""
        """`hang`: Connect never answers; `InProgress`, `Failed`: it fails so."""
        self.discovering = 0
        self._services: dict[str, dict[str, tuple[bytes, list[str]]]] = {}
        bus.add_message_handler(self._on_message)

    # -- what the world does --------------------------------------------------------------------------------

    def plug(self, *, powered: bool = True) -> None:
        self._add(HCI0, ADAPTER, {"Address": Variant("s", "00:11:22:33:44:55"), "Powered": Variant("b", powered)})

    def unplug(self) -> None:
        for path in sorted(self.objects, reverse=True):
            self._remove(path)

    def power(self, on: bool) -> None:
        self._change(HCI0, ADAPTER, Powered=Variant("b", on))

    def advertise(self, address: str, rssi: int = -60, company: Mapping[int, bytes] | None = None) -> None:
        """A device is heard; nobody hears it while it is connected, or nobody listens."""
        path = self.path(address)
        if not self.discovering or self._is_connected(path):
            return
        said = {"RSSI": Variant("n", rssi)}
        if company:
            said["ManufacturerData"] = Variant("a{qv}", {c: Variant("ay", data) for c, data in company.items()})
        if path in self.objects:
            self._change(path, DEVICE, **said)
        else:
            self._add(path, DEVICE, self._device(address) | said)

    def known(self, address: str, *, connected: bool) -> None:
        """BlueZ knows a device from before."""
        self._add(self.path(address), DEVICE, self._device(address) | {"Connected": Variant("b", connected)})

    def service(self, address: str, **characteristics: tuple[bytes, list[str]]) -> None:
        """What it has: `c2a6e=(value, flags)`. Shown by BlueZ once it is connected."""
        self._services[address] = characteristics

    def notify(self, address: str, name: str, value: bytes) -> None:
        path = f"{self.path(address)}/service0001/{self._char(address, name)}"
        self._change(path, CHARACTERISTIC, Value=Variant("ay", value))

    def disconnect(self, address: str) -> None:
        self._connected(self.path(address), False)

    def rename(self, address: str, alias: str) -> None:
        self._change(self.path(address), DEVICE, Alias=Variant("s", alias))

    @staticmethod
    def path(address: str) -> str:
        return f"{HCI0}/dev_{address.replace(':', '_')}"

    # -- objects --------------------------------------------------------------------------------------------

    def _device(self, address: str) -> Properties:
        return {
            "Address": Variant("s", address), "AddressType": Variant("s", "random"), "Alias": Variant("s", "tag"),
            "Name": Variant("s", "tag"), "Adapter": Variant("o", HCI0), "Connected": Variant("b", False),
            "Paired": Variant("b", False), "ServicesResolved": Variant("b", False), "UUIDs": Variant("as", []),
        }  # fmt: skip

    def _char(self, address: str, name: str) -> str:
        return f"char{list(self._services[address]).index(name) + 2:04x}"

    def _show_services(self, path: str) -> None:
        address = self.objects[path][DEVICE]["Address"].value
        service = f"{path}/service0001"
        self._add(service, SERVICE, {
            "UUID": Variant("s", f"0000181a{BASE}"), "Device": Variant("o", path), "Primary": Variant("b", True),
        })  # fmt: skip
        for name, (value, flags) in self._services[address].items():
            char = f"{service}/{self._char(address, name)}"
            self.values[char] = value
            self._add(char, CHARACTERISTIC, {
                "UUID": Variant("s", f"0000{name[1:]}{BASE}"), "Service": Variant("o", service),
                "Flags": Variant("as", flags), "Value": Variant("ay", b""), "Notifying": Variant("b", False),
            })  # fmt: skip

    def _is_connected(self, path: str) -> bool:
        return path in self.objects and bool(self.objects[path][DEVICE]["Connected"].value)

    def _connected(self, path: str, connected: bool) -> None:
        if connected and f"{path}/service0001" not in self.objects:
            self._show_services(path)
        self._change(path, DEVICE, Connected=Variant("b", connected), ServicesResolved=Variant("b", connected))

    def _add(self, path: str, interface: str, properties: Properties) -> None:
        self.objects[path] = {interface: properties}
        self._signal("/", MANAGER, "InterfacesAdded", "oa{sa{sv}}", path, {interface: properties})

    def _remove(self, path: str) -> None:
        interfaces = list(self.objects.pop(path))
        self._signal("/", MANAGER, "InterfacesRemoved", "oas", path, interfaces)

    def _change(self, path: str, interface: str, **changed: Variant) -> None:
        self.objects[path][interface].update(changed)
        self._signal(path, PROPERTIES, "PropertiesChanged", "sa{sv}as", interface, changed, [])

    def _signal(self, path: str, interface: str, member: str, signature: str, *body: Any) -> None:
        message = Message.new_signal(path, interface, member, signature, list(body))
        task = asyncio.ensure_future(self._bus.send(message))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    # -- calls ----------------------------------------------------------------------------------------------

    def _on_message(self, message: Message) -> bool | None:
        if message.message_type is not MessageType.METHOD_CALL:
            return None
        task = asyncio.ensure_future(self._answer(message))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return True

    async def _answer(self, message: Message) -> None:
        try:
            signature, body = await self._call(message)
            reply = Message.new_method_return(message, signature, body)
        except Error as error:
            reply = Message.new_error(message, *error.args)
        await self._bus.send(reply)

    async def _call(self, message: Message) -> tuple[str, list[Any]]:
        path, arguments = str(message.path), message.body
        if path not in ("/", *self.objects):
            raise Error("org.freedesktop.DBus.Error.UnknownObject", f"no {path}")
        match message.member:
            case "GetManagedObjects":
                return "a{oa{sa{sv}}}", [self.objects]
            case "Get":
                properties = self.objects[path].get(arguments[0], {})
                if arguments[1] not in properties:
                    raise Error("org.freedesktop.DBus.Error.InvalidArgs", "no such property")
                return "v", [properties[arguments[1]]]
            case "StartDiscovery":
                self.discovering += 1
            case "StopDiscovery":
                self.discovering -= 1
            case "ReadValue":
                return "ay", [self.values[path]]
            case "WriteValue":
                self.values[path] = bytes(arguments[0])
            case "Connect" | "Disconnect" | "RemoveDevice" as member:
                self.calls.append(member)
                await self._device_call(member, path, arguments)
        return "", []

    async def _device_call(self, member: str, path: str, arguments: list[Any]) -> None:
        match member:
            case "Connect" if self.mood == "hang":
                await asyncio.sleep(3600)
            case "Connect" if self.mood:
                raise Error(f"org.bluez.Error.{self.mood}", self.mood)
            case "Connect":
                self._connected(path, True)
            case "Disconnect":
                self._connected(path, False)
            case "RemoveDevice":
                for each in sorted((p for p in self.objects if p.startswith(arguments[0])), reverse=True):
                    self._remove(each)

    def close(self) -> None:
        for task in self._tasks:
            task.cancel()


@asynccontextmanager
async def stand_in() -> AsyncIterator[StandIn]:
    """It owns org.bluez on the bus that DBUS_SYSTEM_BUS_ADDRESS names."""
    bus = await MessageBus(bus_type=BusType.SYSTEM).connect()
    bluez = StandIn(bus)
    await bus.request_name("org.bluez")
    try:
        yield bluez
    finally:
        bluez.close()
        bus.disconnect()
