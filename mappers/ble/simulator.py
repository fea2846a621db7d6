"""Simulated Bluetooth devices around a virtual controller that a mapper uses over TCP, with faults.

`python -m mappers.ble.simulator --devices 3` prints the adapter to write into manifests.
"""

from __future__ import annotations

import argparse
import asyncio
import logging
import math
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Any, Self

from bumble import att, core, hci
from bumble.controller import Controller
from bumble.core import AdvertisingData
from bumble.device import Device, DeviceConfiguration
from bumble.gatt import Characteristic, CharacteristicValue, Service
from bumble.host import Host
from bumble.link import LocalLink
from bumble.transport.common import AsyncPipeSink, StreamPacketSink, StreamPacketSource

logging.getLogger("bumble").setLevel(logging.CRITICAL)  # it warns of every fault that is simulated

COMPANY = 0xFFFF
"""The company in advertisements: the one that is set aside for tests."""
SETPOINT = "f0de1000-7457-4e55-b5a9-5dc0e77b2e01"
SETPOINT_SERVICE = "f0de1001-7457-4e55-b5a9-5dc0e77b2e01"
"""The characteristic of the set-point and its service; both are the device's own."""
_P = Characteristic.Properties
_READ_WRITE = Characteristic.READABLE | Characteristic.WRITEABLE


def address_of(number: int) -> str:
    """Of the device with that number, from 0: a random static address."""
    return f"F0:F1:F2:F3:{number >> 8:02X}:{number & 255:02X}"


class VirtualController(Controller):
    """bumble's, which in addition gives up making a connection when it is told to, and can lose all it has."""

    def on_hci_le_create_connection_cancel_command(
        self, command: hci.HCI_LE_Create_Connection_Cancel_Command
    ) -> hci.HCI_StatusReturnParameters:
        pending, self.pending_le_connection = self.pending_le_connection, None
        if pending is not None:
            self.send_hci_packet(_no_connection(pending.peer_address))
        return super().on_hci_le_create_connection_cancel_command(command)

    def break_links(self, reason: int) -> None:
        """All connections end, as both ends see it."""
        for connection in list(self.le_connections.values()):
            other = self.link.find_le_controller(connection.peer_address)
            far = None if other is None else other.le_connections.get(connection.self_address)
            self.on_le_disconnected(connection, reason)
            if other is not None and far is not None:
                other.on_le_disconnected(far, reason)


def _no_connection(address: hci.Address) -> hci.HCI_LE_Connection_Complete_Event:
    return hci.HCI_LE_Connection_Complete_Event(
        status=hci.HCI_ErrorCode.UNKNOWN_CONNECTION_IDENTIFIER_ERROR, connection_handle=0, role=hci.Role.CENTRAL,
        peer_address_type=address.address_type, peer_address=address, connection_interval=0, peripheral_latency=0,
        supervision_timeout=0, central_clock_accuracy=0,
    )  # fmt: skip


class Sensor:
    """A device: temperature, humidity and battery are measured, a set-point is written."""

    def __init__(self, air: LocalLink, number: int, *, advertise_every: float = 0.1) -> None:
        self.address = address_of(number)
        self.temperature = 20.0
        """°C"""
        self.humidity = 50.0
        """%"""
        self.battery = 100
        """%"""
        self.setpoint = 20
        self.silent = False
        """Connections stand and are accepted, nothing is answered or said."""
        self.delay = 0.0
        """Seconds until it answers."""
        self.garbled = False
        """Its values are too short to be any."""
        self._air = air
        self._every = advertise_every
        self._controller = VirtualController(f"sensor {number}", public_address=self.address)
        self._controller.link = air
        self._temperature = self._measured("2A6E", lambda: _centi(self.temperature, signed=True))
        self._device = self._make(f"sensor-{number}")

    @property
    def connections(self) -> int:
        """How many mappers are connected to it."""
        return len(self._controller.le_connections)

    def _make(self, name: str) -> Device:
        config = DeviceConfiguration(name=name, address=hci.Address(self.address))
        device = Device(config=config, host=Host(self._controller, AsyncPipeSink(self._controller)))
        humidity = self._measured("2A6F", lambda: _centi(self.humidity, signed=False))
        battery = self._measured("2A19", lambda: bytes([self.battery]))
        setting = CharacteristicValue(
            read=lambda _: self._said(bytes([self.setpoint])), write=lambda _, data: self._set(data)
        )
        device.add_service(Service("181A", [self._temperature, humidity]))
        device.add_service(Service("180F", [battery]))
        device.add_service(
            Service(SETPOINT_SERVICE, [Characteristic(SETPOINT, _P.READ | _P.WRITE, _READ_WRITE, setting)])
        )
        device.l2cap_channel_manager.register_fixed_channel(att.ATT_CID, self._on_request)
        return device

    def _measured(self, uuid: str, measure: Callable[[], bytes]) -> Characteristic[Any]:
        value = CharacteristicValue(read=lambda _: self._said(measure()))
        return Characteristic(uuid, _P.READ | _P.NOTIFY, Characteristic.READABLE, value)

    def _said(self, data: bytes) -> bytes:
        return b"" if self.garbled else data

    def _set(self, data: bytes) -> None:
        self.setpoint = data[0]

    def _on_request(self, handle: int, pdu: bytes) -> None:
        if not self.silent:
            asyncio.get_running_loop().call_later(self.delay, self._answer, handle, pdu)

    def _answer(self, handle: int, pdu: bytes) -> None:
        with suppress(core.BaseBumbleError):  # nobody is there any more
            self._device.on_gatt_pdu(handle, pdu)

    async def start(self) -> None:
        """Power on."""
        self._air.add_controller(self._controller)
        await self._device.power_on()
        await self._advertise()

    async def _advertise(self) -> None:
        state = bytes([self.battery]) + _centi(self.temperature, signed=True)
        data = AdvertisingData(
            [
                (AdvertisingData.COMPLETE_LOCAL_NAME, self._device.name.encode()),
                (AdvertisingData.MANUFACTURER_SPECIFIC_DATA, COMPANY.to_bytes(2, "little") + state),
            ]
        )
        milliseconds = self._every * 1000
        await self._device.start_advertising(
            auto_restart=True, advertising_data=bytes(data),
            advertising_interval_min=milliseconds, advertising_interval_max=milliseconds,
        )  # fmt: skip

    async def stop(self) -> None:
        """Power off, without a word."""
        await self._device.stop_advertising()
        self._controller.break_links(hci.HCI_ErrorCode.CONNECTION_TIMEOUT_ERROR)
        self._air.remove_controller(self._controller)
        await self._device.power_off()

    def drop(self) -> None:
        """End all connections."""
        self._controller.break_links(hci.HCI_ErrorCode.REMOTE_USER_TERMINATED_CONNECTION_ERROR)

    async def notify(self) -> None:
        """Tell its temperature to those who have subscribed."""
        if not self.silent:
            await asyncio.sleep(self.delay)
            await self._device.notify_subscribers(self._temperature)


def _centi(value: float, *, signed: bool) -> bytes:
    return round(value * 100).to_bytes(2, "little", signed=signed)


class _HubEnd(StreamPacketSource):
    """A mapper's end: it gets a controller of its own for as long as it is connected."""

    def __init__(self, air: LocalLink, address: str) -> None:
        super().__init__()
        self._air = air
        self._address = address
        self._controller: VirtualController | None = None
        self._transport: asyncio.Transport | None = None

    def connection_made(self, transport: Any) -> None:
        self._transport = transport
        self._controller = VirtualController(
            "hub", host_source=self, host_sink=StreamPacketSink(transport), link=self._air,
            public_address=self._address,
        )  # fmt: skip

    def connection_lost(self, _error: Exception | None) -> None:
        assert self._controller is not None
        self._controller.host = None
        self._controller.break_links(hci.HCI_ErrorCode.CONNECTION_TIMEOUT_ERROR)
        self._air.remove_controller(self._controller)

    def end(self) -> None:
        """End the mapper's connection."""
        if self._transport is not None:
            self._transport.abort()


class Simulation:
    """`async with`: so many sensors in one air, and a port where each mapper that connects finds a controller."""

    def __init__(self, count: int, *, host: str = "127.0.0.1", port: int = 0, advertise_every: float = 0.1) -> None:
        self._air = LocalLink()  # type: ignore[no-untyped-call]
        self.sensors = [Sensor(self._air, number, advertise_every=advertise_every) for number in range(count)]
        self._host = host
        self._port = port
        self._hubs = 0
        self._server: asyncio.Server | None = None
        self._ends: list[_HubEnd] = []

    @property
    def adapter(self) -> str:
        """What to write as `adapter`."""
        return f"tcp-client:{self._host}:{self._port}"

    async def __aenter__(self) -> Self:
        for sensor in self.sensors:
            await sensor.start()
        await self.plug()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.unplug()
        for sensor in self.sensors:
            with suppress(KeyError):  # it is off
                await sensor.stop()

    async def plug(self) -> None:
        """The controller is there."""
        loop = asyncio.get_running_loop()
        self._server = await loop.create_server(self._new_end, self._host, self._port)
        self._port = self._server.sockets[0].getsockname()[1]

    async def unplug(self) -> None:
        """The controller is gone, with all connections."""
        assert self._server is not None
        self._server.close()
        for end in self._ends:
            end.end()
        self._ends.clear()
        await self._server.wait_closed()

    def _new_end(self) -> _HubEnd:
        self._hubs += 1
        end = _HubEnd(self._air, f"F0:F1:F2:F4:{self._hubs >> 8 & 255:02X}:{self._hubs & 255:02X}")
        self._ends.append(end)
        return end


async def _live(sensor: Sensor, phase: float, every: float) -> None:
    """A day of weather in ten minutes."""
    loop = asyncio.get_running_loop()
    while True:
        angle = loop.time() / 600 * math.tau + phase
        sensor.temperature = round(20 + 5 * math.sin(angle), 2)
        sensor.humidity = round(50 - 20 * math.sin(angle), 2)
        await sensor.notify()
        await asyncio.sleep(every)


async def _run(count: int, host: str, port: int, every: float) -> None:
    simulation = Simulation(count, host=host, port=port, advertise_every=1.0)
    async with simulation, asyncio.TaskGroup() as tasks:
        for number, sensor in enumerate(simulation.sensors):
            tasks.create_task(_live(sensor, number, every), name=sensor.address)
        devices = "1 device" if count == 1 else f"{count} devices"
        print(f"{devices} from {address_of(0)} on {simulation.adapter}", flush=True)


def main(arguments: Sequence[str] | None = None) -> int:
    """Simulate until interrupted."""
    parser = argparse.ArgumentParser(prog="python -m mappers.ble.simulator", description=__doc__)
    parser.add_argument("--devices", type=int, default=3, metavar="N", help="number of sensors (3)")
    parser.add_argument("--host", default="127.0.0.1", help="where the controller listens (127.0.0.1)")
    parser.add_argument("--port", type=int, default=22555, help="its TCP port (22555)")
    parser.add_argument("--every", type=float, default=1.0, help="seconds between two notifications (1)")
    given = parser.parse_args(arguments)
    with suppress(KeyboardInterrupt):
        asyncio.run(_run(given.devices, given.host, given.port, given.every))
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
