"""The satellite's fields of a manifest as two typed forms: `protocol.configData` and `visitors.configData`."""

from __future__ import annotations

from typing import Annotated, Literal

from msgspec import Meta, Struct

from mappers.satellite.contact import BITS_AT_1000_KM
from mappers.satellite.dictionary import APID, PARAMETERS, PORT, STRUCTURE_BYTES
from mappers.satellite.formats import Format
from mappers.satellite.orbit import fault
from mappers.satellite.packets import LONGEST

__all__ = ["CommandForm", "ContactForm", "SatelliteConfig", "SatelliteVisitor", "StationForm"]

Byte = Annotated[int, Meta(ge=0, le=255)]
Apid = Annotated[int, Meta(ge=0, le=2046)]
Hex = Annotated[str, Meta(pattern="^([0-9a-fA-F]{2})*$", max_length=200)]


class StationForm(Struct, frozen=True, forbid_unknown_fields=True, rename="camel", kw_only=True):
    """A ground station."""

    name: str
    latitude: Annotated[float, Meta(ge=-90, le=90)]
    """Degrees north."""
    longitude: Annotated[float, Meta(ge=-180, le=360)]
    """Degrees east."""
    altitude: Annotated[float, Meta(ge=-500, le=9000)] = 0.0
    """Metres."""
    minimum_elevation: Annotated[float, Meta(ge=0, lt=90)] = 10.0
    """Degrees above the horizon from which it can speak with the satellite."""
    bits_at_1000_km: Annotated[float, Meta(gt=0)] = BITS_AT_1000_KM
    """Bits a second over 1000 km; the rate falls with the square of the distance."""


class SatelliteConfig(Struct, frozen=True, forbid_unknown_fields=True, rename="camel", kw_only=True):
    """Where the satellite's bus is heard, and where the satellite flies."""

    host: Annotated[str, Meta(min_length=1)]
    """Name or address of what passes space packets on over TCP: the simulator, a front end of a ground station."""
    port: Annotated[int, Meta(ge=1, le=65535)] = PORT
    apid: Apid = APID
    """The application on board whose packets are this device's."""
    timeout: Annotated[float, Meta(gt=0, le=3600)] = 5.0
    """Seconds that the satellite takes to report the completion of a telecommand, and then to show what was set."""
    silence: Annotated[float, Meta(ge=0)] = 30.0
    """Seconds without a packet after which the satellite is silent; 0: never."""
    elements: tuple[str, str] | None = None
    """The two lines of its orbital elements."""
    elements_file: str = ""
    """A file that holds them, in place of `elements`; read once in each connection."""
    stations: tuple[StationForm, ...] = ()
    structure_bytes: Literal[1, 2, 4] = STRUCTURE_BYTES
    """Width of the structure identification with which housekeeping data begin."""
    failure_bytes: Literal[1, 2, 4] = 2
    """Width of the code in a report of failure."""
    checksum: bool = True
    """Telemetry ends with a checksum; telecommands always do."""
    longest_packet: Annotated[int, Meta(ge=64, le=LONGEST)] = 4096
    """Bytes; whatever claims to be longer is garbage."""

    def __post_init__(self) -> None:
        if self.elements is not None and self.elements_file:
            raise ValueError("write either elements or elementsFile, not both")
        if self.elements is not None and (problem := fault(*self.elements)):
            raise ValueError(problem)
        names = [station.name for station in self.stations]
        for name in names:
            if names.count(name) > 1:
                raise ValueError(f"two stations are called {name}")

    def station(self, name: str) -> StationForm:
        """The station of that name. ValueError when there is none."""
        for station in self.stations:
            if station.name == name:
                return station
        known = ", ".join(station.name for station in self.stations) or "none"
        raise ValueError(f"there is no station {name} in protocol.configData.stations; known: {known}")


class CommandForm(Struct, frozen=True, forbid_unknown_fields=True, rename="camel", kw_only=True):
    """The telecommand that sets a value: `prefix`, then the value."""

    service: Byte
    subservice: Byte
    prefix: Hex = ""
    """What precedes the value in the application data, in hexadecimal."""
    format: Format | None = None
    """Of the value; left out: as in telemetry."""


class ContactForm(Struct, frozen=True, forbid_unknown_fields=True, rename="camel", kw_only=True):
    """What is computed from the orbit for one station, at on-board time."""

    station: str
    value: Literal["inContact", "nextRise", "nextSet", "maximumElevation", "elevation", "rate"]


class SatelliteVisitor(Struct, frozen=True, forbid_unknown_fields=True, rename="camel", kw_only=True):
    """Where a property comes from: a named parameter, a place in a packet, a contact, or the packets themselves."""

    parameter: str = ""
    """A parameter of the simulated satellite, by name."""
    service: Byte | None = None
    subservice: Byte | None = None
    structure: Annotated[int, Meta(ge=0)] | None = None
    """The structure identification with which the data begin; left out: whatever they begin with."""
    offset: Annotated[int, Meta(ge=0, le=LONGEST)] | None = None
    """Bytes from the beginning of the source data, the structure identification included."""
    format: Format | None = None
    command: CommandForm | None = None
    contact: ContactForm | None = None
    packets: Literal["received", "missed"] | None = None
    """Counts of this satellite's packets since the connection was made."""

    def __post_init__(self) -> None:
        self._one_source()
        if self.parameter and self.parameter not in PARAMETERS:
            raise ValueError(f"there is no parameter {self.parameter}; known are {', '.join(PARAMETERS)}")
        if self._has_place and None in (self.service, self.subservice, self.offset, self.format):
            raise ValueError("a place in a packet needs service, subservice, offset and format")
        if self.command is not None and not self._has_place:
            raise ValueError("command belongs to service, subservice, offset and format")

    def _one_source(self) -> None:
        sources = (bool(self.parameter), self._has_place, self.contact is not None, self.packets is not None)
        if sum(sources) != 1:
            raise ValueError(
                "write one of parameter, contact, packets, or a place: service, subservice, offset and format"
            )

    @property
    def _has_place(self) -> bool:
        return any(each is not None for each in (self.service, self.subservice, self.offset, self.format))
