"""What may be broken on board, and the words by which it is broken. Pure."""

from __future__ import annotations

import re
from types import MappingProxyType
from typing import NamedTuple

from mappers.satellite.dictionary import PARAMETERS

__all__ = ["KNOWN", "STUCK", "Fault", "Faults"]

KNOWN = MappingProxyType({
    "wheel-friction": "the reaction wheel reaches 1/(1 + VALUE) of its target (default 1)",
    "battery-cell-loss": "this part of the battery's capacity is lost (default 0.5)",
    "array-string-loss": "this part of the solar array is lost (default 0.5)",
    "silent-bus": "nothing is sent or answered any more; connections stand",
    "lost-packets": "this part of the packets is lost on the way (default 0.1)",
})  # fmt: skip
STUCK = "stuck:"
"""`stuck:PARAMETER` holds what a sensor says, at VALUE or as it is."""
_DEFAULTS = {
    "wheel-friction": 1.0,
    "battery-cell-loss": 0.5,
    "array-string-loss": 0.5,
    "lost-packets": 0.1,
    "silent-bus": 1.0,
}
_PARTS = frozenset({"battery-cell-loss", "array-string-loss", "lost-packets"})
_FORM = re.compile(r"(?P<name>[^=@\s]+)(=(?P<value>[^@\s]+))?(@(?P<after>[\d.]+))?")


class Fault(NamedTuple):
    """One thing that breaks."""

    name: str
    value: float | None
    """None: a sensor sticks where it is."""
    after: float = 0.0
    """Seconds of on-board time from the start."""

    @classmethod
    def parse(cls, text: str) -> Fault:
        """`NAME[=VALUE][@SECONDS]`. ValueError that says what to write."""
        match = _FORM.fullmatch(text)
        if match is None:
            raise ValueError(f"{text!r} is no fault; write NAME[=VALUE][@SECONDS]")
        name = match["name"]
        _check_name(name)
        value = _number(match["value"], text) if match["value"] else _DEFAULTS.get(name)
        if value is not None and (value < 0 or value > 1) and name in _PARTS:
            raise ValueError(f"{name} is a part, from 0 to 1, not {value:g}")
        if value is not None and value < 0 and not name.startswith(STUCK):
            raise ValueError(f"{name} is not negative")
        return cls(name, value, _number(match["after"], text) if match["after"] else 0.0)


class Faults:
    """Those that are there now, by name."""

    def __init__(self) -> None:
        self._values: dict[str, float] = {}

    def inject(self, fault: Fault, now: float) -> None:
        """Break it; `now`: what a sensor that sticks without a value says."""
        self._values[fault.name] = now if fault.value is None else fault.value

    def clear(self, name: str) -> None:
        """Mend it; `all`: mend everything."""
        if name == "all":
            self._values.clear()
        else:
            _check_name(name)
            self._values.pop(name, None)

    def value(self, name: str) -> float:
        """How badly it is broken; 0: it is whole."""
        return self._values.get(name, 0.0)

    def __contains__(self, name: str) -> bool:
        return name in self._values

    def stuck(self) -> dict[str, float]:
        """What the sensors say that are stuck, by parameter."""
        return {name.removeprefix(STUCK): held for name, held in self._values.items() if name.startswith(STUCK)}


def _check_name(name: str) -> None:
    if name not in KNOWN and not (name.startswith(STUCK) and name.removeprefix(STUCK) in PARAMETERS):
        raise ValueError(f"there is no fault {name}; known are {', '.join(KNOWN)} and {STUCK}PARAMETER")


def _number(text: str, whole: str) -> float:
    try:
        value = float(text)
    except ValueError:
        raise ValueError(f"{text} in {whole!r} is no number") from None
    if abs(value) > 1e9 or value != value:
        raise ValueError(f"{text} in {whole!r} is no number that can be used")
    return value
