"""What is computed of a satellite's contacts with the ground, as values of its twin."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path

from device_models.model import DataType
from mappers.mapper import Failure, Raw, Sample, Value
from mappers.satellite.config import ContactForm, SatelliteConfig
from mappers.satellite.contact import Contact, Contacts
from mappers.satellite.elements import of_file
from mappers.satellite.orbit import Orbit, OrbitError
from mappers.satellite.places import SatellitePoint
from mappers.satellite.stations import Station

__all__ = ["Passes"]

NAMES = {
    "inContact": "in_contact",
    "nextRise": "next_rise",
    "nextSet": "next_set",
    "maximumElevation": "maximum_elevation",
    "elevation": "elevation",
    "rate": "rate",
}
TIMES = frozenset({"nextRise", "nextSet"})


class Passes:
    """The contact points of one satellite. They are computed when a packet tells the time on board, at most once in
    the shortest `collectCycle` of them: between two packets nobody on the ground knows what time it is up there."""

    def __init__(self, points: Sequence[SatellitePoint]) -> None:
        self._points = [(point, point.visitor.contact) for point in points if point.visitor.contact is not None]
        self._period = min((point.property.collect_cycle for point, _ in self._points), default=0.0)
        self._due = 0.0
        self._config = points[0].config
        self._contacts: dict[str, Contacts] | None = None
        """By station; None until there are elements."""

    def read(self, time: int | None, now: float) -> Iterator[tuple[SatellitePoint, Raw]]:
        """The values at an on-board time (Unix milliseconds), when they are due; `now` is monotonic, seconds."""
        if not self._points or now < self._due:
            return
        self._due = now + self._period
        if time is None:
            yield from self._fail("the packets do not tell the time in UTC or TAI")
            return
        try:
            seen = self._seen(time)
        except (OrbitError, _NoContact) as error:
            yield from self._fail(str(error))
            return
        for point, form in self._points:
            yield point, _raw(point, form, seen[form.station], time)

    def _seen(self, time: int) -> dict[str, Contact]:
        if self._contacts is None:
            self._contacts = _contacts(self._config, {form.station for _, form in self._points})
        return {name: contacts.at(time / 1000) for name, contacts in self._contacts.items()}

    def _fail(self, reason: str) -> Iterator[tuple[SatellitePoint, Raw]]:
        return ((point, Failure(reason)) for point, _ in self._points)


class _NoContact(Exception):
    """Nothing can be computed; says why."""


def _contacts(config: SatelliteConfig, names: Iterable[str]) -> dict[str, Contacts]:
    orbit = _orbit(config)
    found = {}
    for name in names:
        form = config.station(name)
        station = Station(form.name, form.latitude, form.longitude, form.altitude)
        found[name] = Contacts(orbit, station, form.minimum_elevation, form.bits_at_1000_km)
    return found


def _orbit(config: SatelliteConfig) -> Orbit:
    try:
        return Orbit.of(*(config.elements or of_file(Path(config.elements_file))))
    except OSError as error:
        raise _NoContact(f"elementsFile {config.elements_file}: {error.strerror}") from None
    except (RuntimeError, ValueError) as error:  # the package is missing, or these are no elements
        raise _NoContact(str(error)) from None


def _raw(point: SatellitePoint, form: ContactForm, seen: Contact, time: int) -> Raw:
    value: Value | None = getattr(seen, NAMES[form.value])
    if value is None:
        return Failure(f"no contact with {form.station} for three days")
    if form.value in TIMES:
        value = _moment(float(value), point.property.type)
    return Sample(value, time)


def _moment(seconds: float, kind: DataType) -> Value:
    """A time as text (ISO 8601, UTC), or in Unix milliseconds for a number."""
    if kind is DataType.STRING:
        return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="seconds").replace("+00:00", "Z")
    return round(seconds * 1000)
