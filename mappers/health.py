"""What is known of the devices of a link, and who is told: qualities, states, one log line per change."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence

from eventbus.device_side import DeviceSide, Reading
from mappers.mapper import LinkLost
from mappers.station import Station

log = logging.getLogger("mappers")

MOST_TEXT = 100_000
"""Characters of the values in one report. In JSON each may become six bytes, and a message has at most a MiB: a
larger one would never be answered, and stand in the way of all that comes later."""


class Health:
    """Tell it what happened: a device `answered` or was `silent`, the link was `lost`."""

    def __init__(self, name: str, stations: Mapping[str, Station], side: DeviceSide) -> None:
        self._name = name
        self._stations = stations
        self._side = side
        self._silence = 0
        """Reads without an answer since the last answer of any device."""
        self._down = False
        self.worked = False
        """A device has answered since the link was made."""

    def connected(self) -> None:
        """The link is made; whether a device is behind it remains to be seen."""
        self._silence = 0
        self.worked = False

    def report(self, station: Station, readings: Sequence[Reading]) -> None:
        """Pass readings on, if there are any: as one message, unless that would be too large for a broker."""
        for portion in _portions(readings):
            if portion:
                self._side.report(station.device_id, portion)

    def answered(self, station: Station) -> None:
        """The device said something, if only that it will not."""
        self._silence = 0
        self.worked = True
        if station.failures or not station.online:
            self._back(station)

    def silent(self, station: Station, reason: str, now: float, waited: float) -> None:
        """The device did not answer. LinkLost when none of the link does: the connection itself may be dead,
        and only a new one can tell."""
        self._silence += 1
        silent = sum(1 for other in self._stations.values() if other.failures or other is station)
        all_silent = silent == len(self._stations)
        goes_offline = station.silent(now, waited, silent=silent, all_silent=all_silent)
        self.report(station, station.fail(reason))
        if goes_offline:
            self._offline(station)
            if not all_silent:
                log.warning("%s: device %s is silent: %s; trying on", self._name, station.device_id, reason)
        if all_silent and self._silence > 1:
            raise LinkLost(reason)

    def quiet(self, station: Station, reason: str) -> None:
        """A device that speaks by itself is gone; the link is fine."""
        self.report(station, station.fail(reason))
        if station.online is not False:
            log.warning("%s: device %s is silent: %s; listening on", self._name, station.device_id, reason)
        self._offline(station)

    def lost(self, reason: str) -> None:
        """The connection is lost, or could not be made."""
        if not self._down:
            self._down = True
            log.warning("%s: %s; trying on (%s)", self._name, reason, _some(tuple(self._stations)))
        for station in self._stations.values():
            self.report(station, station.fail(reason))
            self._offline(station)

    def _back(self, station: Station) -> None:
        if self._down:
            self._down = False
            log.info("%s: back", self._name)
        elif station.online is False:
            log.info("%s: device %s answers again", self._name, station.device_id)
        if station.answered():
            station.online = True
            self._side.state(station.device_id, "online")

    def _offline(self, station: Station) -> None:
        if station.online is not False:
            station.online = False
            self._side.state(station.device_id, "offline")


def _some(names: Sequence[str]) -> str:
    return ", ".join(names[:3]) + (f" and {len(names) - 3} more" if len(names) > 3 else "")


def _portions(readings: Sequence[Reading]) -> Sequence[Sequence[Reading]]:
    """The readings in messages of bearable size; nearly always a single one."""
    sizes = [len(reading.value or "") for reading in readings]
    if sum(sizes) <= MOST_TEXT:
        return [readings]
    portions: list[list[Reading]] = [[]]
    room = MOST_TEXT
    for reading, size in zip(readings, sizes, strict=True):
        if size > room:
            portions.append([])
            room = MOST_TEXT
        portions[-1].append(reading)
        room -= size
    return portions
