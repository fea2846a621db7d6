"""What is computed of a satellite's contacts with the ground, as values of its twin."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path

from device_models.model import DataType
from mappers.mapper import Failure, LinkLost, Raw, Sample, Value
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
        """LinkLost when there is no orbit to compute from, or the package for it is missing."""
        self._points = [(point, point.visitor.contact) for point in points if point.visitor.contact is not None]
        self._period = min((point.property.collect_cycle for point, _ in self._points), default=0.0)
        self._due = 0.0
        self._contacts = _contacts(points[0].config, {form.station for _, form in self._points})

    def read(self, time: int | None, now: float) -> Iterator[tuple[SatellitePoint, Raw]]:
        """The values at an on-board time (Unix milliseconds), when they are due; `now` is monotonic, seconds."""
        if not self._points or now < self._due:
            return
        self._due = now + self._period
        if time is None:
            yield from (
                (point, Failure("the packets do not tell the time in UTC or TAI")) for point, _ in self._points
            )
            return
        seen = {name: _at(contacts, time / 1000) for name, contacts in self._contacts.items()}
        for point, form in self._points:
            yield point, _raw(point, form, seen[form.station], time)


def _contacts(config: SatelliteConfig, names: Iterable[str]) -> dict[str, Contacts]:
    names = tuple(names)
    if not names:
        return {}
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
        raise LinkLost(f"elementsFile {config.elements_file}: {error.strerror}") from None
    except (RuntimeError, ValueError) as error:
        raise LinkLost(str(error)) from None


def _at(contacts: Contacts, time: float) -> Contact | Failure:
    try:
        return contacts.at(time)
    except OrbitError as error:
        return Failure(str(error))


def _raw(point: SatellitePoint, form: ContactForm, seen: Contact | Failure, time: int) -> Raw:
    if isinstance(seen, Failure):
        return seen
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
