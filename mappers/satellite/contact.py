"""When a ground station can speak with a satellite, and how fast.

A window is found from its culmination: the elevation is sampled, around each highest sample the true one is sought,
and from there rise and set by bisection. So no pass is missed, however short.
"""

from __future__ import annotations

from collections.abc import Iterator
from math import inf
from typing import NamedTuple

from mappers.satellite.orbit import Orbit, OrbitError
from mappers.satellite.stations import Look, Station, look

__all__ = ["Contact", "Contacts", "Window", "rate"]

STEP = 60.0
"""Seconds between two samples: the lowest satellites cross the sky of a place in six minutes."""
HORIZON = 3 * 86400.0
"""Seconds to look ahead; where nothing rises for so long, nothing is expected."""
RENEWED = 86400.0
"""Seconds after which a search that found nothing is made again."""
EXACT = 0.01
"""Seconds to which the ends of a window are found."""
BITS_AT_1000_KM = 2_000_000.0
"""A modest S-band downlink, bits a second."""
REFERENCE_KM = 1000.0


class Window(NamedTuple):
    """One pass: Unix seconds; -inf and inf where the satellite never rises or sets. Degrees."""

    rise: float
    set: float
    maximum_elevation: float


class Contact(NamedTuple):
    """What a station may expect of a satellite, as of one moment. Times in Unix seconds, None = not for three days;
    degrees; bits a second."""

    in_contact: bool
    next_rise: float | None
    """Of the next window that has not begun."""
    next_set: float | None
    """Of the window that is, or else the next."""
    maximum_elevation: float | None
    """Of the same window."""
    elevation: float
    rate: float
    """0 when not in contact."""


def rate(range_km: float, bits_at_1000_km: float = BITS_AT_1000_KM) -> float:
    """Bits a second over so many kilometres: bits_at_1000_km · (1000 km / range)².

    The free-space loss (4π · range / wavelength)² leaves a received power that falls with the square of the range
    (ITU-R P.525), and a link that is short of power, its coding adapted, carries bits in proportion to it.
    """
    return bits_at_1000_km * (REFERENCE_KM / range_km) ** 2


class Contacts:
    """The windows of one satellite over one station. Windows are searched when they are first needed and kept, so
    that asking moment after moment costs one position each."""

    def __init__(
        self,
        orbit: Orbit,
        station: Station,
        minimum_elevation: float = 10.0,
        bits_at_1000_km: float = BITS_AT_1000_KM,
    ) -> None:
        """`minimum_elevation`: degrees above the horizon from which the two can speak."""
        self.station = station
        self._orbit = orbit
        self._minimum = minimum_elevation
        self._bits = bits_at_1000_km
        self._windows: list[Window] = []
        """The one that is or comes, and the one after; fewer when none comes."""
        self._from, self._until = inf, -inf
        """Between these times `_windows` is right."""

    def at(self, time: float) -> Contact:
        """As of this Unix second. Raises `OrbitError` where the orbit ends."""
        if not self._from <= time <= self._until:
            self._search(time)
        seen = self.look(time)
        window = self._windows[0] if self._windows else Window(inf, inf, -inf)
        following = [each.rise for each in self._windows if each.rise > time]
        return Contact(
            in_contact=window.rise <= time,
            next_rise=following[0] if following else None,
            next_set=window.set if window.set < inf else None,
            maximum_elevation=window.maximum_elevation if self._windows else None,
            elevation=seen.elevation,
            rate=rate(seen.range_km, self._bits) if window.rise <= time else 0.0,
        )

    def look(self, time: float) -> Look:
        """Where in the station's sky the satellite is. Raises `OrbitError` where the orbit ends."""
        return look(self.station, self._orbit.position(time))

    def windows(self, start: float, end: float) -> Iterator[Window]:
        """All windows that touch this time, in order."""
        window = self._next(start)
        while window and window.rise < end:
            yield window
            window = self._next(window.set) if window.set < inf else None

    def _search(self, time: float) -> None:
        self._windows = []
        after = time
        while len(self._windows) < 2 and after < inf and (window := self._next(after)):
            self._windows.append(window)
            after = window.set
        self._from = min(time, self._windows[0].rise) if self._windows else time
        self._until = self._windows[0].set if self._windows else time + RENEWED

    def _next(self, time: float) -> Window | None:
        """The first window that ends after this time; None when there is none within the horizon, or the orbit ends
        before."""
        try:
            if self._above(time):
                return self._window(time)
            passes = (self._window(peak) for peak in self._culminations(time) if self._above(peak))
            return next((window for window in passes if window.set > time + EXACT), None)
        except OrbitError:
            return None

    def _culminations(self, time: float) -> Iterator[float]:
        """When the satellite is highest, time after time, below the horizon as well."""
        before, here = self._elevation(time - STEP), self._elevation(time)
        for step in range(1, int(HORIZON / STEP)):
            after = self._elevation(time + step * STEP)
            if before <= here > after:
                yield self._highest(time + (step - 2) * STEP, time + step * STEP)
            before, here = here, after

    def _highest(self, start: float, end: float) -> float:
        """The time of the highest elevation, where it rises first and then falls: by ternary search."""
        while end - start > EXACT:
            third = (end - start) / 3
            if self._elevation(start + third) < self._elevation(end - third):
                start += third
            else:
                end -= third
        return (start + end) / 2

    def _window(self, inside: float) -> Window:
        """The window that this time is in."""
        rise, end = self._edge(inside, -STEP), self._edge(inside, STEP)
        peak = self._highest(max(rise, inside - HORIZON), min(end, inside + HORIZON))
        return Window(rise, end, self._elevation(peak))

    def _edge(self, inside: float, step: float) -> float:
        """Where the window ends in this direction, just outside of it; infinite when it does not."""
        steps = (inside + number * step for number in range(1, int(HORIZON / STEP)))
        outside = next((time for time in steps if not self._above(time)), None)
        if outside is None:
            return inf if step > 0 else -inf
        inside = outside - step
        while abs(outside - inside) > EXACT:
            middle = (inside + outside) / 2
            inside, outside = (middle, outside) if self._above(middle) else (inside, middle)
        return outside

    def _above(self, time: float) -> bool:
        return self._elevation(time) >= self._minimum

    def _elevation(self, time: float) -> float:
        return self.look(time).elevation
