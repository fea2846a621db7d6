"""Solar array, battery and their temperatures. Pure; watts, watt-hours, degrees Celsius."""

from __future__ import annotations

from math import exp

__all__ = ["CAPACITY", "FULL_SUN", "Battery", "SolarArray"]

FULL_SUN = 1100.0
"""W that the array gives when the sun stands straight above it."""
CAPACITY = 1680.0
"""Wh of the whole battery: 60 Ah at 28 V."""
CHARGED = 0.9
"""The part of what goes into a battery that comes out again."""
EMPTY_VOLTS, FULL_VOLTS, OHMS = 24.0, 32.0, 0.03

SUN_WARMS, SHADOW_COOLS, ARRAY_INERTIA = 60.0, -80.0, 400.0
"""What the array's temperature goes to, and in how many seconds (time constant)."""
AROUND_IN_SUN, AROUND_IN_SHADOW, BATTERY_INERTIA = 9.0, -9.0, 9000.0
WARMTH = 0.25
"""K that each watt keeps the battery above what is around it."""
LOSS = 0.06
"""The part of the power through the battery that heats it."""
HYSTERESIS = 1.0
"""K above the set-point at which the heater is off again."""
HEATER = 60.0


def towards(value: float, goal: float, dt: float, inertia: float) -> float:
    """First-order: exact for any step, so that long ones do not swing."""
    return goal + (value - goal) * exp(-dt / inertia)


class SolarArray:
    """Turned to the sun about one axis: what is left is the angle between sun and plane of the orbit."""

    def __init__(self) -> None:
        self.power = 0.0
        self.temperature = 20.0

    def step(self, dt: float, cosine: float, strings_lost: float) -> None:
        """`cosine` of the angle between sun and normal, 0 in eclipse; `strings_lost`: a part, 0 to 1."""
        self.power = FULL_SUN * max(0.0, cosine) * (1.0 - strings_lost)
        goal = SHADOW_COOLS + (SUN_WARMS - SHADOW_COOLS) * max(0.0, cosine)
        self.temperature = towards(self.temperature, goal, dt, ARRAY_INERTIA)


class Battery:
    """With its heater."""

    def __init__(self) -> None:
        self.soc = 0.9
        """State of charge, 0 to 1 of what the cells that work can hold."""
        self.current = 0.0
        """A; positive: it is charged."""
        self.voltage = FULL_VOLTS
        self.temperature = 15.0
        self.set_point = 10.0
        self.heating = False

    @property
    def heater_power(self) -> float:
        """W that the heater takes now."""
        return HEATER if self.heating else 0.0

    def step(self, dt: float, surplus: float, cells_lost: float, *, sunlit: bool) -> None:
        """`surplus`: W that come in, or go out when negative. What a full battery cannot take is shunted."""
        stored = self._store(dt, surplus, CAPACITY * max(0.02, 1.0 - cells_lost))
        idle = EMPTY_VOLTS + (FULL_VOLTS - EMPTY_VOLTS) * self.soc
        self.current = stored / idle
        self.voltage = idle + OHMS * self.current
        warmth = WARMTH * (self.heater_power + LOSS * abs(stored))
        around = AROUND_IN_SUN if sunlit else AROUND_IN_SHADOW
        self.temperature = towards(self.temperature, around + warmth, dt, BATTERY_INERTIA)
        if self.temperature < self.set_point:
            self.heating = True
        elif self.temperature > self.set_point + HYSTERESIS:
            self.heating = False

    def _store(self, dt: float, surplus: float, capacity: float) -> float:
        """The power that really goes in or out."""
        efficiency = CHARGED if surplus > 0 else 1.0
        before = self.soc
        self.soc = min(1.0, max(0.0, before + surplus * efficiency * dt / 3600 / capacity))
        return (self.soc - before) * capacity * 3600 / dt / efficiency
