"""One link at work: connect, read what is due, write what is wished, and start over when the connection is lost.

All devices of a link are served by one task, one request at a time; links do not know each other. Whatever
happens on a link stays on it.
"""

from __future__ import annotations

import asyncio
import logging
import math
import time
from collections.abc import Coroutine, Mapping, Sequence
from functools import partial
from typing import Any, NamedTuple, NoReturn

from eventbus.backoff import full_jitter
from eventbus.device_side import DeviceSide
from mappers import asking, ending
from mappers.asking import words
from mappers.channel import Channel
from mappers.configuration import timeout_of
from mappers.ear import Ear
from mappers.fulfilment import Fulfilment
from mappers.health import Health
from mappers.mapper import Failure, Mapper, NoAnswer, Raw, Refused
from mappers.station import SHARE, Cycle, Request, Station
from mappers.timetable import Timetable

log = logging.getLogger("mappers")

FIRST_DELAY = 0.2
LONGEST_DELAY = 15.0
"""Seconds between two attempts to connect, with full jitter."""


class LinkStatistics(NamedTuple):
    """Counts since the start."""

    reads: int = 0
    silent: int = 0
    refused: int = 0
    skipped: int = 0
    """Cycles that were left out because the link was late."""
    lost: int = 0
    """Times the connection was lost or could not be made."""


class Link:
    """`join`, then `run` it in a task of its own; cancelling that is how it ends."""

    def __init__(self, name: str, mapper: Mapper[Any, Any], side: DeviceSide) -> None:
        self.name = name
        self._mapper = mapper
        self._side = side
        self._clock = asyncio.get_running_loop().time
        self._stations = _stations(mapper)
        self._health = Health(name, self._stations, side)
        self._fulfilment = Fulfilment(mapper, self._stations, self._health, self._clock)
        self._timetable: Timetable[Cycle] = Timetable()
        self._wake = asyncio.Event()
        self._defects: set[str] = set()
        self._reads = self._silent = self._refusals = self._lost = 0

    @property
    def devices(self) -> tuple[str, ...]:
        """Whom it serves."""
        return tuple(self._stations)

    def statistics(self) -> LinkStatistics:
        """How it went so far."""
        skipped = sum(cycle.skipped for station in self._stations.values() for cycle in station.cycles)
        return LinkStatistics(self._reads, self._silent, self._refusals, skipped, self._lost)

    def join(self) -> None:
        """Speak for the devices on the bus from now on."""
        for device_id in self._stations:
            self._side.add(device_id, partial(self._hear, device_id))

    async def run(self) -> NoReturn:
        """Serve for ever."""
        delays = full_jitter(FIRST_DELAY, LONGEST_DELAY)
        while True:
            reason = await self._once()
            if self._health.worked:
                delays = full_jitter(FIRST_DELAY, LONGEST_DELAY)
            self._lost += 1
            self._health.lost(reason)
            await asyncio.sleep(next(delays))

    def _hear(self, device_id: str, open_wishes: Mapping[str, str]) -> None:
        try:
            self._fulfilment.hear(device_id, open_wishes)
        except Exception as error:  # noqa: BLE001 - it would end the connection to the bus, for all devices
            self._defect(error)
        self._wake.set()

    async def _once(self) -> str:
        """Connect and serve until the link is lost; returns why."""
        self._health.connected()
        try:
            async with asyncio.timeout(self._mapper.connect_patience):
                await self._mapper.connect()
            ending.heed()
            await self._serve()
        except asking.LOST as error:
            return words(error)
        except Exception as error:  # noqa: BLE001 - a protocol's defect must not end the other links
            return self._defect(error)
        finally:
            await self._mapper.close()

    async def _serve(self) -> NoReturn:
        self._timetable = Timetable()
        now = self._clock()
        for station in self._stations.values():
            station.plan(self._mapper)
            for cycle in station.cycles:
                if cycle.requests:
                    self._timetable.add(cycle, now, station.phase)
        if type(self._mapper).listen is Mapper.listen:
            await self._work()
        ear = Ear(self._mapper, self._stations, self._health)
        await _first_to_end(ear.listen(), ear.watch(), self._work(), name=self.name)

    async def _work(self) -> NoReturn:
        while True:
            ending.heed()
            now = self._clock()
            if await self._fulfilment.work(now):
                continue
            cycle = self._timetable.pop(now)
            if cycle is None:
                await self._sleep(min(self._timetable.next_due(), self._fulfilment.next_due()))
            elif cycle.station.retry_at > now:
                self._timetable.postpone(cycle, cycle.station.retry_at)
            elif cycle.turn == 0 and self._side.behind(cycle.station.device_id):
                self._timetable.finished(cycle, now)
            else:
                await self._turn(cycle, now)

    async def _sleep(self, until: float) -> None:
        self._wake.clear()
        timer = None if until == math.inf else asyncio.get_running_loop().call_at(until, self._wake.set)
        try:
            await self._wake.wait()
        finally:
            if timer is not None:
                timer.cancel()

    async def _turn(self, cycle: Cycle, now: float) -> None:
        """One request of a cycle, then it is the others' turn."""
        request = cycle.next_request(now)
        if request is not None:
            values = await self._ask(cycle, request)
            if values is None:
                return
            stamp = time.time_ns() // 1_000_000
            for channel, value in zip(request.channels, values, strict=True):
                reading = channel.accept(value, stamp)
                if reading is not None:
                    cycle.readings.append(reading)
            cycle.turn += 1
        if cycle.turn < len(cycle.requests):
            self._timetable.again(cycle, now)
        else:
            self._health.report(cycle.station, cycle.readings)
            cycle.restart()
            self._timetable.finished(cycle, self._clock())

    async def _ask(self, cycle: Cycle, request: Request) -> Sequence[Raw] | None:
        """The values of a request, or None when the cycle has been put elsewhere in the timetable."""
        started = self._clock()
        self._reads += 1
        try:
            values = await asking.read(self._mapper, cycle.station, request)
        except NoAnswer as error:
            return self._no_answer(cycle, request, words(error), started)
        except Refused as error:
            return self._refused(cycle, request, words(error))
        except asking.LOST:
            raise
        except Exception as error:  # noqa: BLE001 - a protocol's defect must not end the other devices
            return self._refused(cycle, request, self._defect(error))
        self._health.answered(cycle.station)
        cycle.heard = True
        request.refusals = 0
        return values

    def _no_answer(self, cycle: Cycle, request: Request, reason: str, started: float) -> Sequence[Failure] | None:
        """Some devices are silent where others refuse: if this one just answered, it is the request."""
        self._silent += 1
        now = self._clock()
        if cycle.heard or len(cycle.requests) > 1:  # the next attempt shall begin with another one
            request.rest(now, max(cycle.period, (now - started) / SHARE))
        if cycle.heard:
            return [Failure(reason)] * len(request.channels)
        cycle.restart()
        self._health.silent(cycle.station, reason, now, now - started)
        self._timetable.postpone(cycle, cycle.station.retry_at)
        return None

    def _refused(self, cycle: Cycle, request: Request, reason: str) -> Sequence[Failure] | None:
        self._refusals += 1
        self._health.answered(cycle.station)
        cycle.heard = True
        now = self._clock()
        parts = self._mapper.split(request.batch)
        if parts:
            cycle.replace(parts)
            self._timetable.again(cycle, now)
            return None
        request.rest(now, cycle.period)
        return [Failure(reason)] * len(request.channels)

    def _defect(self, error: Exception) -> str:
        what = f"defect in the mapper: {type(error).__name__}: {error}"[:500]
        if what not in self._defects and len(self._defects) < 10:
            self._defects.add(what)
            log.error("%s: %s; going on", self.name, what, exc_info=error)
        return what


def _stations(mapper: Mapper[Any, Any]) -> dict[str, Station]:
    channels: dict[str, list[Channel]] = {}
    for point in mapper.points:
        channels.setdefault(point.device_id, []).append(Channel(point, mapper.conversion_of(point)))
    return {
        device_id: Station(device_id, of_device, timeout_of(of_device[0].point))
        for device_id, of_device in channels.items()
    }


async def _first_to_end(*works: Coroutine[Any, Any, NoReturn], name: str) -> NoReturn:
    """Run them together until one raises; the others are cancelled, and what it raised comes out."""
    tasks = [asyncio.create_task(work, name=name) for work in works]
    try:
        done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        raise next(error for task in done if (error := task.exception()))
    finally:
        await ending.end(tasks)
