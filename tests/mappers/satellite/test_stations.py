"""A station's sky."""

from math import cos, radians, sin, sqrt

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mappers.satellite.orbit import EARTH_RADIUS, Vector
from mappers.satellite.stations import Station, look

places = st.builds(
    Station,
    st.just("somewhere"),
    st.floats(-89.0, 89.0),
    st.floats(-180.0, 180.0),
    st.floats(-400.0, 8000.0),
)


def test_on_the_equator_up_is_outwards() -> None:
    station = Station("Null", 0.0, 0.0)
    above = look(station, Vector(EARTH_RADIUS + 700, 0.0, 0.0))
    assert (above.elevation, above.range_km) == (pytest.approx(90), pytest.approx(700))
    assert look(station, Vector(EARTH_RADIUS, 500.0, 0.0))[:2] == pytest.approx((0, 90))
    assert look(station, Vector(EARTH_RADIUS, 0.0, -500.0))[:2] == pytest.approx((0, 180))
    assert look(station, Vector(EARTH_RADIUS - 1, 0.0, 0.0)).elevation == pytest.approx(-90)


def test_the_pole_is_flat() -> None:
    """WGS 84: the pole is 6,356.752 km from the centre."""
    assert look(Station("Pole", 90.0, 0.0, 1000.0), Vector(0.0, 0.0, 6400.0)).range_km == pytest.approx(
        42.248, abs=0.001
    )


@given(places, st.floats(1.0, 40_000.0))
def test_what_is_over_another_place_nearby_is_in_its_direction(station: Station, height: float) -> None:
    """Something over a place a little farther north, east, south or west is seen there, and from no nearer than its
    height; and what is above itself is in the zenith."""
    for direction, north, east in ((0, 1, 0), (90, 0, 1), (180, -1, 0), (270, 0, -1)):
        there = Station("there", station.latitude + north * 0.5, station.longitude + east * 0.5, station.altitude)
        seen = look(station, _over(there, height))
        assert abs((seen.azimuth - direction + 180) % 360 - 180) < 15
        assert seen.range_km >= height - 1e-6
    zenith = look(station, _over(station, height))
    assert zenith.elevation == pytest.approx(90, abs=1e-3)
    assert zenith.range_km == pytest.approx(height)


def _over(station: Station, height: float) -> Vector:
    """The point that is in the station's zenith, by the textbook's formula of the ellipsoid."""
    a, f = 6378.137, 1 / 298.257223563
    b = a * (1 - f)
    latitude, longitude = radians(station.latitude), radians(station.longitude)
    root = sqrt((a * cos(latitude)) ** 2 + (b * sin(latitude)) ** 2)
    up = station.altitude / 1000 + height
    across = (a * a / root + up) * cos(latitude)
    return Vector(across * cos(longitude), across * sin(longitude), (b * b / root + up) * sin(latitude))
