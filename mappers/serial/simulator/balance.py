"""A balance that is asked in lines of ASCII, each closed by the exclusive or of its characters as two hexadecimal
digits. Its words are those of the MT-SICS command set: SI, T, Z, TA; it answers `ES` to what it does not know."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import ClassVar

from mappers.serial.checksum import Checksum
from mappers.serial.framing import Lines
from mappers.serial.simulator.far_end import Instrument

CAPACITY = 2000.0
"""Grams."""
_PRESET = re.compile(r"TA (-?\d{1,6}(?:\.\d{1,4})?) g")


class Balance(Instrument):
    """Put something on it by setting `load`."""

    speaks: ClassVar[bool] = False

    def __init__(self, rate: float = 1.0) -> None:
        super().__init__(rate)
        self.framer = Lines(b"\r\n", Checksum("xor", hexadecimal=True))
        self.load = 100.0
        """Grams on the pan."""
        self.stable = True
        self.tare = 0.0
        self.zero = 0.0

    def answer(self, message: bytes) -> Sequence[bytes]:
        return [self._answer(message.decode("latin-1")).encode()]

    def speak(self) -> Sequence[bytes]:
        return ()

    def _answer(self, words: str) -> str:
        preset = _PRESET.fullmatch(words)
        if preset:
            return self._preset(float(preset[1]))
        match words:
            case "SI":
                return self._weight()
            case "TA":
                return f"TA A {self.tare:.2f} g"
            case "T":
                self.tare = self.load - self.zero
                return f"T S {self.tare:.2f} g"
            case "Z":
                self.zero, self.tare = self.load, 0.0
                return "Z A"
        return "ES"

    def _weight(self) -> str:
        net = self.load - self.zero - self.tare
        return "S +" if self.load > CAPACITY else f"S {'S' if self.stable else 'D'} {net:10.2f} g"

    def _preset(self, tare: float) -> str:
        if not 0 <= tare <= CAPACITY:
            return "TA L"
        self.tare = tare
        return self._answer("TA")
