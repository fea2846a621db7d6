"""The measurements of Bluetooth, through virtual controllers: real HCI, L2CAP and GATT over TCP, no radio."""

from __future__ import annotations

import asyncio
import os
import sys
import time
from asyncio.subprocess import PIPE, Process
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Any, NamedTuple, cast

from bench.processes import rss
from bench.scenarios import Pace, Row
from device_models import DataType, Device, Property
from eventbus.device_side import DeviceSide, Reading
from mappers.ble.adapter import Advertisement
from mappers.ble.bumble_adapter import BumbleAdapter
from mappers.ble.simulator import address_of
from mappers.ble.uuids import short_uuid
from mappers.protocols import PROTOCOLS
from mappers.runner import MapperRunner

TEMPERATURE = {"characteristicUUID": "2A6E"}
POLLED = TEMPERATURE | {"notify": False}
READABLE = ("2A00", "2A01", "2A6E", "2A6F", "2A19", "2B2A")
"""What a simulated device has."""
ROUNDS = 3
"""Measurements of each kind, in turns: the machine is not equally fast all the time."""
PERIOD = 0.25
"""Seconds between polls where isolation is measured."""
START_WITHIN = 120.0


class Air(NamedTuple):
    """Simulated devices in a process of their own."""

    adapter: str
    process: Process

    async def order(self, line: str) -> None:
        """`silence N` or `whole N`; returns when it has taken effect."""
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.process.stdin.write(f"{line}\n".encode())
        await self.process.stdout.readline()


class Side:
    """Where the bus would be: counts what is good, and when it came."""

    def __init__(self) -> None:
        self.times: dict[str, list[float]] = {}

    def add(self, device_id: str, _on_wishes: Callable[[Mapping[str, str]], None]) -> None:
        self.times[device_id] = []

    def remove(self, device_id: str) -> None:
        del self.times[device_id]

    def report(self, device_id: str, readings: Sequence[Reading]) -> None:
        if readings[0].quality == "good":
            self.times[device_id].append(time.perf_counter())

    def state(self, device_id: str, state: str) -> None:
        pass

    def behind(self, _device_id: str) -> bool:
        return False

    def clear(self) -> None:
        for times in self.times.values():
            times.clear()

    async def all_there(self) -> None:
        """Every device has been read or heard."""
        async with asyncio.timeout(START_WITHIN):
            while not all(self.times.values()):
                await asyncio.sleep(0.05)


async def reads(pace: Pace) -> list[Row]:
    """All characteristics of one device, one after the other, as fast as it answers."""
    bare, mapped, seconds = [], [], pace.seconds / ROUNDS
    async with _air(1) as air:
        device = _device(0, air.adapter, POLLED, 0.0001)
        visitors = ({"characteristicUUID": uuid, "notify": False, "type": "bytes"} for uuid in READABLE)
        declared = [
            Property(f"p{n}", DataType.BYTES, visitor=v, collect_cycle=0.0001) for n, v in enumerate(visitors)
        ]
        for _ in range(ROUNDS):
            bare.append(await _bare_reads(air.adapter, seconds))
            async with _running([replace(device, properties=tuple(declared))]) as side:
                await side.all_there()
                side.clear()
                await asyncio.sleep(seconds)
                mapped.append(len(side.times[device.id]) * len(READABLE) / seconds)
    return [
        Row("reads/s, bumble alone", f"{sum(bare) / ROUNDS:,.0f}"),
        Row("reads/s, through the mapper", f"{sum(mapped) / ROUNDS:,.0f}"),
        Row("share of the library alone", f"{sum(mapped) / sum(bare):.0%}", "80 %"),
    ]


async def notifications(count: int, pace: Pace) -> list[Row]:
    """So many devices that notify ten times a second."""
    async with _air(count, every=0.1) as air:
        devices = [_device(n, air.adapter, TEMPERATURE, 1, slots=count) for n in range(count)]
        async with _running(devices) as side:
            await side.all_there()
            await asyncio.sleep(pace.settle)
            side.clear()
            await asyncio.sleep(pace.seconds)
            heard = sorted(len(times) / pace.seconds for times in side.times.values())
    return [
        Row("values/s, all devices", f"{sum(heard):,.0f}", f"{count * 10:,}"),
        Row("values/s of a device, fewest / most", f"{heard[0]:.1f} / {heard[-1]:.1f}", "none starved"),
    ]


async def isolation(count: int, pace: Pace) -> list[Row]:
    """How much later the others are read when a fifth of the devices is a black hole."""
    silent = count // 5
    async with _air(count) as air:
        devices = [_device(n, air.adapter, POLLED, PERIOD, slots=count, timeout=0.5) for n in range(count)]
        async with _running(devices) as side:
            await side.all_there()
            rest = [device.id for device in devices[silent:]]
            before = await _gaps(side, rest, pace)
            await air.order(f"silence {silent}")
            after = await _gaps(side, rest, pace)
    rise = after / before - 1
    return [
        Row("p99 ms between two readings of the rest, all well", f"{before * 1000:.0f}"),
        Row(f"the same, {silent} of {count} black-holed", f"{after * 1000:.0f}"),
        Row("rise", f"{rise:+.1%}", "+10 %"),
    ]


async def memory(connected: int, heard: int, _: Pace) -> list[Row]:
    """What a device costs that has nothing to say."""
    async with _air(connected + 1, advertise_every=0.2) as air:
        first = _device(connected, air.adapter, POLLED, 3600)
        async with _running([first]) as side:
            await side.all_there()
            before = rss(os.getpid())
            only_heard = {"rssi": True}
            async with _running([_device(10_000 + n, air.adapter, only_heard, 3600) for n in range(heard)]):
                await asyncio.sleep(1)
                listening = rss(os.getpid()) - before
                before += listening
                words = {"slots": connected + 1}
                devices = [_device(n, air.adapter, POLLED, 3600, **words) for n in range(connected)]
                async with _running(devices) as connecting_side:
                    await connecting_side.all_there()
                    connecting = rss(os.getpid()) - before
    return [
        Row(f"kB for each of {heard:,} devices that are listened for", f"{listening / heard / 1000:.1f}", "20"),
        Row(f"kB for each of {connected:,} devices that are connected", f"{connecting / connected / 1000:.1f}", "20"),
    ]


def _device(number: int, adapter: str, visitor: Mapping[str, Any], period: float, **config: Any) -> Device:
    words = {"macAddress": address_of(number), "adapter": adapter} | config
    prop = Property(
        "value", DataType.INT if "rssi" in visitor else DataType.FLOAT, visitor=visitor, collect_cycle=period
    )
    return Device("default", f"ble-{number}", "m", "ble", words, (prop,))


@asynccontextmanager
async def _air(devices: int, **options: float) -> AsyncIterator[Air]:
    words = [word for name, value in options.items() for word in (f"--{name.replace('_', '-')}", str(value))]
    command = [sys.executable, "-m", "bench.ble_air", "--devices", str(devices), *words]
    process = await asyncio.create_subprocess_exec(*command, stdin=PIPE, stdout=PIPE)
    assert process.stdout is not None
    try:
        yield Air((await process.stdout.readline()).decode().strip(), process)
    finally:
        process.terminate()
        await process.wait()


@asynccontextmanager
async def _running(devices: Sequence[Device]) -> AsyncIterator[Side]:
    side = Side()
    async with MapperRunner(PROTOCOLS["ble"], devices, cast(DeviceSide, side)):
        yield side


async def _gaps(side: Side, device_ids: Sequence[str], pace: Pace) -> float:
    """The 99th percentile of the seconds between two readings of a device."""
    await asyncio.sleep(pace.settle)
    side.clear()
    await asyncio.sleep(pace.seconds)
    gaps = sorted(
        later - earlier
        for device_id in device_ids
        for earlier, later in zip(side.times[device_id], side.times[device_id][1:], strict=False)
    )
    return gaps[len(gaps) * 99 // 100]


async def _bare_reads(name: str, seconds: float) -> float:
    """Reads a second of bumble without a mapper."""
    adapter = BumbleAdapter(name)
    seen: asyncio.Future[Advertisement] = asyncio.get_running_loop().create_future()

    def hear(advertisement: Advertisement) -> None:
        if not seen.done():
            seen.set_result(advertisement)

    try:
        await adapter.open(hear, print)
        connection = await adapter.connect(await seen, 10, print)
        reads = [each.handle.read_value for each in connection.characteristics if short_uuid(each.uuid) in READABLE]
        count, began = 0, time.perf_counter()
        while time.perf_counter() < began + seconds:
            for read in reads:
                await read()
            count += len(reads)
        passed = time.perf_counter() - began
        await connection.close()
    finally:
        await adapter.close()
    return count / passed
