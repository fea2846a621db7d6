"""What bleak does not tell of BlueZ, or cannot mend: whether an adapter is there and on, and devices that are stuck.

A D-Bus connection of its own, open as long as the adapter is used.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import suppress
from typing import Any

from dbus_fast import BusType, Message, MessageType
from dbus_fast.aio import MessageBus
from dbus_fast.errors import DBusError

from mappers.mapper import LinkLost

SERVICE = "org.bluez"
ADAPTER = "org.bluez.Adapter1"
DEVICE = "org.bluez.Device1"
PROPERTIES = "org.freedesktop.DBus.Properties"
PATIENCE = 5.0
"""Seconds BlueZ may take to answer."""


class Bluez:
    """One adapter of BlueZ, by name: `hci0`."""

    def __init__(self, name: str) -> None:
        self.name = name
        self._path = f"/org/bluez/{name}"
        self._bus: MessageBus | None = None
        self._on_lost: Callable[[str], None] | None = None

    async def open(self, on_lost: Callable[[str], None]) -> None:
        """LinkLost when the adapter is not there or switched off, with what to do. Afterwards `on_lost` is called
        once when that happens."""
        try:
            async with asyncio.timeout(PATIENCE):
                self._bus = await MessageBus(bus_type=BusType.SYSTEM).connect()
                await self._watch(self._bus)
        except (OSError, EOFError, TimeoutError, DBusError) as error:
            raise LinkLost(
                f"adapter {self.name}: the system's D-Bus cannot be reached, does bluetoothd run? ({error})"
            ) from error
        self._on_lost = on_lost
        powered = await self._property(self._path, ADAPTER, "Powered")
        if powered is None:
            raise LinkLost(f"adapter {self.name} is not there: is it plugged in, and does bluetoothd run?")
        if not powered:
            raise LinkLost(f"adapter {self.name} is switched off: bluetoothctl power on")

    async def _watch(self, bus: MessageBus) -> None:
        bus.add_message_handler(self._hear)
        for rule in (
            f"type='signal',sender='{SERVICE}',interface='{PROPERTIES}',path='{self._path}'",
            f"type='signal',sender='{SERVICE}',member='InterfacesRemoved'",
            f"type='signal',sender='org.freedesktop.DBus',member='NameOwnerChanged',arg0='{SERVICE}'",
        ):
            await bus.call(
                Message(
                    destination="org.freedesktop.DBus", path="/org/freedesktop/DBus",
                    interface="org.freedesktop.DBus", member="AddMatch", signature="s", body=[rule],
                )
            )  # fmt: skip

    def _hear(self, message: Message) -> None:
        if message.message_type is not MessageType.SIGNAL:
            return
        match message.member, message.body:
            case "PropertiesChanged", [str(interface), dict(changed), *_] if interface == ADAPTER:
                if "Powered" in changed and not changed["Powered"].value:
                    self._lose("is switched off")
            case "InterfacesRemoved", [str(path), list(interfaces)]:
                if path == self._path and ADAPTER in interfaces:
                    self._lose("is unplugged")
            case "NameOwnerChanged", [str(name), _, ""] if name == SERVICE:
                self._lose("is gone, bluetoothd has ended")

    def _lose(self, how: str) -> None:
        on_lost, self._on_lost = self._on_lost, None
        if on_lost is not None:
            on_lost(f"adapter {self.name} {how}")

    async def free(self, address: str) -> None:
        """End a connection that BlueZ has to a device and nobody here knows of, or is still trying to make: a device
        that is connected does not advertise, so it would never be found."""
        path = self._device(address)
        with suppress(TimeoutError):
            async with asyncio.timeout(PATIENCE):
                if await self._property(path, DEVICE, "Connected") is not None:
                    await self._call(path, DEVICE, "Disconnect")

    async def holds(self, address: str) -> bool:
        """BlueZ says that this device is connected."""
        with suppress(TimeoutError):
            async with asyncio.timeout(PATIENCE):
                return bool(await self._property(self._device(address), DEVICE, "Connected"))
        return False

    async def forget(self, address: str) -> None:
        """Let BlueZ forget a device with all it remembers of its services. Not one that is paired: that would be
        lost with it."""
        path = self._device(address)
        with suppress(TimeoutError):
            async with asyncio.timeout(PATIENCE):
                if await self._property(path, DEVICE, "Paired") is False:
                    await self._call(self._path, ADAPTER, "RemoveDevice", "o", path)

    def close(self) -> None:
        """Does not raise."""
        self._on_lost = None
        if self._bus is not None:
            self._bus.disconnect()
            self._bus = None

    def _device(self, address: str) -> str:
        return f"{self._path}/dev_{address.replace(':', '_')}"

    async def _property(self, path: str, interface: str, name: str) -> Any:
        """None when there is no such object."""
        reply = await self._call(path, PROPERTIES, "Get", "ss", interface, name)
        return None if reply is None or reply.message_type is MessageType.ERROR else reply.body[0].value

    async def _call(
        self, path: str, interface: str, member: str, signature: str = "", *body: object
    ) -> Message | None:
        if self._bus is None:
            return None
        with suppress(OSError, EOFError, DBusError):
            return await self._bus.call(
                Message(
                    destination=SERVICE, path=path, interface=interface, member=member, signature=signature,
                    body=list(body),
                )
            )  # fmt: skip
        return None
