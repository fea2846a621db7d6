"""Where a point lies in telemetry and how it is set, whether its manifest names it or spells it out. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import NamedTuple

from device_models.model import DataType
from mappers.mapper import Failure, Point, Raw, Sample, Value
from mappers.satellite.config import SatelliteConfig, SatelliteVisitor
from mappers.satellite.dictionary import FAILURES, HOUSEKEEPING, PARAMETERS, Parameter
from mappers.satellite.formats import Format, encode, struct_of
from mappers.satellite.packets import Telemetry

__all__ = ["Layout", "Order", "Place", "SatellitePoint", "order_of", "place_of"]

SatellitePoint = Point[SatelliteConfig, SatelliteVisitor]


class Place(NamedTuple):
    """Where a number is found."""

    service: int
    subservice: int
    begins: bytes
    """What the source data begin with; empty: anything."""
    offset: int
    format: Format


class Order(NamedTuple):
    """The telecommand that sets a number."""

    service: int
    subservice: int
    prefix: bytes
    format: Format
    named: bool
    """It is of the simulated satellite, whose codes of failure are known."""

    def data(self, value: Value) -> bytes:
        """The application data. ValueError when the value does not fit."""
        if isinstance(value, (str, bytes)):
            raise ValueError("a telecommand takes a number or a truth")  # noqa: TRY004 - ValueError is the contract
        return self.prefix + encode(self.format, value)

    def failure(self, code: int) -> str:
        """A code of failure for people."""
        return f"code {code}, {FAILURES[code]}" if self.named and code in FAILURES else f"code {code}"  # type: ignore[index]


def place_of(config: SatelliteConfig, visitor: SatelliteVisitor) -> Place | None:
    """None for what is not read from a packet. ValueError when the structure does not fit into its bytes."""
    if visitor.parameter:
        return _named(PARAMETERS[visitor.parameter], config)
    if visitor.service is None or visitor.subservice is None or visitor.offset is None or visitor.format is None:
        return None
    begins = b"" if visitor.structure is None else _structure(visitor.structure, config)
    return Place(visitor.service, visitor.subservice, begins, visitor.offset, visitor.format)


def _named(parameter: Parameter, config: SatelliteConfig) -> Place:
    return Place(*HOUSEKEEPING, _structure(parameter.structure, config), parameter.offset, parameter.format)


def _structure(structure: int, config: SatelliteConfig) -> bytes:
    try:
        return structure.to_bytes(config.structure_bytes, "big")
    except OverflowError:
        raise ValueError(f"structure {structure} does not fit into {config.structure_bytes} bytes") from None


def order_of(visitor: SatelliteVisitor) -> Order | None:
    """None for what cannot be set."""
    if visitor.parameter:
        parameter = PARAMETERS[visitor.parameter]
        known = parameter.command
        if known is None:
            return None
        return Order(known.service, known.subservice, known.prefix, parameter.format, named=True)
    command = visitor.command
    form = visitor.format if command is None else command.format or visitor.format
    if command is None or form is None:
        return None
    return Order(command.service, command.subservice, bytes.fromhex(command.prefix), form, named=False)


class _Field:
    """One point and how its number is taken out of source data."""

    __slots__ = ("_begins", "_end", "_format", "_offset", "_truth", "_unpack", "point")

    def __init__(self, point: SatellitePoint, place: Place) -> None:
        number = struct_of(place.format)
        self.point = point
        self._begins = place.begins
        self._offset, self._end, self._format = place.offset, place.offset + number.size, place.format
        self._unpack = number.unpack_from
        self._truth = point.property.type is DataType.BOOLEAN

    def read(self, data: bytes, time: int | None) -> Raw | None:
        """None when the data are of another structure."""
        if not data.startswith(self._begins):
            return None
        if len(data) < self._end:
            return Failure(f"a packet with {len(data)} bytes of data has no {self._format} at {self._offset}")
        (value,) = self._unpack(data, self._offset)
        return Sample(bool(value) if self._truth else value, time)


class Layout:
    """Which points of one satellite a packet tells."""

    def __init__(self, points: Iterable[SatellitePoint]) -> None:
        self._fields: dict[tuple[int, int], list[_Field]] = {}
        for point in points:
            place = place_of(point.config, point.visitor)
            if place is not None:
                self._fields.setdefault((place.service, place.subservice), []).append(_Field(point, place))

    def read(self, telemetry: Telemetry) -> Iterator[tuple[SatellitePoint, Raw]]:
        """The points that are in this packet."""
        for field in self._fields.get((telemetry.service, telemetry.subservice), ()):
            raw = field.read(telemetry.data, telemetry.time)
            if raw is not None:
                yield field.point, raw
