"""A boiler plant that behaves: pure physics, no I/O.

A gas boiler heats water, a pump carries the heat to a building, a tank holds the make-up water. Lumped
energy balances with round numbers: water stores 4.19 kJ per kg and kelvin, a pump's power grows with the cube
of its speed (affinity law), pressure in a closed circuit rises with temperature and a little with pump speed.
"""

from __future__ import annotations

import math
import random
from dataclasses import dataclass, field

WATER = 4.19  # kJ/(kg·K)
BOILER_MASS = 90.0  # kg of water in the boiler
BUILDING_MASS = 400.0  # kg of water in pipes and radiators
BURNER_POWER = 80.0  # kW
RATED_SPEED = 1450.0  # rpm
RATED_FLOW = 0.9  # kg/s at rated speed
PUMP_INERTIA = 1.5  # s, time constant of drive and rotor
HYSTERESIS = 3.0  # K around the set-point
HOT = 88.0  # °C, the alarm
LIMIT = 100.0  # °C, the safety limiter puts the burner out
LARGEST_STEP = 0.2  # s; longer steps are divided, so that any speed is stable


@dataclass
class Plant:
    """What the field devices do and what the operator asked for. Advance it with `step`."""

    seed: int = 0
    # what the operator sets
    burner_enabled: bool = True
    set_point: float = 70.0  # °C
    pump_enabled: bool = True
    pump_set_point: float = 1200.0  # rpm
    # what is
    flow_temperature: float = 62.0  # °C, leaving the boiler
    return_temperature: float = 48.0  # °C, coming back from the building
    pump_speed: float = 1200.0  # rpm
    level: float = 71.0  # % of the make-up tank
    flame: bool = False
    filling: bool = False
    limiter: bool = False
    seconds: float = 0.0
    _random: random.Random = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        self._random = random.Random(self.seed)

    def step(self, dt: float) -> None:
        """Let `dt` seconds pass."""
        steps = max(1, math.ceil(dt / LARGEST_STEP))
        for _ in range(steps):
            self._step(dt / steps)

    def _step(self, dt: float) -> None:
        self.seconds += dt
        self._fire()
        self._spin(dt)
        self._heat(dt)
        self._fill(dt)

    def _fire(self) -> None:
        """The boiler's own two-point controller and its safety limiter."""
        self.limiter = self.flow_temperature > LIMIT or (self.limiter and self.flow_temperature > HOT)
        threshold = self.set_point + (HYSTERESIS if self.flame else -HYSTERESIS)
        self.flame = self.burner_enabled and not self.limiter and self.flow_temperature < threshold

    def _spin(self, dt: float) -> None:
        target = self.pump_set_point if self.pump_enabled else 0.0
        slip = self._random.gauss(0.0, 3.0) * math.sqrt(dt) if target else 0.0
        self.pump_speed += (target - self.pump_speed) * min(1.0, dt / PUMP_INERTIA) + slip
        self.pump_speed = max(0.0, self.pump_speed)

    def _heat(self, dt: float) -> None:
        carried = (
            RATED_FLOW * self.pump_speed / RATED_SPEED * WATER * (self.flow_temperature - self.return_temperature)
        )
        gained = (BURNER_POWER if self.flame else 0.0) - 0.02 * (self.flow_temperature - 18.0)
        self.flow_temperature += (gained - carried) * dt / (BOILER_MASS * WATER)
        self.return_temperature += (carried - self.load) * dt / (BUILDING_MASS * WATER)

    def _fill(self, dt: float) -> None:
        """Water is lost slowly; a float switch refills the tank between 40 % and 80 %."""
        self.filling = self.level < 40.0 or (self.filling and self.level < 80.0)
        self.level += (0.5 if self.filling else 0.0) * dt - 0.03 * dt

    @property
    def load(self) -> float:
        """kW the building draws: more when it is warmer inside the radiators, and it comes and goes."""
        return max(0.0, self.return_temperature - 20.0) * (1.0 + 0.25 * math.sin(self.seconds / 60.0))

    @property
    def pressure(self) -> float:
        """bar, gauge."""
        mean = (self.flow_temperature + self.return_temperature) / 2
        return 1.0 + 0.014 * (mean - 20.0) + 0.15 * (self.pump_speed / RATED_SPEED) ** 2

    @property
    def pump_power(self) -> float:
        """W drawn from the mains: the drive's own losses, and the cube of the speed."""
        return (15.0 if self.pump_enabled else 4.0) + 370.0 * (self.pump_speed / RATED_SPEED) ** 3

    @property
    def hot(self) -> bool:
        """The high temperature alarm."""
        return self.flow_temperature > HOT
