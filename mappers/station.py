"""One device behind a link: its channels, its cycles, and what its silence costs the others. No I/O.

A silent device is asked again after a pause with full jitter that grows with each failure. On a shared link the
pause also keeps all silent devices together below a fixed share of the link's time.
"""

from __future__ import annotations

import random
import zlib
from collections.abc import Sequence
from typing import Any

from eventbus.device_side import Reading
from mappers.channel import Channel
from mappers.mapper import Batch, Mapper, Point

SHARE = 0.2
"""Of a link's time, at most this much is spent waiting for devices that do not answer."""
SHORTEST_PAUSE = 0.05
"""Seconds; some protocols know at once that a device is not there."""
LONGEST_PAUSE = 30.0
"""Seconds; a device that is back is noticed within this, plus what SHARE adds."""
LONGEST_REST = 10.0
"""Seconds after which a request that was refused or not answered is tried again at the latest."""
OFFLINE_AFTER = 2
"""Silent reads in a row that make a device offline; one lost frame does not."""


class Request:
    """A batch, the channels its values go to, and its rest after a refusal."""

    __slots__ = ("batch", "channels", "refusals", "rest_until")

    def __init__(self, batch: Batch[Any, Any], channels: Sequence[Channel]) -> None:
        self.batch = batch
        self.channels = channels
        self.refusals = 0
        self.rest_until = 0.0

    def rest(self, now: float, first: float) -> None:
        """It was refused, or not answered: there is no use in asking in every cycle. `first`: seconds, doubled
        with each time."""
        self.refusals += 1
        longest = min(LONGEST_REST, first * 2 ** min(self.refusals, 10))
        self.rest_until = now + random.uniform(longest / 2, longest)  # noqa: S311 - spreads load


class Cycle:
    """The properties of one device that are read in one period, request by request."""

    __slots__ = ("heard", "origin", "period", "planned", "readings", "requests", "skipped", "station", "turn")

    def __init__(self, station: Station, period: float) -> None:
        self.station = station
        self.period = period
        self.origin = 0.0
        self.planned = 0.0
        self.skipped = 0
        self.requests: list[Request] = []
        self.turn = 0
        self.heard = False
        """The device has answered in this cycle."""
        self.readings: list[Reading] = []
        """What this cycle has to report so far."""

    def plan(self, mapper: Mapper[Any, Any], points: Sequence[Point[Any, Any]]) -> None:
        """Ask the protocol for its requests; what was learnt about refusals is forgotten."""
        self.requests = [self.station.request(batch) for batch in mapper.plan(points)] if points else []
        self.restart()

    def restart(self) -> None:
        """Begin with the first request."""
        self.turn = 0
        self.heard = False
        self.readings = []

    def next_request(self, now: float) -> Request | None:
        """The next one that is not resting; None at the end of the cycle."""
        while self.turn < len(self.requests):
            request = self.requests[self.turn]
            if request.rest_until <= now:
                return request
            self.turn += 1
        return None

    def replace(self, parts: Sequence[Batch[Any, Any]]) -> None:
        """Put smaller requests in the place of the current one."""
        self.requests[self.turn : self.turn + 1] = [self.station.request(part) for part in parts]


class Station:
    """A device, as its link sees it."""

    def __init__(self, device_id: str, channels: Sequence[Channel], timeout: float) -> None:
        self.device_id = device_id
        self.timeout = timeout
        self.channels = {channel.name: channel for channel in channels}
        self.cycles = [Cycle(self, period) for period in sorted({c.point.property.collect_cycle for c in channels})]
        self.phase = zlib.crc32(device_id.encode()) / 2**32
        """Where on its grid it reads; the same after a restart."""
        self.online: bool | None = None
        """None until anything is known."""
        self.failures = 0
        """Silent reads in a row."""
        self.retry_at = 0.0
        self._by_point = {channel.point: channel for channel in channels}

    def plan(self, mapper: Mapper[Any, Any]) -> None:
        """Plan all cycles afresh; the link is new."""
        self.retry_at = 0.0
        for cycle in self.cycles:
            points = [p for p in self._by_point if p.property.collect_cycle == cycle.period and mapper.polls(p)]
            cycle.plan(mapper, points)

    def request(self, batch: Batch[Any, Any]) -> Request:
        """The batch with its channels."""
        return Request(batch, [self._by_point[point] for point in batch.points])

    def fail(self, reason: str) -> list[Reading]:
        """Nothing can be read at present: what is to report of that."""
        readings = (channel.fail(reason) for channel in self.channels.values())
        return [reading for reading in readings if reading is not None]

    def silent(self, now: float, waited: float, *, silent: int, all_silent: bool) -> bool:
        """A read got no answer after `waited` seconds; `silent` devices of the link do not answer at present.

        True when that makes the device offline.
        """
        self.failures += 1
        longest = min(LONGEST_PAUSE, max(SHORTEST_PAUSE, waited) * 2 ** min(self.failures, 10))
        pause = max(SHORTEST_PAUSE, waited) + random.uniform(0, longest)  # noqa: S311 - spreads load
        if not all_silent:
            pause = max(pause, waited * (silent / SHARE - 1))
        self.retry_at = now + pause
        return self.online is None or (self.online and self.failures >= OFFLINE_AFTER)

    def answered(self) -> bool:
        """A read was answered. True when that makes the device online."""
        self.failures = 0
        return self.online is not True
