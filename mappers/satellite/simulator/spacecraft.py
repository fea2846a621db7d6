"""The satellite as a whole: `step` it, command it, and read its parameters. Pure, and the same for the same seed,
whatever the speed at which it is run: it moves in steps of one second of on-board time."""

from __future__ import annotations

from math import asin, atan2, cos, degrees, hypot, radians, tau
from random import Random
from typing import NamedTuple

from mappers.satellite.orbit import EARTH_RADIUS, Orbit, Vector, in_eclipse, sun_direction
from mappers.satellite.simulator.attitude import Attitude
from mappers.satellite.simulator.faults import STUCK, Fault, Faults
from mappers.satellite.simulator.payload import CAPACITY, Payload
from mappers.satellite.simulator.power import Battery, SolarArray

__all__ = ["STEP", "Spacecraft"]

STEP = 1.0
"""Seconds."""
BUS_POWER = 330.0
"""W that are always used."""
LOW, ENOUGH = 0.25, 0.4
"""States of charge below which the payload is switched off, and above which it may be switched on again."""
EARTH_TURNS = tau / 86164.0905
"""Radians a second."""


class _Place(NamedTuple):
    """Where the satellite is, and how the sun stands to it."""

    position: Vector
    sunlit: bool
    daylight: bool
    """On the ground below."""
    cosine: float
    """Between the sun and the array, which turns about the normal of the orbit."""


class Spacecraft:
    """All of its state is in here; nothing in it knows packets."""

    def __init__(self, orbit: Orbit, epoch: float, seed: int = 0) -> None:
        """`epoch`: on-board time at the start, Unix seconds."""
        self.start = self.time = epoch
        self.faults = Faults()
        self.array, self.battery = SolarArray(), Battery()
        self.attitude, self.payload = Attitude(), Payload()
        self.safe_mode = False
        self.load = BUS_POWER
        self._orbit = orbit
        self._random = Random(seed)  # noqa: S311 - it makes noise, not secrets
        self._planned: list[Fault] = []
        self._place = self._look()
        self._noise = 0.0

    def plan(self, fault: Fault) -> None:
        """Break something, now or later."""
        self._planned.append(fault)
        self._break_down()

    def step(self) -> None:
        """On by STEP."""
        self.time += STEP
        self._break_down()
        self._place = place = self._look()
        value = self.faults.value
        self.attitude.step(STEP, value("wheel-friction"), self._random)
        self.payload.step(STEP, daylight=place.daylight)
        cosine = place.cosine * cos(radians(self.attitude.error)) if place.sunlit else 0.0
        self.array.step(STEP, cosine, value("array-string-loss"))
        wheel = self.attitude.current * self.battery.voltage
        self.load = BUS_POWER + self.payload.power + self.battery.heater_power + wheel
        self.battery.step(STEP, self.array.power - self.load, value("battery-cell-loss"), sunlit=place.sunlit)
        self._noise = self._random.gauss(0.0, 1.0)
        self._protect()

    def parameters(self) -> dict[str, float]:
        """What its sensors say now, by the names of the dictionary."""
        battery, attitude, payload = self.battery, self.attitude, self.payload
        latitude, longitude, altitude = _below(self._place.position)
        found = {
            "battery.soc": battery.soc * 100,
            "battery.voltage": battery.voltage + 0.01 * self._noise,
            "battery.current": battery.current,
            "array.power": self.array.power,
            "load.power": self.load,
            "power.safeMode": float(self.safe_mode),
            "battery.temperature": battery.temperature + 0.05 * self._noise,
            "array.temperature": self.array.temperature,
            "heater.setPoint": battery.set_point,
            "heater.on": float(battery.heating),
            "wheel.speed": attitude.speed,
            "wheel.target": float(attitude.target),
            "wheel.current": attitude.current,
            "attitude.error": attitude.error,
            "payload.imaging": float(payload.imaging),
            "payload.images": float(payload.images),
            "storage.used": float(payload.used),
            "storage.capacity": float(CAPACITY),
            "storage.generation": float(payload.generation),
            "orbit.latitude": latitude,
            "orbit.longitude": longitude,
            "orbit.altitude": altitude,
            "orbit.sunlit": float(self._place.sunlit),
        }
        return found | self.faults.stuck()

    def set(self, name: str, value: float) -> bool:
        """Carry out a command whose value is in range; False when the battery is too low for it."""
        if name == "heater.setPoint":
            self.battery.set_point = value
        elif name == "wheel.target":
            self.attitude.target = round(value)
        elif name == "payload.imaging":
            if value and (self.safe_mode or self.battery.soc < LOW):
                return False
            self.payload.imaging = bool(value)
        elif name == "storage.generation":
            self.payload.begin(round(value))
        else:
            raise ValueError(f"{name} cannot be set")
        return True

    def _protect(self) -> None:
        if self.battery.soc < LOW:
            self.safe_mode, self.payload.imaging = True, False
        elif self.battery.soc > ENOUGH:
            self.safe_mode = False

    def _break_down(self) -> None:
        for fault in [each for each in self._planned if self.time - self.start >= each.after]:
            self._planned.remove(fault)
            shown = self.parameters()[fault.name.removeprefix(STUCK)] if fault.value is None else 0.0
            self.faults.inject(fault, shown)

    def _look(self) -> _Place:
        position = self._orbit.position(self.time)
        sun = sun_direction(self.time)
        normal = _normal(position, self._orbit.position(self.time + STEP))
        cosine = max(0.0, 1.0 - sun.dot(normal) ** 2) ** 0.5
        return _Place(position, not in_eclipse(position, sun), position.dot(sun) > 0, cosine)


def _normal(here: Vector, next_: Vector) -> Vector:
    """The unit normal of the orbit from two positions STEP apart, seen from axes that do not turn meanwhile."""
    there = next_.turned(-EARTH_TURNS * STEP)
    x = here.y * there.z - here.z * there.y
    y = here.z * there.x - here.x * there.z
    z = here.x * there.y - here.y * there.x
    length = hypot(x, y, z)
    return Vector(x / length, y / length, z / length)


def _below(position: Vector) -> tuple[float, float, float]:
    """Geocentric latitude and longitude in degrees, and kilometres above the equatorial radius."""
    distance = hypot(*position)
    return degrees(asin(position.z / distance)), degrees(atan2(position.y, position.x)), distance - EARTH_RADIUS
