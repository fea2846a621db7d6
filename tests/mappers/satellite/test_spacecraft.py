"""The simulated satellite obeys physics, and breaks as it is told."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from mappers.satellite.dictionary import PARAMETERS
from mappers.satellite.elements import CBERS_2
from mappers.satellite.orbit import Orbit
from mappers.satellite.simulator.faults import KNOWN, Fault, Faults
from mappers.satellite.simulator.power import CAPACITY, FULL_SUN
from mappers.satellite.simulator.spacecraft import STEP, Spacecraft

ORBIT = Orbit.of(*CBERS_2)
REVOLUTION = 6020
"""Seconds: 14.35 revolutions a day."""


def fly(seconds: int, *faults: str, seed: int = 1, each: Callable[[Spacecraft], None] | None = None) -> Spacecraft:
    spacecraft = Spacecraft(ORBIT, ORBIT.epoch, seed)
    for fault in faults:
        spacecraft.plan(Fault.parse(fault))
    for _ in range(int(seconds / STEP)):
        spacecraft.step()
        if each is not None:
            each(spacecraft)
    return spacecraft


def test_it_shows_exactly_what_the_dictionary_names() -> None:
    assert set(fly(1).parameters()) == set(PARAMETERS)


def test_the_same_seed_is_the_same_flight() -> None:
    one, same, other = fly(600, seed=1), fly(600, seed=1), fly(600, seed=2)
    assert one.parameters() == same.parameters()
    assert one.attitude.error != other.attitude.error


def test_a_third_of_the_orbit_lies_in_shadow() -> None:
    """The most that the shadow of the earth takes of a circular orbit of 775 km is asin(6378/7153) / 180° = 35 %;
    with the sun about 25° beside the orbit it is a little less."""
    dark = 0

    def count(spacecraft: Spacecraft) -> None:
        nonlocal dark
        dark += not spacecraft.parameters()["orbit.sunlit"]

    fly(REVOLUTION, each=count)
    assert 0.30 < dark / REVOLUTION < 0.352


def test_energy_is_neither_made_nor_lost() -> None:
    balance = 0.0
    charges: list[float] = []

    def look(spacecraft: Spacecraft) -> None:
        nonlocal balance
        shown = spacecraft.parameters()
        assert 0 <= shown["array.power"] <= FULL_SUN
        assert shown["orbit.sunlit"] or shown["array.power"] == 0
        assert 200 < shown["load.power"] < 800
        assert 0 <= shown["battery.soc"] <= 100
        balance += (shown["array.power"] - shown["load.power"]) * STEP / 3600
        charges.append(spacecraft.battery.soc)

    fly(2 * REVOLUTION, each=look)
    assert max(charges) > 0.95
    assert min(charges) > 0.6
    assert (charges[-1] - 0.9) * CAPACITY < balance, "it holds more than came in: charging and shunting only lose"


def test_a_dark_pass_takes_what_the_load_takes() -> None:
    started = fly(1)
    before, used = started.battery.soc, 0.0
    for _ in range(600):
        started.step()
        if not started.parameters()["orbit.sunlit"]:
            used += started.load / 3600
        else:
            break
    assert used > 10
    assert (before - started.battery.soc) * CAPACITY == pytest.approx(used, rel=0.01)


def test_temperatures_stay_where_instruments_live() -> None:
    def look(spacecraft: Spacecraft) -> None:
        shown = spacecraft.parameters()
        assert 0 < shown["battery.temperature"] < 35
        assert -85 < shown["array.temperature"] < 65

    fly(2 * REVOLUTION, each=look)


def test_the_heater_keeps_its_set_point() -> None:
    spacecraft = fly(1)
    assert spacecraft.set("heater.setPoint", 16.0)
    heated = 0
    for _ in range(REVOLUTION):
        spacecraft.step()
        heated += spacecraft.battery.heating
    assert heated > 0
    assert spacecraft.battery.temperature == pytest.approx(16.0, abs=2.5)


def test_images_are_taken_by_day_and_stored_until_they_are_erased() -> None:
    spacecraft = fly(REVOLUTION)
    images, used = spacecraft.payload.images, spacecraft.payload.used
    assert used == 25 * images
    assert 100 < images < 180, "half of the time, every 20 s"
    spacecraft.set("storage.generation", 3)
    assert (spacecraft.payload.used, spacecraft.payload.images) == (0, images)
    spacecraft.payload.used = 50
    spacecraft.set("storage.generation", 3)
    assert spacecraft.payload.used == 50, "the same generation again erases nothing"
    spacecraft.set("payload.imaging", 0)
    for _ in range(REVOLUTION):
        spacecraft.step()
    assert spacecraft.payload.images == images


def test_a_full_storage_takes_no_images() -> None:
    spacecraft = fly(1)
    spacecraft.payload.used = 65530
    for _ in range(REVOLUTION):
        spacecraft.step()
    assert (spacecraft.payload.used, spacecraft.payload.images) == (65530, 0)


def test_friction_slows_the_wheel_and_turns_the_satellite_away() -> None:
    well, ill = fly(300).parameters(), fly(300, "wheel-friction=3@100").parameters()
    assert well["wheel.speed"] == pytest.approx(1200, abs=1)
    assert ill["wheel.speed"] == pytest.approx(300, abs=1)
    assert ill["wheel.current"] > well["wheel.current"]
    assert ill["attitude.error"] > 1 > 0.2 > well["attitude.error"]


def test_lost_strings_give_less_power() -> None:
    sunlit = 2400
    assert fly(sunlit).parameters()["array.power"] > 500
    lost = fly(sunlit, "array-string-loss=0.25").parameters()["array.power"]
    assert lost == pytest.approx(0.75 * fly(sunlit).parameters()["array.power"], rel=0.01)


def test_lost_cells_end_in_safe_mode_and_mended_ones_leave_it() -> None:
    spacecraft = fly(REVOLUTION, "battery-cell-loss=0.95")
    seen = set()
    for _ in range(REVOLUTION):
        spacecraft.step()
        seen.add((spacecraft.safe_mode, spacecraft.payload.imaging))
    assert (True, False) in seen
    assert (True, True) not in seen
    spacecraft.safe_mode = True
    assert spacecraft.set("payload.imaging", 1) is False
    spacecraft.faults.clear("all")
    for _ in range(3 * REVOLUTION):
        spacecraft.step()
        if not spacecraft.safe_mode:
            break
    assert spacecraft.set("payload.imaging", 1) is True


def test_a_stuck_sensor_says_what_it_said() -> None:
    spacecraft = fly(700, "stuck:battery.soc@100", "stuck:battery.voltage=99@200")
    early = fly(100).parameters()["battery.soc"]
    assert spacecraft.parameters()["battery.soc"] == pytest.approx(early, abs=0.05)
    assert spacecraft.parameters()["battery.voltage"] == 99
    assert spacecraft.battery.soc * 100 != pytest.approx(early, abs=0.05)
    spacecraft.faults.clear("stuck:battery.soc")
    assert spacecraft.parameters()["battery.soc"] == spacecraft.battery.soc * 100


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("silent-bus", Fault("silent-bus", 1.0)),
        ("wheel-friction", Fault("wheel-friction", 1.0)),
        ("lost-packets=0.5@60", Fault("lost-packets", 0.5, 60.0)),
        ("stuck:array.power=-3.5", Fault("stuck:array.power", -3.5)),
    ],
)
def test_faults_are_said_in_a_word(text: str, fault: Fault) -> None:
    assert Fault.parse(text) == fault


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "is no fault; write NAME"),
        ("gremlin", "there is no fault gremlin; known are wheel-friction"),
        ("stuck:gremlin", "there is no fault"),
        ("lost-packets=2", "a part, from 0 to 1, not 2"),
        ("wheel-friction=-1", "not negative"),
        ("wheel-friction=much", "much in 'wheel-friction=much' is no number"),
        ("wheel-friction=nan", "no number that can be used"),
        ("wheel-friction@1.2.3", "1.2.3 in"),
    ],
)
def test_no_fault_is_a_sentence(text: str, says: str) -> None:
    with pytest.raises(ValueError, match=says):
        Fault.parse(text)


def test_only_faults_that_there_are_are_cleared() -> None:
    with pytest.raises(ValueError, match="there is no fault gremlin"):
        Faults().clear("gremlin")
    assert all(Fault.parse(name) for name in KNOWN)
