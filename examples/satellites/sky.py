"""One satellite as a row: where it stands over its stations, what waits on board, and what the cloud has of it."""

from __future__ import annotations

import urllib.request
from contextlib import suppress
from datetime import datetime
from typing import NamedTuple

import next_door  # noqa: F401
from both_ends import BothEnds, Place
from constellation import Satellite

from twin.documents import MsgTwin
from twinhub.text import age

STATIONS = ("beijing", "sanya")
RIGHT = ("BEIJING", "SANYA", "LINK", "BATTERY", "BACKLOG", "IN CLOUD", "OLD BY", "HEATER", "DESIRED")
HEADER = ("SATELLITE", *RIGHT)
WISH = "heater-set-point"
HOUR = 3600.0


class Sky(NamedTuple):
    """What its edge knows of a satellite."""

    satellite: Satellite
    ends: BothEnds
    metrics_port: int

    def place(self, name: str) -> Place:
        """One of its properties."""
        return self.satellite.device, name

    @property
    def time(self) -> float:
        """On board, Unix seconds; 0 while nothing was heard."""
        return _source_time(self.ends.sides(self.place("battery"))[0])

    @property
    def heard_by(self) -> str:
        """The stations that it is in contact with, in words; empty = none."""
        heard = [name for name in STATIONS if self.ends.reported(self.place(name))[0] == "true"]
        return " and ".join(map(str.capitalize, heard))

    @property
    def silence(self) -> float:
        """Seconds of on-board time until a contact begins."""
        rises = [self.ends.reported(self.place(f"{name}-next-rise"))[0] for name in STATIONS]
        return min((datetime.fromisoformat(rise).timestamp() - self.time for rise in rises if rise), default=0.0)

    @property
    def rate(self) -> float:
        """Bits a second, 0 out of contact."""
        return max(_number(self.ends.reported(self.place(f"{name}-rate"))[0]) for name in STATIONS)

    def waiting(self) -> int | None:
        """Changes that the cloud has not confirmed, as the edge's own metrics have it."""
        return outbox_depth(self.metrics_port)

    def row(self) -> tuple[str, ...]:
        """The cells under `HEADER`."""
        if not self.time:
            return (self.satellite.name, *("" for _ in RIGHT))
        battery, there = self.ends.sides(self.place("battery"))
        heater, heater_there = self.ends.sides(self.place(WISH))
        waiting = self.waiting()
        return (
            self.satellite.name,
            *map(self._over, STATIONS),
            f"{self.rate / 1e6:.2f} Mbit/s" if self.heard_by else f"in {hours(self.silence)}",
            f"{_number(_value(battery)):.1f} %",
            "" if waiting is None else str(waiting),
            f"{_number(_value(there)):.1f} %" if _value(there) else "nothing",
            hours(self.time - _source_time(there)) if _value(there) else "",
            f"{_number(_value(heater)):g} °C",
            _desired(heater_there),
        )

    def line(self) -> str:
        """The row in words, without what changes all the time."""
        if not self.time:
            return f"{self.satellite.name}  before the launch"
        desired = _desired(self.ends.sides(self.place(WISH))[1])
        heater, there = self.ends.reported(self.place(WISH))
        heard = f"heard by {self.heard_by}" if self.heard_by else "out of contact"
        wished = f", desired there {desired}" if desired else ""
        return f"{self.satellite.name}  {heard}  heater {heater} °C  | cloud  {there or 'nothing'}{wished}"

    def _over(self, station: str) -> str:
        elevation = self.ends.reported(self.place(f"{station}-elevation"))[0]
        mark = "●" if self.ends.reported(self.place(station))[0] == "true" else " "
        return f"{mark} {_number(elevation):.0f}°" if elevation else ""


def hours(seconds: float) -> str:
    """A time on board: hours above one, else minutes."""
    return f"{seconds / HOUR:.1f} h" if seconds >= HOUR else age(seconds)


def outbox_depth(port: int) -> int | None:
    """What the metrics of an edge say of its outbox; None when they cannot be read."""
    with suppress(OSError), urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=1) as answer:
        for line in answer.read().decode().splitlines():
            if line.startswith("twinhub_link_outbox_depth "):
                return int(float(line.split()[1]))
    return None


def _value(twin: MsgTwin) -> str | None:
    return twin.actual.value if twin.actual else None


def _number(text: str | None) -> float:
    return float(text) if text else 0.0


def _source_time(twin: MsgTwin) -> float:
    metadata = twin.actual.metadata if twin.actual else None
    return metadata.sourceTimestamp / 1000 if metadata else 0.0


def _desired(twin: MsgTwin) -> str:
    wish = twin.expected.value if twin.expected else None
    return f"{_number(wish):g} °C" if wish else ""
