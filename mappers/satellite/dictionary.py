"""The parameters of the simulated satellite by name: where they lie in its housekeeping, and how they are set. Pure.

Both ends read this table: the simulator writes its packets by it, and a manifest may say `parameter: battery.soc` in
place of service, structure, offset and format.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from enum import IntEnum
from types import MappingProxyType
from typing import Final

from mappers.satellite.formats import Format, struct_of

__all__ = ["APID", "FAILURES", "HOUSEKEEPING", "PARAMETERS", "PORT", "STRUCTURES", "Command", "Failed", "Parameter"]

PORT = 10015
APID = 100
HOUSEKEEPING = (3, 25)
"""Service and subservice of a housekeeping report."""
STRUCTURE_BYTES: Final = 2
"""Width of the structure identification with which the data of a report begin."""
SET_PARAMETER = (20, 3)
PERFORM_FUNCTION = (8, 1)


class Failed(IntEnum):
    """The codes in a report of failure (two bytes)."""

    UNKNOWN_APID = 0
    CHECKSUM = 2
    UNKNOWN_SERVICE = 3
    UNKNOWN_SUBSERVICE = 4
    WRONG_DATA = 5
    OUT_OF_RANGE = 6
    LOW_BATTERY = 20


FAILURES = MappingProxyType({
    Failed.UNKNOWN_APID: "no such application on board",
    Failed.CHECKSUM: "the checksum does not hold",
    Failed.UNKNOWN_SERVICE: "no such service",
    Failed.UNKNOWN_SUBSERVICE: "no such subservice",
    Failed.WRONG_DATA: "the data do not fit the command",
    Failed.OUT_OF_RANGE: "the value is out of range",
    Failed.LOW_BATTERY: "the battery is too low",
})  # fmt: skip


@dataclass(frozen=True, slots=True)
class Command:
    """How a parameter is set: service, subservice, and what precedes the value in the data."""

    service: int
    subservice: int
    prefix: bytes
    minimum: float
    maximum: float


@dataclass(frozen=True, slots=True)
class Parameter:
    """A named value of the satellite."""

    name: str
    structure: int
    offset: int
    """Bytes from the beginning of the source data, the structure identification included."""
    format: Format
    truth: bool
    unit: str
    description: str
    command: Command | None


def _parameter(identification: int, minimum: float, maximum: float) -> Command:
    """Set one parameter: the number of parameters, its identification, its value."""
    return Command(*SET_PARAMETER, b"\x01" + identification.to_bytes(2, "big"), minimum, maximum)


_POWER, _THERMAL, _ATTITUDE, _PAYLOAD, _ORBIT = range(1, 6)
_Row = tuple[str, Format, str, str, Command | None]
_TABLE: dict[int, tuple[_Row, ...]] = {
    _POWER: (
        ("battery.soc", "float32", "%", "state of charge", None),
        ("battery.voltage", "float32", "V", "", None),
        ("battery.current", "float32", "A", "positive: it is charged", None),
        ("array.power", "float32", "W", "what the solar array gives", None),
        ("load.power", "float32", "W", "what is used on board", None),
        ("power.safeMode", "uint8", "", "the battery ran low: the payload is off", None),
    ),
    _THERMAL: (
        ("battery.temperature", "float32", "Cel", "", None),
        ("array.temperature", "float32", "Cel", "", None),
        ("heater.setPoint", "float32", "Cel", "below it the battery is heated", _parameter(1, -20, 40)),
        ("heater.on", "uint8", "", "", None),
    ),
    _ATTITUDE: (
        ("wheel.speed", "float32", "rpm", "reaction wheel", None),
        ("wheel.target", "int16", "rpm", "the speed it is told", _parameter(2, -6000, 6000)),
        ("wheel.current", "float32", "A", "", None),
        ("attitude.error", "float32", "deg", "from where it should point", None),
    ),
    _PAYLOAD: (
        ("payload.imaging", "uint8", "", "take images of the ground by daylight", _parameter(3, 0, 1)),
        ("payload.images", "uint32", "", "taken since launch", None),
        ("storage.used", "uint32", "MB", "", None),
        ("storage.capacity", "uint32", "MB", "", None),
        (
            "storage.generation", "uint16", "", "another number erases the storage and is kept",
            Command(*PERFORM_FUNCTION, b"\x00\x01", 0, 65535),
        ),
    ),
    _ORBIT: (
        ("orbit.latitude", "float32", "deg", "below the satellite, geocentric", None),
        ("orbit.longitude", "float32", "deg", "", None),
        ("orbit.altitude", "float32", "km", "above the equatorial radius", None),
        ("orbit.sunlit", "uint8", "", "not in the shadow of the earth", None),
    ),
}  # fmt: skip
_TRUTHS = frozenset({"power.safeMode", "heater.on", "payload.imaging", "orbit.sunlit"})


def _lay_out(structure: int, rows: tuple[_Row, ...]) -> tuple[Parameter, ...]:
    """One after another, without gaps."""
    parameters, offset = [], STRUCTURE_BYTES
    for name, form, unit, description, command in rows:
        truth = name in _TRUTHS
        parameters.append(Parameter(name, structure, offset, form, truth, unit, description, command))
        offset += struct.calcsize(struct_of(form).format)
    return tuple(parameters)


STRUCTURES = MappingProxyType({structure: _lay_out(structure, rows) for structure, rows in _TABLE.items()})
"""The housekeeping reports by structure identification: the parameters in them, in order."""
PARAMETERS = MappingProxyType({each.name: each for parameters in STRUCTURES.values() for each in parameters})
