"""A GNSS receiver that drives in a circle and speaks NMEA 0183: GGA, RMC, VTG and GSV, sometimes without a fix."""

from __future__ import annotations

import math
import time
from collections.abc import Sequence
from datetime import UTC, datetime

from mappers.serial.framing import Sentences
from mappers.serial.simulator.far_end import Instrument

CENTRE = (48.137, 11.575)
"""Latitude and longitude in degrees."""
RADIUS = 500.0
"""Metres."""
SPEED = 10.0
"""Metres a second."""
METRES_A_DEGREE = 111_320.0
"""Of latitude."""
KNOTS, KILOMETRES_PER_HOUR = 1.943844, 3.6
"""Of a metre a second."""
OUTAGE_EVERY, OUTAGE = 60.0, 5.0
"""Seconds; so often, and so long, it drives through a tunnel."""


class Gnss(Instrument):
    """Where it is follows from how long it has been driving."""

    def __init__(self, rate: float = 1.0) -> None:
        super().__init__(rate)
        self.framer = Sentences(checked=True)
        self.fix: bool | None = None
        """Set it to decide; None: tunnels come and go."""
        self._started = time.monotonic()

    def speak(self) -> Sequence[bytes]:
        driven = time.monotonic() - self._started
        fix = self.fix if self.fix is not None else driven % OUTAGE_EVERY < OUTAGE_EVERY - OUTAGE
        now = datetime.now(UTC)
        clock, date = f"{now:%H%M%S}.{now.microsecond // 10000:02}", f"{now:%d%m%y}"
        place, course = _where(driven)
        where, going = (_coordinates(*place), f"{course:.1f}") if fix else (",,,", "")
        knots = f"{SPEED * KNOTS:.1f}" if fix else ""
        speed = f"{SPEED * KILOMETRES_PER_HOUR:.1f}" if fix else ""
        seen = "1,08,0.9,519.0,M,47.0,M,," if fix else "0,00,,,M,,M,,"
        sentences = (
            f"GNGGA,{clock},{where},{seen}",
            f"GNRMC,{clock},{'A' if fix else 'V'},{where},{knots},{going},{date},,,{'A' if fix else 'N'}",
            f"GNVTG,{going},T,,M,{knots},N,{speed},K,{'A' if fix else 'N'}",
            "GPGSV,1,1,03,04,40,083,46,09,17,308,41,12,07,344,39",
        )
        return [sentence.encode() for sentence in sentences]


def _where(driven: float) -> tuple[tuple[float, float], float]:
    """Latitude, longitude and course after so many seconds."""
    angle = SPEED * driven / RADIUS
    latitude = CENTRE[0] + RADIUS * math.sin(angle) / METRES_A_DEGREE
    longitude = CENTRE[1] + RADIUS * math.cos(angle) / (METRES_A_DEGREE * math.cos(math.radians(CENTRE[0])))
    return (latitude, longitude), -math.degrees(angle) % 360


def _coordinates(latitude: float, longitude: float) -> str:
    return f"{_angle(latitude, 2)},{'SN'[latitude >= 0]},{_angle(longitude, 3)},{'WE'[longitude >= 0]}"


def _angle(degrees: float, digits: int) -> str:
    """ddmm.mmmm"""
    whole, tenthousandths = divmod(round(abs(degrees) * 600_000), 600_000)
    return f"{whole:0{digits}}{tenthousandths // 10_000:02}.{tenthousandths % 10_000:04}"
