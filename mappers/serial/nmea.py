"""NMEA 0183 sentences: which field is which, in what form, and how far the receiver itself trusts it. Pure.

Field numbers and names follow the sentence tables that receivers' manuals print, the first field after the
sentence's name being 1. Fields that NMEA 2.3 and later append (mode indicators) may be missing.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from typing import NamedTuple

from mappers.mapper import Failure, Sample, Value

_ADDRESS = re.compile(r"[A-Z0-9]{3,8}")
_ANGLE = re.compile(r"(\d{1,3})([0-5]\d(?:\.\d*)?)", re.ASCII)
_CLOCK = re.compile(r"([01]\d|2[0-3])([0-5]\d)([0-5]\d|60)(\.\d{0,9})?", re.ASCII)
_DATE = re.compile(r"(\d\d)(\d\d)(\d\d)", re.ASCII)
CENTURY_TURN = 80
"""Two-digit years from this on are of the twentieth century: the GPS epoch is 1980."""


class Sentence(NamedTuple):
    """A sentence, its checksum already verified and taken off."""

    address: str
    """`GPGGA`."""
    fields: tuple[str, ...]
    """The first stands at 0 and has the number 1."""

    @property
    def kind(self) -> str:
        """`GGA`, whoever talks; the whole address of a proprietary sentence."""
        return self.address if self.address.startswith("P") else self.address[-3:]

    def field(self, number: int) -> str:
        """A field as text; empty when the sentence is shorter."""
        return self.fields[number - 1] if number <= len(self.fields) else ""


def sentence_of(text: str) -> Sentence | None:
    """The sentence `GPGGA,123519,…`; None when that is none."""
    address, comma, rest = text.partition(",")
    return Sentence(address, tuple(rest.split(","))) if comma and _ADDRESS.fullmatch(address) else None


def _text(sentence: Sentence, number: int) -> Value | None:
    return sentence.field(number) or None


def _angle(sentence: Sentence, number: int) -> Value | None:
    """ddmm.mmmm and a hemisphere, in degrees; south and west are negative."""
    found, side = _ANGLE.fullmatch(sentence.field(number)), sentence.field(number + 1)
    if not found or side not in ("N", "S", "E", "W"):
        return None
    degrees = round(int(found[1]) + float(found[2]) / 60, 9)  # a tenth of a millimetre
    most = 90 if side in "NS" else 180
    return (-degrees if side in "SW" else degrees) if degrees <= most else None


def _turn(sentence: Sentence, number: int) -> Value | None:
    """An angle in degrees and its direction; west is negative."""
    try:
        return float(sentence.field(number)) * {"E": 1, "W": -1}[sentence.field(number + 1)]
    except (ValueError, KeyError):
        return None


def _clock(sentence: Sentence, number: int) -> Value | None:
    found = _CLOCK.fullmatch(sentence.field(number))
    return f"{found[1]}:{found[2]}:{found[3]}{(found[4] or '').rstrip('.')}" if found else None


def _date(sentence: Sentence, number: int) -> Value | None:
    found = _DATE.fullmatch(sentence.field(number))
    return f"{_year(int(found[3]))}-{found[2]}-{found[1]}" if found else None


Form = Callable[[Sentence, int], Value | None]
"""The value of a field; None when the field is empty or malformed."""


class Field(NamedTuple):
    """Where a named field stands, and its form."""

    number: int
    form: Form = _text


FIELDS: Mapping[str, Mapping[str, Field]] = {
    "GGA": {
        "time": Field(1, _clock), "latitude": Field(2, _angle), "longitude": Field(4, _angle), "quality": Field(6),
        "satellites": Field(7), "hdop": Field(8), "altitude": Field(9), "geoidSeparation": Field(11),
        "differentialAge": Field(13), "station": Field(14),
    },
    "GLL": {
        "latitude": Field(1, _angle), "longitude": Field(3, _angle), "time": Field(5, _clock), "status": Field(6),
        "mode": Field(7),
    },
    "GSA": {"selection": Field(1), "fix": Field(2), "pdop": Field(15), "hdop": Field(16), "vdop": Field(17)},
    "GSV": {"satellitesInView": Field(3)},
    "RMC": {
        "time": Field(1, _clock), "status": Field(2), "latitude": Field(3, _angle), "longitude": Field(5, _angle),
        "speed": Field(7), "course": Field(8), "date": Field(9, _date), "variation": Field(10, _turn),
        "mode": Field(12),
    },
    "VTG": {"course": Field(1), "magneticCourse": Field(3), "knots": Field(5), "kilometresPerHour": Field(7),
            "mode": Field(9)},
    "ZDA": {"time": Field(1, _clock), "day": Field(2), "month": Field(3), "year": Field(4)},
    "HDT": {"heading": Field(1)},
    "HDM": {"heading": Field(1)},
    "HDG": {"heading": Field(1), "deviation": Field(2, _turn), "variation": Field(4, _turn)},
    "ROT": {"rate": Field(1), "status": Field(2)},
    "DPT": {"depth": Field(1), "offset": Field(2)},
    "DBT": {"feet": Field(1), "depth": Field(3)},
    "MTW": {"temperature": Field(1)},
    "MWV": {"angle": Field(1), "reference": Field(2), "speed": Field(3), "unit": Field(4), "status": Field(5)},
    "VHW": {"heading": Field(1), "magneticHeading": Field(3), "knots": Field(5), "kilometresPerHour": Field(7)},
}  # fmt: skip
"""The fields that have a name; all others have a number."""
_ABOUT_THE_FIX = frozenset({
    "quality", "satellites", "satellitesInView", "status", "mode", "fix", "selection", "time", "date", "station",
    "day", "month", "year", "reference", "unit",
})  # fmt: skip
"""What a receiver knows also without a fix."""

_NO_FIX = "the receiver has no fix"
_MODES = {
    "A": "", "D": "", "P": "", "R": "", "F": "", "": "",
    "N": _NO_FIX, "E": "the position is estimated", "M": "the position was typed in",
    "S": "the position is simulated",
}  # fmt: skip
_QUALITIES = {"0": _NO_FIX, "6": _MODES["E"], "7": _MODES["M"], "8": _MODES["S"]}
_MODE_FIELDS = {"RMC": 12, "GLL": 7, "VTG": 9}
_STATUS_FIELDS = {"RMC": 2, "GLL": 6, "MWV": 5, "ROT": 2}
_NO_DATA = "the instrument calls it void"


def misgiving(sentence: Sentence) -> str:
    """Why the sentence's measurements are void or doubtful, by its own words; empty when they are not."""
    kind = sentence.kind
    if kind == "GGA":
        return _QUALITIES.get(sentence.field(6), "" if sentence.field(6) else _NO_FIX)
    if kind == "GSA" and sentence.field(2) == "1":
        return _NO_FIX
    if kind in _STATUS_FIELDS and sentence.field(_STATUS_FIELDS[kind]) == "V":
        return _NO_FIX if kind in ("RMC", "GLL") else _NO_DATA
    return _MODES.get(sentence.field(_MODE_FIELDS[kind]), "") if kind in _MODE_FIELDS else ""


VOID = frozenset({_NO_FIX, _NO_DATA})
"""The misgivings after which nothing is left to show."""


class Path(NamedTuple):
    """Which field of which sentence: `GGA.latitude`."""

    address: str
    """`GGA`: of any talker; else the whole address."""
    name: str
    field: Field
    judged: bool
    """What is void without a fix."""

    def of(self, sentence: Sentence) -> Value | Sample | Failure:
        """The field; its time is that of the sentence, where it has date and time."""
        doubt = misgiving(sentence) if self.judged else ""
        if doubt in VOID:
            return Failure(doubt)
        value = self.field.form(sentence, self.field.number)
        if value is None:
            raw = sentence.field(self.field.number)
            return Failure(
                f"{self.address}.{self.name} is {raw!r}" if raw else f"{self.address}.{self.name} is empty"
            )
        time = time_of(sentence)
        if time is None and not doubt:
            return value
        return Sample(value, time, "uncertain" if doubt else "good", doubt)


def path_of(words: str) -> Path:
    """`GGA.latitude`, `GNGGA.latitude`, `GGA.2`. ValueError, with what there is, for others."""
    address, _, name = words.partition(".")
    if not _ADDRESS.fullmatch(address) or not name:
        raise ValueError(f"{words!r} is no field; write one like GGA.latitude, GNRMC.speed or PGRME.1")
    known = FIELDS.get(address[-3:], {}) if not address.startswith("P") else {}
    if name in known:
        return Path(address, name, known[name], name not in _ABOUT_THE_FIX)
    if name.isascii() and name.isdigit() and 1 <= int(name) <= 99:
        return Path(address, name, Field(int(name)), judged=False)
    rather = f"; it has {', '.join(known)}" if known else ""
    raise ValueError(f"{address} has no field {name!r}{rather}; fields without a name have numbers, from 1")


def time_of(sentence: Sentence) -> int | None:
    """Unix milliseconds, where a sentence says date and time, and does not call them void."""
    if sentence.kind == "RMC" and sentence.field(2) == "A":
        found = _DATE.fullmatch(sentence.field(9))
        return _instant(sentence, _year(int(found[3])), found[2], found[1]) if found else None
    if sentence.kind == "ZDA" and re.fullmatch(r"\d{4}", sentence.field(4), re.ASCII):
        return _instant(sentence, int(sentence.field(4)), sentence.field(3), sentence.field(2))
    return None


def _year(two_digits: int) -> int:
    return two_digits + (1900 if two_digits >= CENTURY_TURN else 2000)


def _instant(sentence: Sentence, year: int, month: str, day: str) -> int | None:
    clock = _CLOCK.fullmatch(sentence.field(1))
    if clock is None:
        return None
    try:
        midnight = datetime(year, int(month), int(day), tzinfo=UTC)
    except ValueError:
        return None
    seconds = int(clock[3]) + float(f"0{clock[4] or ''}")
    passed = timedelta(hours=int(clock[1]), minutes=int(clock[2]), seconds=seconds)
    return round((midnight + passed).timestamp() * 1000)
