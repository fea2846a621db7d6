"""The reaction wheel, and how well the satellite points. Pure."""

from __future__ import annotations

from math import exp, hypot
from random import Random

from mappers.satellite.simulator.power import towards

__all__ = ["Attitude"]

INERTIA = 20.0
"""Seconds (time constant) in which the wheel follows its target."""
IDLE_CURRENT, CURRENT_PER_RPM = 0.2, 2e-4
"""A."""
DEGREES_PER_RPM = 0.002
"""By which a wheel that lags behind lets the satellite turn away."""
JITTER, JITTER_INERTIA = 0.02, 30.0
"""Degrees, and the seconds over which they wander."""


class Attitude:
    """One wheel, one angle."""

    def __init__(self) -> None:
        self.target = 1200
        """rpm."""
        self.speed = 1200.0
        self.current = IDLE_CURRENT
        self.error = 0.0
        """Degrees from where it should point."""
        self._wander = 0.0

    def step(self, dt: float, friction: float, random: Random) -> None:
        """`friction`: 0 is a new wheel; with 1 it reaches half of its target."""
        self.speed = towards(self.speed, self.target / (1.0 + friction), dt, INERTIA)
        self.current = IDLE_CURRENT + CURRENT_PER_RPM * abs(self.speed) * (1.0 + friction)
        kept = exp(-dt / JITTER_INERTIA)
        self._wander = self._wander * kept + random.gauss(0.0, JITTER) * (1.0 - kept**2) ** 0.5
        self.error = min(180.0, hypot(self._wander, DEGREES_PER_RPM * (self.target - self.speed)))
