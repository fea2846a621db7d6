"""Simulated sensors on the bench of the conformance kit, each behind the one virtual controller."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import ClassVar, NoReturn

from device_models import AccessMode, DataType, Device, Property
from mappers.ble.simulator import SETPOINT, Sensor, Simulation
from mappers.testing.rig import NUMBER, SETTING, Rig, Stand

EVERY = 0.05
"""Seconds between two notifications."""
TIMEOUT = 0.3


class SensorStand(Stand):
    """One sensor."""

    def __init__(self, sensor: Sensor, device: Device) -> None:
        self.device = device
        self._sensor = sensor
        self._on = True

    async def show(self, number: float) -> None:
        self._sensor.temperature = number

    async def setting(self) -> int:
        return self._sensor.setpoint

    async def silence(self) -> None:
        self._sensor.silent = True

    async def slow(self, seconds: float) -> None:
        self._sensor.delay = seconds

    async def garbage(self) -> None:
        self._sensor.garbled = True

    async def drop(self) -> None:
        self._sensor.drop()

    async def stop(self) -> None:
        if self._on:
            self._on = False
            await self._sensor.stop()

    async def start(self) -> None:
        await self.whole()
        if not self._on:
            self._on = True
            await self._sensor.start()

    async def whole(self) -> None:
        self._sensor.silent = self._sensor.garbled = False
        self._sensor.delay = 0.0

    async def speak(self) -> NoReturn:
        """Tell its temperature again and again, while it is on."""
        while True:
            if self._on:
                await self._sensor.notify()
            await asyncio.sleep(EVERY)


class BleRig(Rig):
    """NUMBER is a temperature that is notified, SETTING a set-point that is polled."""

    protocol = "ble"
    cannot: ClassVar[Mapping[str, str]] = {}

    @asynccontextmanager
    async def stands(self, count: int) -> AsyncIterator[Sequence[Stand]]:
        async with Simulation(count, advertise_every=0.05) as simulation, asyncio.TaskGroup() as tasks:
            stands = [
                SensorStand(sensor, _device(number, sensor.address, simulation.adapter))
                for number, sensor in enumerate(simulation.sensors)
            ]
            speaking = [tasks.create_task(stand.speak(), name=stand.device.id) for stand in stands]
            yield stands
            for task in speaking:
                task.cancel()
            for stand in stands:
                await stand.stop()


def _device(number: int, address: str, adapter: str) -> Device:
    config = {"macAddress": address, "adapter": adapter, "slots": 50, "timeout": TIMEOUT}
    temperature = {"characteristicUUID": "2A6E"}
    setpoint = {"characteristicUUID": SETPOINT, "type": "uint8"}
    properties = (
        Property(NUMBER, DataType.FLOAT, visitor=temperature, collect_cycle=0.05),
        Property(SETTING, DataType.INT, AccessMode.READ_WRITE, minimum=0, maximum=100, visitor=setpoint,
                 collect_cycle=0.05),
    )  # fmt: skip
    return Device("default", f"ble-{number}", "sensor", "ble", config, properties)


RIG = BleRig()
