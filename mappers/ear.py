"""What a link hears: values that devices say by themselves go up, and a device that falls silent is noticed."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping
from typing import Any, NoReturn

from eventbus.device_side import Reading
from mappers.configuration import silence_of
from mappers.health import Health
from mappers.mapper import LinkLost, Mapper, Point, Raw
from mappers.station import Station

LOOKS = 4
"""So often within a device's `silence` is looked whether it spoke."""


class Ear:
    """The `Listening` of one connection: `listen` and `watch` run until it is lost."""

    def __init__(self, mapper: Mapper[Any, Any], stations: Mapping[str, Station], health: Health) -> None:
        self._mapper = mapper
        self._stations = stations
        self._health = health
        self._clock = asyncio.get_running_loop().time
        self._patience = _patience(mapper)
        self._heard = dict.fromkeys(self._patience, self._clock())
        """When each of the watched devices spoke last, monotonic."""

    async def listen(self) -> NoReturn:
        """Let the mapper listen."""
        await self._mapper.listen(self)
        raise LinkLost("the other side ended the connection")

    async def watch(self) -> NoReturn:
        """Notice who says nothing for longer than its `silence`. When that is everybody, the connection itself may
        be dead: LinkLost, only a new one can tell."""
        while True:
            await asyncio.sleep(min(self._patience.values(), default=3600.0) / LOOKS)
            now = self._clock()
            silent = [id_ for id_, patience in self._patience.items() if now - self._heard[id_] > patience]
            for device_id in silent:
                self.silent(device_id, unheard(self._patience[device_id]))
            if silent and len(silent) == len(self._stations):
                raise LinkLost(unheard(max(self._patience.values())))

    def deliver(self, values: Mapping[Point[Any, Any], Raw]) -> None:
        """As in `Listening`."""
        stamp = time.time_ns() // 1_000_000
        now = self._clock()
        readings: dict[str, list[Reading]] = {}
        for point, value in values.items():
            device_id = point.device_id
            station = self._stations[device_id]
            if device_id not in readings:
                readings[device_id] = []
                self._health.answered(station)
                if device_id in self._heard:
                    self._heard[device_id] = now
            reading = station.channels[point.property.name].accept(value, stamp)
            if reading is not None:
                readings[device_id].append(reading)
        for device_id, of_device in readings.items():
            self._health.report(self._stations[device_id], of_device)

    def silent(self, device_id: str, reason: str) -> None:
        """As in `Listening`."""
        self._health.quiet(self._stations[device_id], reason)


def unheard(seconds: float) -> str:
    """The reason for people."""
    return f"nothing heard for {seconds:g} s"


def _patience(mapper: Mapper[Any, Any]) -> dict[str, float]:
    """Seconds by device, for those that speak by themselves and have a `silence`. One that is asked, too, is silent
    when it does not answer: it may have nothing else to say for long."""
    asked = {point.device_id for point in mapper.points if mapper.polls(point) and mapper.readable(point)}
    listened = (point for point in mapper.points if not mapper.polls(point) and point.device_id not in asked)
    seconds = {point.device_id: silence_of(point) for point in listened}
    return {device_id: patience for device_id, patience in seconds.items() if patience < float("inf")}
