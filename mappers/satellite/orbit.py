"""Where a satellite is, and whether the sun shines on it: SGP4 on a two-line element set.

Positions are in kilometres in the frame that turns with the earth (ECEF); times are Unix seconds (UTC). UT1 is taken
for UTC and the poles do not wander: an error of at most 0.5 km, less than that of the elements after a day.
"""

from __future__ import annotations

import re
from math import cos, fmod, radians, sin, tau
from typing import Any, NamedTuple

__all__ = ["EARTH_RADIUS", "Orbit", "OrbitError", "Vector", "in_eclipse", "sun_direction"]

EARTH_RADIUS = 6378.137
"""At the equator, km (WGS 84)."""
EPOCH = 2440587.5
"""The Julian date of Unix time 0."""
J2000 = 946728000.0
"""2000-01-01 12:00 UTC, Unix seconds."""
DAY = 86400.0
LINE = 69
"""Characters of a line of elements; what follows is a remark."""
_WHOSE, _ANGLE, _POWER = r"[ \dA-Z][ \d]{4}", r" [ \d]{3}\.\d{4}", r" [ +-][ \d]{5}[ +-]\d"
FORMS = (
    re.compile(rf"1 {_WHOSE}. .{{8}} [ \d]{{5}}\.\d{{8}} [ +-]\.\d{{8}}{_POWER}{_POWER} . [ \d]{{4}}\d", re.ASCII),
    re.compile(rf"2 {_WHOSE}{_ANGLE}{_ANGLE} [ \d]{{7}}{_ANGLE}{_ANGLE} [ \d]{{2}}\.\d{{8}}[ \d]{{5}}\d", re.ASCII),
)
"""What the two lines look like; SGP4 itself would read a number out of anything."""


class OrbitError(ValueError):
    """These elements give no orbit; the text says why."""


class Vector(NamedTuple):
    """Earth-fixed: x towards 0° N 0° E, z towards the north pole."""

    x: float
    y: float
    z: float

    def dot(self, other: Vector) -> float:
        """The scalar product."""
        return self.x * other.x + self.y * other.y + self.z * other.z

    def minus(self, other: Vector) -> Vector:
        """From `other` to here."""
        return Vector(self.x - other.x, self.y - other.y, self.z - other.z)

    def turned(self, angle: float) -> Vector:
        """Seen from axes that have turned eastwards by so many radians."""
        c, s = cos(angle), sin(angle)
        return Vector(c * self.x + s * self.y, c * self.y - s * self.x, self.z)


class Orbit:
    """The path that one element set describes; it is good for some days around its `epoch`."""

    def __init__(self, satellite: Any) -> None:
        """`satellite`: sgp4's Satrec; use `of`."""
        self._satellite = satellite
        self.epoch = (satellite.jdsatepoch - EPOCH + satellite.jdsatepochF) * DAY
        """When the elements were true, Unix seconds."""

    @classmethod
    def of(cls, line1: str, line2: str) -> Orbit:
        """The orbit of a two-line element set. Raises `OrbitError` for lines that are none, RuntimeError where the
        package sgp4 is missing."""
        if problem := fault(line1, line2):
            raise OrbitError(problem)
        try:
            from sgp4.api import Satrec  # noqa: PLC0415 -- only who has a satellite needs the package
        except ImportError:
            raise RuntimeError("orbits need the package sgp4: pip install 'twinhub[satellite]'") from None
        orbit = cls(Satrec.twoline2rv(line1[:LINE], line2[:LINE]))
        orbit.position(orbit.epoch)
        return orbit

    def position(self, time: float) -> Vector:
        """ECEF, km. Raises `OrbitError` where SGP4 ends, such as after the decay."""
        error, inertial, _ = self._satellite.sgp4(EPOCH, time / DAY)
        if error:
            raise OrbitError(f"the elements give no position at Unix time {time:.0f} (SGP4 error {error})")
        return Vector(*inertial).turned(sidereal_angle(time))


def fault(line1: str, line2: str) -> str | None:
    """What is wrong with the form of a two-line element set; None = nothing. Needs no package."""
    for number, (line, form) in enumerate(zip((line1, line2), FORMS, strict=True), 1):
        if len(line) < LINE or not line.startswith(f"{number} "):
            return f"line {number} of the elements must begin with '{number} ' and have {LINE} characters"
        if not form.match(line):
            return f"line {number} of the elements has not its numbers where a two-line element set has them"
        if line[LINE - 1] != str(_checksum(line)):
            return f"line {number} of the elements ends in {line[LINE - 1]!r}, but its checksum is {_checksum(line)}"
    if line1[2:7] != line2[2:7]:
        return f"the lines of the elements are of two satellites: {line1[2:7]} and {line2[2:7]}"
    return None


def _checksum(line: str) -> int:
    """Modulo 10: the digits, and 1 for each minus."""
    return sum(int(c) if c.isdigit() else c == "-" for c in line[: LINE - 1]) % 10


def sidereal_angle(time: float) -> float:
    """Radians by which the earth has turned under the equinox: Greenwich mean sidereal time of 1982 (Aoki et al.,
    Astronomy and Astrophysics 105, 359), by which SGP4's frame, TEME, is tied to the earth (Vallado et al.,
    Revisiting Spacetrack Report #3, AIAA 2006-6753, appendix C)."""
    t = (time - J2000) / DAY / 36525
    seconds = 67310.54841 + (876600 * 3600 + 8640184.812866) * t + 0.093104 * t**2 - 6.2e-6 * t**3
    return fmod(seconds, DAY) / DAY * tau % tau


def sun_direction(time: float) -> Vector:
    """From the earth to the sun, a unit vector in ECEF; good to 0.01° between 1950 and 2050 (The Astronomical
    Almanac, low precision formulas for the sun)."""
    days = (time - J2000) / DAY
    longitude, anomaly = radians(280.460 + 0.9856474 * days), radians(357.528 + 0.9856003 * days)
    ecliptic = longitude + radians(1.915) * sin(anomaly) + radians(0.020) * sin(2 * anomaly)
    tilt = radians(23.439 - 4e-7 * days)
    inertial = Vector(cos(ecliptic), cos(tilt) * sin(ecliptic), sin(tilt) * sin(ecliptic))
    return inertial.turned(sidereal_angle(time))


def in_eclipse(position: Vector, sun: Vector) -> bool:
    """Whether the earth hides the sun: its shadow taken for a cylinder behind it. `sun`: a unit vector in the frame
    of `position` (km)."""
    along = position.dot(sun)
    return along < 0 and position.dot(position) - along**2 < EARTH_RADIUS**2
