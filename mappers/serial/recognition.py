"""What kind of talk some bytes are: NMEA 0183, lines of JSON, lines of columns. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

from device_models.model import DataType
from mappers.mapper import Failure
from mappers.serial.checksum import Checksum
from mappers.serial.framing import Lines, Sentences
from mappers.serial.message import MISSING, Message, of_text
from mappers.serial.nmea import FIELDS, Path, Sentence, misgiving, path_of, sentence_of

MOST_PROPERTIES = 60
DEEPEST = 4
"""Levels of a JSON document."""
COUNTS = frozenset({"quality", "satellites", "satellitesInView", "fix", "day", "month", "year"})
TEXTS = frozenset({"time", "date", "mode", "status", "selection", "reference", "unit", "station"})
"""Fields whose type is known without looking."""
SEPARATORS = (",", ";", "\t")


class Found(NamedTuple):
    """One property that a manifest could have."""

    name: str
    type: DataType
    visitor: dict[str, Any]


class Recognised(NamedTuple):
    """The framing, and what was found in it."""

    what: str
    """For people."""
    framing: str
    found: Sequence[Found]


def recognise(data: bytes) -> Recognised | None:
    """What it is, or None."""
    sentences = [s for frame in Sentences(checked=True).feed(data) if (s := sentence_of(frame.decode("latin-1")))]
    if sentences:
        kinds = sorted({sentence.kind for sentence in sentences})
        return Recognised(f"NMEA 0183: {', '.join(kinds)}", "nmea", _limited(_fields(sentences)))
    _, _, whole = data.replace(b"\r", b"\n").partition(b"\n")  # the first line was perhaps begun before
    lines = [Message(frame) for frame in Lines(b"\n", Checksum()).feed(whole)]
    documents = [line.document for line in lines if isinstance(line.document, dict)]
    if documents:
        return Recognised("lines of JSON", "line", _limited(_leaves(documents[-1], "", DEEPEST)))
    return _columns([line.text for line in lines])


def _limited(found: Iterator[Found]) -> list[Found]:
    """Each name once, and not too many."""
    unique: dict[str, Found] = {}
    for each in found:
        if each.name not in unique and len(unique) < MOST_PROPERTIES:
            unique[each.name] = each
    return list(unique.values())


def _fields(sentences: Sequence[Sentence]) -> Iterator[Found]:
    """The named fields that are not empty; of a name that several kinds have, the later ones carry their kind."""
    latest = {sentence.kind: sentence for sentence in sentences}
    taken: set[str] = set()
    for kind in sorted(latest, key=lambda kind: (kind != "RMC", kind)):  # RMC brings the time of its values along
        sentence = latest[kind]
        for name in FIELDS.get(kind, {}):
            path = path_of(f"{kind}.{name}")
            if sentence.field(path.field.number) or misgiving(sentence):
                yield Found(f"{name}{kind.title()}" if name in taken else name, _type_of(sentence, path),
                            {"nmea": f"{kind}.{name}"})  # fmt: skip
                taken.add(name)


def _type_of(sentence: Sentence, path: Path) -> DataType:
    if path.name in COUNTS:
        return DataType.INT
    if path.name in TEXTS:
        return DataType.STRING
    value = path.field.form(sentence, path.field.number)
    text = isinstance(value, str) and isinstance(of_text(DataType.DOUBLE, value), Failure)
    return DataType.STRING if text else DataType.DOUBLE


def _leaves(document: Any, pointer: str, depth: int) -> Iterator[Found]:
    if isinstance(document, (dict, list)):
        items = document.items() if isinstance(document, dict) else enumerate(document)
        for key, value in items if depth else ():
            step = str(key).replace("~", "~0").replace("/", "~1")
            yield from _leaves(value, f"{pointer}/{step}", depth - 1)
    elif document is not None and document is not MISSING:
        yield Found(_name(pointer), _json_type(document), {"json": pointer})


def _json_type(value: Any) -> DataType:
    if isinstance(value, bool):
        return DataType.BOOLEAN
    return DataType.STRING if isinstance(value, str) else DataType.DOUBLE


def _name(pointer: str) -> str:
    """A JSON pointer as a property's name."""
    return "-".join("".join(c if c.isalnum() else "-" for c in step) for step in pointer.strip("/").split("/"))


def _columns(lines: Sequence[str]) -> Recognised | None:
    """At least two lines of equally many columns, one of them at least a number."""
    for separator in SEPARATORS:
        rows = [line.split(separator) for line in lines]
        if len(rows) < 2 or len(rows[-1]) < 2 or len({len(row) for row in rows}) != 1:
            continue
        numeric = [not isinstance(of_text(DataType.DOUBLE, cell), Failure) for cell in rows[-1]]
        if any(numeric) and all(line.isprintable() for line in lines if separator != "\t"):
            return Recognised(f"lines of {len(numeric)} columns", "line", _limited(_cells(numeric, separator)))
    return None


def _cells(numeric: Sequence[bool], separator: str) -> Iterator[Found]:
    other = {} if separator == "," else {"separator": separator}
    for column, number in enumerate(numeric, 1):
        yield Found(f"column{column}", DataType.DOUBLE if number else DataType.STRING, {"csv": column} | other)
