"""An adapter of the system, driven through BlueZ by bleak.

BlueZ outlives its users and gets stuck: it holds connections that nobody knows of, is "in progress" with one that
was given up, remembers services that a device has no more. All of that is cleared before the next attempt.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Coroutine, Iterator, Mapping
from contextlib import contextmanager, suppress
from typing import Any

from bleak import BleakClient, BleakScanner
from bleak.backends.characteristic import BleakGATTCharacteristic
from bleak.exc import BleakDBusError, BleakError, BleakGATTProtocolError

from mappers.ble.adapter import Adapter, Advertisement, Characteristic, Connection
from mappers.ble.bluez import PATIENCE, Bluez
from mappers.mapper import LinkLost, Refused

logging.getLogger("bleak").setLevel(logging.CRITICAL)  # what it warns of comes to us as an error

SAID = frozenset({"RSSI", "TxPower", "ManufacturerData", "ServiceData", "AdvertisingData", "AdvertisingFlags"})
"""Properties of a device in BlueZ that only an advertisement changes."""
MOST_HEARD = 1000
"""Devices of which it is remembered what BlueZ said last."""
CANCEL_PATIENCE = 2.0
"""Seconds a call of bleak that was cancelled may take to end."""
_REFUSALS = ("NotPermitted", "NotAuthorized", "NotSupported", "InvalidValueLength", "InvalidArguments")
_DEFECTS = (AttributeError, AssertionError, KeyError)
"""What bleak raises when an object vanishes from D-Bus at the wrong moment."""


class BleakAdapter(Adapter):
    """One adapter of BlueZ."""

    remembers = True

    def __init__(self, name: str) -> None:
        super().__init__(name)
        self._bluez = Bluez(name)
        self._scanner: BleakScanner | None = None
        self._heard: dict[str, Mapping[str, Any]] = {}
        """What BlueZ said last of a device, by address."""
        self._abandoned: set[asyncio.Task[Any]] = set()
        """Calls of bleak that do not end when they are cancelled."""

    async def open(self, on_advertisement: Callable[[Advertisement], None], on_lost: Callable[[str], None]) -> None:
        await self._bluez.open(on_lost)

        def hear(device: Any, data: Any) -> None:
            if not self._is_advertisement(device.address, data.platform_data[1]):
                return
            on_advertisement(
                Advertisement(
                    device.address.upper(), data.rssi, data.local_name or "", data.manufacturer_data,
                    data.service_data, device,
                )
            )  # fmt: skip

        scanner = BleakScanner(hear, bluez={"adapter": self.name})
        with _meaning():
            await self._bounded(scanner.start(), PATIENCE)
        self._scanner = scanner

    def _is_advertisement(self, address: str, now: Mapping[str, Any]) -> bool:
        """bleak calls for any change of a device, also when it is only connected or renamed; taken for an
        advertisement, that would make a device seen that is gone."""
        if len(self._heard) > MOST_HEARD:
            self._heard.clear()
        before, self._heard[address] = self._heard.get(address), now
        if before is None or "RSSI" not in now:
            return "RSSI" in now
        changed = {name for name in {*before, *now} if before.get(name) != now.get(name)}
        return not changed or not changed.isdisjoint(SAID)

    async def free(self, address: str) -> None:
        if await self._bluez.holds(address):
            await self._bluez.free(address)

    async def connect(self, seen: Advertisement, patience: float, on_disconnect: Callable[[str], None]) -> Connection:
        connection = BleakConnection(self, seen, on_disconnect)
        try:
            with _meaning():
                async with asyncio.timeout(patience):
                    await self._until_cancelled(connection.open())
        except BaseException:
            await asyncio.shield(self._bluez.free(seen.address))
            raise
        return connection

    async def forget(self, address: str) -> None:
        await self._bluez.forget(address)

    async def _until_cancelled(self, call: Coroutine[Any, Any, None]) -> None:
        """Wait for a call; when we are cancelled, it may take a while to end, or never do."""
        task = asyncio.create_task(call, name=f"{self.name}: connect")
        try:
            await asyncio.wait([task])
        except asyncio.CancelledError:
            task.cancel()
            self._abandoned.add(task)
            task.add_done_callback(self._forget_abandoned)
            await asyncio.wait([task], timeout=CANCEL_PATIENCE)
            raise
        await task

    def _forget_abandoned(self, task: asyncio.Task[Any]) -> None:
        self._abandoned.discard(task)
        if not task.cancelled():
            task.exception()

    async def _bounded(self, call: Coroutine[Any, Any, None], seconds: float) -> None:
        try:
            async with asyncio.timeout(seconds):
                await self._until_cancelled(call)
        except TimeoutError:
            raise LinkLost(f"adapter {self.name}: BlueZ does not answer within {seconds:g} s") from None

    async def close(self) -> None:
        scanner, self._scanner = self._scanner, None
        if scanner is not None:
            with suppress(BleakError, OSError, EOFError, LinkLost, *_DEFECTS):
                await self._bounded(scanner.stop(), PATIENCE)
        self._bluez.close()


class BleakConnection(Connection):
    """One connected device."""

    def __init__(self, adapter: BleakAdapter, seen: Advertisement, on_disconnect: Callable[[str], None]) -> None:
        self._adapter = adapter
        self._address = seen.address
        self._on_disconnect: Callable[[str], None] | None = on_disconnect
        self._client = BleakClient(seen.handle, self._gone)

    async def open(self) -> None:
        """Connect, and have BlueZ find out what it has."""
        await self._client.connect()
        found = sorted(self._client.services.characteristics.values(), key=lambda each: each.handle)
        self.characteristics = tuple(
            Characteristic(each.uuid, each.service_uuid, frozenset(each.properties), each) for each in found
        )

    async def read(self, characteristic: Characteristic) -> bytes:
        with _meaning():
            return bytes(await self._client.read_gatt_char(characteristic.handle))

    async def write(self, characteristic: Characteristic, data: bytes) -> None:
        with _meaning():
            await self._client.write_gatt_char(characteristic.handle, data, "write" in characteristic.properties)

    async def subscribe(self, characteristic: Characteristic, on_value: Callable[[bytes], None]) -> None:
        def hear(_: BleakGATTCharacteristic, data: bytearray) -> None:
            on_value(bytes(data))

        with _meaning():
            await self._client.start_notify(characteristic.handle, hear)

    async def close(self) -> None:
        self._on_disconnect = None
        try:
            async with asyncio.timeout(PATIENCE):
                await self._client.disconnect()
        except (BleakError, OSError, EOFError, *_DEFECTS):
            await self._adapter.free(self._address)

    def _gone(self, _: BleakClient) -> None:
        if self._on_disconnect is not None:
            self._on_disconnect("the connection has ended")
            self._on_disconnect = None


@contextmanager
def _meaning() -> Iterator[None]:
    """bleak's errors as ours."""
    try:
        yield
    except BleakGATTProtocolError as error:
        raise Refused(f"the device answers: {error.args[1].partition(': ')[2].lower()}") from error
    except BleakDBusError as error:
        if error.dbus_error.rpartition(".")[2] in _REFUSALS:
            raise Refused(str(error)) from error
        raise LinkLost(str(error)) from error
    except BleakError as error:
        raise LinkLost(str(error)) from error
    except _DEFECTS as error:
        raise LinkLost(f"it vanished from BlueZ ({type(error).__name__}: {error})") from error
