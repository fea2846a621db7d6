"""A sensor that sends binary messages by itself: AA 55, a kind, the length, temperature in hundredths (int16),
pressure in tenths of a hectopascal (uint16), a counter (uint32), flags (uint8), all big-endian, and a Modbus CRC."""

from __future__ import annotations

import itertools
import math
import struct
from collections.abc import Sequence

from mappers.serial.checksum import Checksum
from mappers.serial.config import Length
from mappers.serial.framing import LengthFrames
from mappers.serial.simulator.far_end import Instrument

KIND = 0x01
FORM = Length(sync="AA55", header=1)
DOOR, BATTERY_LOW = 0x01, 0x02
"""Flags."""


class Sensor(Instrument):
    """Its temperature goes up and down, its counter only up."""

    def __init__(self, rate: float = 1.0) -> None:
        super().__init__(rate)
        self.framer = LengthFrames(FORM, Checksum("crc16-modbus", order="little"), all_covered=False)
        self.temperature: float | None = None
        """Set it to decide, °C; None: it varies by itself."""
        self.flags = DOOR
        self._counter = itertools.count()

    def speak(self) -> Sequence[bytes]:
        number = next(self._counter)
        varied = 21.5 + 3 * math.sin(number / 20)
        temperature = varied if self.temperature is None else self.temperature
        values = struct.pack(">hHIB", round(temperature * 100), 10132, number & 0xFFFFFFFF, self.flags)
        return [bytes([KIND]) + values]
