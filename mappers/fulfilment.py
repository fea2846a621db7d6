"""How the wishes of a link's devices are fulfilled: write, read back, report, judge."""

from __future__ import annotations

import logging
import math
import time
from collections.abc import Callable, Mapping
from typing import Any

from mappers import asking
from mappers.asking import words
from mappers.health import Health
from mappers.mapper import Mapper, NoAnswer, Refused
from mappers.station import Station
from mappers.wishes import Wish, Wishes

log = logging.getLogger("mappers")


class Fulfilment:
    """`hear` wishes; `work` on one that is due, if any is."""

    def __init__(
        self, mapper: Mapper[Any, Any], stations: Mapping[str, Station], health: Health, clock: Callable[[], float]
    ) -> None:
        self._mapper = mapper
        self._stations = stations
        self._health = health
        self._clock = clock
        self._wishes = {device_id: Wishes(device_id, station.channels) for device_id, station in stations.items()}
        self._open: set[str] = set()
        """Devices with something to do, now or later."""

    def hear(self, device_id: str, open_wishes: Mapping[str, str]) -> None:
        """All wishes of a device that are open now."""
        self._wishes[device_id].hear(open_wishes, self._clock())
        self._open.add(device_id)

    def next_due(self) -> float:
        """When there is something to do; infinity when there is nothing."""
        return min((self._due(device_id) for device_id in self._open), default=math.inf)

    def _due(self, device_id: str) -> float:
        return max(self._wishes[device_id].next_due(), self._stations[device_id].retry_at)

    async def work(self, now: float) -> bool:
        """Try one wish that is due; False when none is. LinkLost and its like come through."""
        for device_id in tuple(self._open):
            if self._due(device_id) > now:
                if self._wishes[device_id].next_due() == math.inf:
                    self._open.discard(device_id)
                continue
            wish = self._wishes[device_id].next(now)
            if wish is not None:
                await self._fulfil(self._stations[device_id], self._wishes[device_id], wish)
                return True
        return False

    async def _fulfil(self, station: Station, wishes: Wishes, wish: Wish) -> None:
        started = self._clock()
        try:
            await self._write_and_look(station, wish)
        except ValueError as error:
            wishes.impossible(wish, words(error))
        except Refused as error:
            self._health.answered(station)
            wishes.failed(wish, words(error), self._clock())
        except NoAnswer as error:
            now = self._clock()
            wishes.failed(wish, words(error), now)
            self._health.silent(station, words(error), now, now - started)
        except asking.LOST as error:
            wishes.failed(wish, words(error), self._clock())
            raise
        except Exception as error:
            if not wish.failed:
                log.error("%s: defect in the mapper", station.device_id, exc_info=error)
            wishes.failed(wish, f"defect in the mapper: {words(error)}", self._clock())
        else:
            self._judge(station, wish, wishes)

    def _judge(self, station: Station, wish: Wish, wishes: Wishes) -> None:
        if wish.channel.shows(wish.text):
            wishes.met(wish, self._clock())
        else:
            patience = 0.0 if self._mapper.readable(wish.channel.point) else station.timeout
            wishes.not_kept(wish, self._clock(), patience)

    async def _write_and_look(self, station: Station, wish: Wish) -> None:
        """Write, then read back. A device that was slow to follow has perhaps followed by now: look first."""
        assert wish.raw is not None
        if wish.writes and await self._look(station, wish):
            return
        await asking.write(self._mapper, station, wish.channel.point, wish.raw)
        await self._look(station, wish)

    async def _look(self, station: Station, wish: Wish) -> bool:
        """Read the property and report it; where devices speak by themselves, wait for that instead."""
        if self._mapper.readable(wish.channel.point):
            [batch] = self._mapper.plan([wish.channel.point])
            [value] = await asking.read(self._mapper, station, station.request(batch))
            self._health.answered(station)
            reading = wish.channel.accept(value, time.time_ns() // 1_000_000, always=True)
            self._health.report(station, [] if reading is None else [reading])
        return wish.channel.shows(wish.text)
