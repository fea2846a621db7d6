"""The orbit against published examples of the frames, and the sun against the almanac."""

import calendar
import sys
from math import asin, atan2, degrees, hypot
from pathlib import Path

import pytest
import sgp4

from mappers.satellite.orbit import Orbit, OrbitError, Vector, fault, in_eclipse, sidereal_angle, sun_direction

VERIFICATION = Path(sgp4.__file__).parent
CBERS_2 = (
    "1 28057U 03049A   06177.78615833  .00000060  00000-0  35940-4 0  1836",
    "2 28057  98.4283 247.6961 0000884  88.1964 271.9322 14.35478080140550",
)
MINUTE = 60.0


def unix(*date: int) -> float:
    return float(calendar.timegm((*date, 0, 0, 0)[:6]))


def test_the_positions_are_those_of_the_verification_set() -> None:
    """`tcppver.out`: minutes since the epoch, then x, y, z in the frame of SGP4."""
    orbit = Orbit.of(*CBERS_2)
    lines = (VERIFICATION / "tcppver.out").read_text().splitlines()
    start = lines.index("28057 xx") + 1
    for line in lines[start : start + 25]:
        minutes, *expected = map(float, line.split()[:4])
        time = orbit.epoch + minutes * MINUTE
        assert orbit.position(time).turned(-sidereal_angle(time)) == pytest.approx(expected, abs=1e-3)


def test_sidereal_time_is_that_of_the_textbook() -> None:
    """Vallado, Fundamentals of Astrodynamics and Applications, example 3-5: 1992-08-20 12:14 UT1."""
    assert degrees(sidereal_angle(unix(1992, 8, 20, 12, 14))) == pytest.approx(152.578788, abs=1e-5)


def test_the_frame_turns_with_the_earth() -> None:
    """The same book's example of 2004-04-06 07:51:28.386 UTC, where UT1 is 0.44 s behind: TEME to PEF."""
    time = unix(2004, 4, 6, 7, 51, 28) + 0.386009 - 0.4399619
    fixed = Vector(5094.1801621, 6127.6446595, 6380.3445327).turned(sidereal_angle(time))
    assert fixed == pytest.approx((-1033.4750313, 7901.3055856, 6380.3445327), abs=0.01)


@pytest.mark.parametrize(
    ("date", "declination"),
    [((2024, 3, 20, 3, 6), 0.0), ((2024, 6, 20, 20, 51), 23.44), ((2024, 12, 21, 9, 21), -23.44)],
)
def test_the_sun_stands_where_equinox_and_solstice_say(date: tuple[int, ...], declination: float) -> None:
    sun = sun_direction(unix(*date))
    assert hypot(*sun) == pytest.approx(1)
    assert degrees(asin(sun.z)) == pytest.approx(declination, abs=0.02)


@pytest.mark.parametrize(("date", "minutes_fast"), [((2024, 11, 3, 12), 16.4), ((2024, 2, 11, 12), -14.2)])
def test_the_sun_is_as_fast_as_the_equation_of_time(date: tuple[int, ...], minutes_fast: float) -> None:
    sun = sun_direction(unix(*date))
    assert degrees(atan2(sun.y, sun.x)) == pytest.approx(-minutes_fast / 4, abs=0.1)


def test_a_shadow_is_behind_the_earth_only() -> None:
    sun = Vector(1.0, 0.0, 0.0)
    assert in_eclipse(Vector(-7000.0, 0.0, 0.0), sun)
    assert in_eclipse(Vector(-7000.0, 6300.0, 0.0), sun)
    assert not in_eclipse(Vector(-7000.0, 6400.0, 0.0), sun)
    assert not in_eclipse(Vector(7000.0, 0.0, 0.0), sun)


def test_a_morning_orbit_is_a_third_in_the_shadow() -> None:
    """775 km high, 10:30 at its node: the earth covers 126° of the orbit at most, 35 %."""
    orbit = Orbit.of(*CBERS_2)
    times = [orbit.epoch + 30 * step for step in range(4 * 201)]
    dark = sum(in_eclipse(orbit.position(time), sun_direction(time)) for time in times) / len(times)
    assert 0.30 < dark < 0.36


@pytest.mark.parametrize(
    ("lines", "said"),
    [
        ((CBERS_2[0][:-1], CBERS_2[1]), "line 1 .* 69 characters"),
        ((CBERS_2[1], CBERS_2[0]), "line 1 .* begin with '1 '"),
        ((CBERS_2[0], CBERS_2[1].replace("98.4283", "98.4284")), "line 2 .* checksum is 1"),
        ((CBERS_2[0], "2 28058" + CBERS_2[1][7:-1] + "1"), "two satellites: 28057 and 28058"),
        ((CBERS_2[0].replace("06177.78615833", "0617é.78615833"), CBERS_2[1]), "line 1"),
        ((CBERS_2[0].replace("06177.78615833", "06177.7861583x"), CBERS_2[1]), "line 1 .* numbers"),
    ],
)
def test_what_is_wrong_with_elements_is_said(lines: tuple[str, str], said: str) -> None:
    with pytest.raises(OrbitError, match=said):
        Orbit.of(*lines)


def test_a_remark_behind_the_elements_is_passed_over() -> None:
    assert fault(CBERS_2[0], CBERS_2[1] + "   0.0  2880.0") is None
    assert Orbit.of(CBERS_2[0], CBERS_2[1] + "   0.0  2880.0").epoch == Orbit.of(*CBERS_2).epoch


def test_an_orbit_that_ended_says_so() -> None:
    """28350 of the verification set is about to decay."""
    lines = [line for line in (VERIFICATION / "SGP4-VER.TLE").read_text().splitlines() if line[2:7] == "28350"]
    orbit = Orbit.of(*lines[:2])
    with pytest.raises(OrbitError, match="SGP4 error"):
        orbit.position(orbit.epoch + 400 * 86400)


def test_the_missing_package_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "sgp4.api", None)
    with pytest.raises(RuntimeError, match=r"pip install 'twinhub\[satellite\]'"):
        Orbit.of(*CBERS_2)
