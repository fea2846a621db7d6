"""A Bluetooth controller of one's own, driven over HCI by bumble: serial, USB, TCP, or a virtual one in tests."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Any

from bumble import core, hci
from bumble.att import ATT_Error
from bumble.core import AdvertisingData
from bumble.device import Connection as BumbleLink
from bumble.device import Device, DeviceConfiguration
from bumble.gatt import Characteristic as BumbleCharacteristic
from bumble.gatt_client import Client
from bumble.transport import open_transport

from mappers.ble.adapter import Adapter, Advertisement, Characteristic, Connection
from mappers.ble.uuids import full_uuid
from mappers.mapper import LinkLost, Refused

logging.getLogger("bumble").setLevel(logging.CRITICAL)  # what it warns of comes to us as an error

CONTROLLER_PATIENCE = 5.0
"""Seconds a controller may take to answer."""
MOST_HEARD = 1000
"""Addresses of which bumble may remember half an advertisement; devices that change theirs would be kept for ever."""
LARGEST_MTU = 517
_PROPERTIES = {
    BumbleCharacteristic.Properties.READ: "read",
    BumbleCharacteristic.Properties.WRITE: "write",
    BumbleCharacteristic.Properties.WRITE_WITHOUT_RESPONSE: "write-without-response",
    BumbleCharacteristic.Properties.NOTIFY: "notify",
    BumbleCharacteristic.Properties.INDICATE: "indicate",
}
_SERVICE_DATA = {AdvertisingData.SERVICE_DATA_16_BIT_UUID: 2, AdvertisingData.SERVICE_DATA_128_BIT_UUID: 16}
"""Bytes of the UUID in front."""


class BumbleAdapter(Adapter):
    """One controller, named by its transport: `serial:/dev/ttyACM0,1000000`, `usb:0`, `tcp-client:host:port`."""

    def __init__(self, name: str) -> None:
        super().__init__(name)
        self._transport: Any = None
        self._device: Device | None = None
        self._on_lost: Callable[[str], None] | None = None
        self._dialling = asyncio.Lock()
        """A controller makes one connection at a time."""
        self._wanted: hci.Address | None = None
        self._strays: set[asyncio.Task[None]] = set()

    async def open(self, on_advertisement: Callable[[Advertisement], None], on_lost: Callable[[str], None]) -> None:
        try:
            async with asyncio.timeout(CONTROLLER_PATIENCE):
                self._transport = await open_transport(self.name)
                self._device = await self._switch_on(on_advertisement)
        except (core.BaseBumbleError, ValueError, TimeoutError) as error:
            raise LinkLost(f"adapter {self.name}: {str(error) or 'the controller does not answer'}") from error
        self._on_lost = on_lost
        self._transport.source.terminated.add_done_callback(self._lost)

    async def _switch_on(self, on_advertisement: Callable[[Advertisement], None]) -> Device:
        config = DeviceConfiguration(name="twinhub", address=hci.Address.generate_static_address())
        device = Device.from_config_with_hci(config, self._transport.source, self._transport.sink)

        def hear(advertisement: Any) -> None:
            if len(device.advertisement_accumulators) > MOST_HEARD:
                device.advertisement_accumulators.clear()
            on_advertisement(_advertisement(advertisement))

        device.on(device.EVENT_ADVERTISEMENT, hear)
        device.on(device.EVENT_CONNECTION, self._check_wanted)
        await device.power_on()
        await device.start_scanning()
        return device

    async def free(self, address: str) -> None:
        """All connections are ours."""

    async def forget(self, address: str) -> None:
        """Nothing is remembered."""

    async def connect(self, seen: Advertisement, patience: float, on_disconnect: Callable[[str], None]) -> Connection:
        async with self._dialling, asyncio.timeout(patience):
            link = await self._dial(seen.handle)
        connection = BumbleConnection(link, self._transport.source.terminated, on_disconnect)
        try:
            async with asyncio.timeout(patience):
                await connection.look()
        except BaseException:
            await asyncio.shield(connection.close())
            raise
        return connection

    async def _dial(self, address: hci.Address) -> BumbleLink:
        assert self._device is not None
        self._wanted = address
        call = asyncio.create_task(self._device.connect(address, timeout=None), name=f"{self.name}: connect")
        try:
            await asyncio.wait([call])
        except asyncio.CancelledError:
            self._wanted = None
            await asyncio.shield(self._hang_up(self._device, call))
            raise
        self._wanted = None
        if call.cancelled():
            raise LinkLost(f"adapter {self.name}: the controller is gone")
        try:
            return call.result()
        except core.BaseBumbleError as error:
            raise LinkLost(f"no connection: {error}") from error

    async def _hang_up(self, device: Device, call: asyncio.Task[BumbleLink]) -> None:
        """Tell the controller not to go on trying. The call ends by that: cancelled before its command is answered,
        it would leave the answer to the next command."""
        with suppress(core.BaseBumbleError, TimeoutError):
            async with asyncio.timeout(CONTROLLER_PATIENCE):
                await device.host.send_sync_command(hci.HCI_LE_Create_Connection_Cancel_Command())
                await asyncio.wait([call])
        call.cancel()
        await asyncio.wait([call])
        if not call.cancelled() and call.exception() is None:
            await _end(call.result())

    def _check_wanted(self, link: BumbleLink) -> None:
        """A connection that came after it was given up is nobody's."""
        if link.peer_address != self._wanted:
            stray = asyncio.create_task(_end(link), name=f"{self.name}: end a stray connection")
            self._strays.add(stray)
            stray.add_done_callback(self._strays.discard)

    def _lost(self, _: object) -> None:
        if self._on_lost is not None:
            self._on_lost(f"adapter {self.name}: the controller is gone")
            self._on_lost = None

    async def close(self) -> None:
        self._on_lost = None
        if self._device is not None:
            with suppress(core.BaseBumbleError, TimeoutError):
                async with asyncio.timeout(1):
                    if not self._transport.source.terminated.done():
                        await self._device.stop_scanning()
                    await self._device.power_off()
        if self._transport is not None:
            await self._transport.close()
        self._device = self._transport = None


class BumbleConnection(Connection):
    """One connected device."""

    def __init__(
        self, link: BumbleLink, terminated: asyncio.Future[None], on_disconnect: Callable[[str], None]
    ) -> None:
        self._link = link
        self._terminated = terminated
        """Done when the controller is gone, and nothing answers any more."""
        self._on_disconnect = on_disconnect
        self._closing = False
        self._ended = ""
        self._client: Client = link.gatt_client
        link.on(link.EVENT_DISCONNECTION, self._gone)

    async def look(self) -> None:
        """Find out what it has."""
        with self._meaning():
            await self._client.request_mtu(LARGEST_MTU)
            services = await self._client.discover_services()
            for service in services:
                await service.discover_characteristics()
        self.characteristics = tuple(
            Characteristic(_full(found.uuid), _full(service.uuid), _flags(found.properties), found)
            for service in services
            for found in service.characteristics
        )
        self._client.services = []  # what nobody wants need not be kept

    async def read(self, characteristic: Characteristic) -> bytes:
        with self._meaning():
            return bytes(await self._client.read_value(characteristic.handle))

    async def write(self, characteristic: Characteristic, data: bytes) -> None:
        with self._meaning():
            await self._client.write_value(characteristic.handle, data, "write" in characteristic.properties)

    async def subscribe(self, characteristic: Characteristic, on_value: Callable[[bytes], None]) -> None:
        with self._meaning():
            await self._client.subscribe(characteristic.handle, on_value)

    async def close(self) -> None:
        self._closing = True
        if not self._ended and not self._terminated.done():
            await _end(self._link)

    def _gone(self, reason: int) -> None:
        self._ended = f"the connection has ended: {_reason(reason)}"
        if not self._closing:
            self._on_disconnect(self._ended)

    @contextmanager
    def _meaning(self) -> Iterator[None]:
        """bumble's errors as ours."""
        try:
            yield
        except ATT_Error as error:
            raise Refused(f"the device answers: {_att_words(error)}") from error
        except core.BaseBumbleError as error:
            raise LinkLost(str(error)) from error
        except asyncio.CancelledError:
            if _asked_to_end():
                raise
            raise LinkLost(self._ended or "the connection has ended") from None


def _asked_to_end() -> bool:
    """Somebody cancelled this task. When a connection or a controller is gone, bumble cancels what is waited for:
    that must not look like it."""
    task = asyncio.current_task()
    return task is not None and task.cancelling() > 0


async def _end(link: BumbleLink) -> None:
    try:
        async with asyncio.timeout(CONTROLLER_PATIENCE):
            await link.disconnect()
    except (core.BaseBumbleError, TimeoutError):
        pass
    except asyncio.CancelledError:
        if _asked_to_end():
            raise


def _advertisement(heard: Any) -> Advertisement:
    data: AdvertisingData = heard.data
    service_data: dict[str, bytes] = {}
    manufacturer_data: dict[int, bytes] = {}
    name = ""
    for kind, value in data.ad_structures:
        if kind == AdvertisingData.MANUFACTURER_SPECIFIC_DATA and len(value) >= 2:
            manufacturer_data[int.from_bytes(value[:2], "little")] = value[2:]
        elif kind in _SERVICE_DATA and len(value) >= (size := _SERVICE_DATA[kind]):
            service_data[full_uuid(value[:size][::-1].hex())] = value[size:]
        elif kind in (AdvertisingData.COMPLETE_LOCAL_NAME, AdvertisingData.SHORTENED_LOCAL_NAME):
            name = value.decode(errors="replace")
    address = heard.address.to_string(with_type_qualifier=False)
    return Advertisement(address, heard.rssi, name, manufacturer_data, service_data, heard.address)


def _full(uuid: core.UUID) -> str:
    return full_uuid(uuid.to_hex_str())


def _flags(properties: BumbleCharacteristic.Properties) -> frozenset[str]:
    return frozenset(word for flag, word in _PROPERTIES.items() if flag & properties)


def _reason(code: int) -> str:
    return hci.HCI_ErrorCode(code).name.removesuffix("_ERROR").replace("_", " ").lower()


def _att_words(error: ATT_Error) -> str:
    return error.error_name.removeprefix("ATT_").removesuffix("_ERROR").replace("_", " ").lower()
