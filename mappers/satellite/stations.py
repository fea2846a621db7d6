"""Ground stations, and how a satellite stands in their sky."""

from __future__ import annotations

from functools import lru_cache
from math import asin, atan2, cos, degrees, hypot, radians, sin, sqrt
from typing import NamedTuple

from mappers.satellite.orbit import EARTH_RADIUS, Vector

__all__ = ["Look", "Station", "look"]

FLATTENING = 1 / 298.257223563
"""Of the earth (WGS 84)."""


class Station(NamedTuple):
    """A place on the ground: degrees north and east, metres above the ellipsoid (WGS 84)."""

    name: str
    latitude: float
    longitude: float
    altitude: float = 0.0


class Look(NamedTuple):
    """Degrees above the horizon and clockwise from north, and kilometres (slant range)."""

    elevation: float
    azimuth: float
    range_km: float


class _Frame(NamedTuple):
    """Where a station is, and its directions, in ECEF."""

    place: Vector
    east: Vector
    north: Vector
    up: Vector


def look(station: Station, position: Vector) -> Look:
    """Where in the station's sky something is whose ECEF position this is (km). Without refraction."""
    frame = _frame(station)
    away = position.minus(frame.place)
    east, north, up = away.dot(frame.east), away.dot(frame.north), away.dot(frame.up)
    distance = hypot(east, north, up)
    return Look(degrees(asin(up / distance)), degrees(atan2(east, north)) % 360, distance)


@lru_cache(maxsize=1024)
def _frame(station: Station) -> _Frame:
    latitude, longitude = radians(station.latitude), radians(station.longitude)
    up = Vector(cos(latitude) * cos(longitude), cos(latitude) * sin(longitude), sin(latitude))
    east = Vector(-sin(longitude), cos(longitude), 0.0)
    north = Vector(-up.z * cos(longitude), -up.z * sin(longitude), cos(latitude))
    flat = FLATTENING * (2 - FLATTENING)
    normal, height = EARTH_RADIUS / sqrt(1 - flat * up.z**2), station.altitude / 1000
    out = normal + height
    return _Frame(Vector(out * up.x, out * up.y, (normal * (1 - flat) + height) * up.z), east, north, up)
