"""What a message says of a property: in columns, by a pattern, in JSON, at fixed places. Pure.

A reader gives the raw value, a Failure where the message is about the property and has no value for it, or None
where it is about something else.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Callable
from functools import cached_property
from typing import Any

import msgspec

from device_models.model import DataType, Property
from mappers.mapper import Failure, Raw, Sample, Value
from mappers.serial.binary import layout_of
from mappers.serial.config import SerialVisitor
from mappers.serial.nmea import Sentence, path_of, sentence_of
from mappers.serial.template import pattern

_TRUTHS = {"1": True, "true": True, "on": True, "yes": True, "0": False, "false": False, "off": False, "no": False}
_NUMBER = re.compile(r"\s*[+-]?\s*(\d{1,40}\.?\d{0,40}|\.\d{1,40})([eE][+-]?\d{1,3})?\s*", re.ASCII)
_NUMERIC = (DataType.INT, DataType.FLOAT, DataType.DOUBLE)
SHOWN = 60
"""Characters of a message that an error shows."""


class Message:
    """A frame, taken apart once however many properties look at it."""

    def __init__(self, frame: bytes) -> None:
        self.frame = frame

    @cached_property
    def text(self) -> str:
        """Every byte a character."""
        return self.frame.decode("latin-1")

    @cached_property
    def sentence(self) -> Sentence | None:
        return sentence_of(self.text)

    @cached_property
    def document(self) -> Any:
        """The JSON document; MISSING when it is none."""
        try:
            return msgspec.json.decode(self.frame)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            return MISSING

    @property
    def shown(self) -> str:
        """For people."""
        whole = self.text[:SHOWN]
        return repr(whole) if whole.isprintable() else self.frame[:SHOWN].hex(" ")


MISSING = object()
Reader = Callable[[Message], Raw | None]


def reader_of(prop: Property, visitor: SerialVisitor, address: str = "") -> Reader:
    """How this property is read from messages. ValueError when that cannot be."""
    read = _reader(prop, visitor, address)
    if visitor.doubt:
        read = _doubting(read, pattern(visitor.doubt, address))
    return _about(read, pattern(visitor.match, address)) if visitor.match else read


def _about(read: Reader, match: re.Pattern[str]) -> Reader:
    return lambda message: read(message) if match.search(message.text) else None


def _doubting(read: Reader, doubt: re.Pattern[str]) -> Reader:
    def doubting(message: Message) -> Raw | None:
        value = read(message)
        if value is None or isinstance(value, Failure) or not doubt.search(message.text):
            return value
        sample = value if isinstance(value, Sample) else Sample(value)
        return Sample(sample.value, sample.time, "uncertain", sample.reason or "the instrument is not sure of it")

    return doubting


def _reader(prop: Property, visitor: SerialVisitor, address: str) -> Reader:
    if prop.type is DataType.STREAM:
        raise ValueError("a serial line has no streams")
    if visitor.nmea:
        return _nmea(prop, visitor.nmea)
    if visitor.csv is not None:
        return _csv(prop, visitor.csv - 1, visitor.separator)
    if visitor.regex:
        return _regex(prop, pattern(visitor.regex, address))
    if visitor.json is not None:
        return _json(prop, visitor.json)
    if visitor.binary:
        return _binary(prop, visitor.binary, visitor.offset)
    if prop.type is DataType.BYTES:
        return lambda message: message.frame
    return lambda message: of_text(prop.type, message.text)


def _nmea(prop: Property, words: str) -> Reader:
    path = path_of(words)

    def read(message: Message) -> Raw | None:
        sentence = message.sentence
        if sentence is None or path.address not in (sentence.kind, sentence.address):
            return None
        found = path.of(sentence)
        if isinstance(found, Sample):
            value = _typed(prop.type, found.value)
            return value if isinstance(value, Failure) else Sample(value, found.time, found.quality, found.reason)
        return found if isinstance(found, Failure) else _typed(prop.type, found)

    return read


def _csv(prop: Property, column: int, separator: str) -> Reader:
    def read(message: Message) -> Raw | None:
        row = message.text.split(separator)
        if column >= len(row):
            return Failure(f"the line has {len(row)} columns, {column + 1} is asked for")
        return of_text(prop.type, row[column].strip().strip('"'))

    return read


def _regex(prop: Property, regex: re.Pattern[str]) -> Reader:
    group: int | str = "value" if "value" in regex.groupindex else min(regex.groups, 1)

    def read(message: Message) -> Raw | None:
        found = regex.search(message.text)
        return None if found is None else of_text(prop.type, found[group] or "")

    return read


def _json(prop: Property, pointer: str) -> Reader:
    if pointer and not pointer.startswith("/"):
        raise ValueError(f"the JSON pointer {pointer!r} must begin with /, as in /temperature or /sensors/0/value")
    steps = [step.replace("~1", "/").replace("~0", "~") for step in pointer.split("/")[1:]]

    def read(message: Message) -> Raw | None:
        found = message.document
        for step in steps:
            found = _step(found, step)
        return None if found is MISSING else _of_json(prop.type, found)

    return read


def _step(document: Any, step: str) -> Any:
    if isinstance(document, dict):
        return document.get(step, MISSING)
    if isinstance(document, list) and step.isascii() and step.isdigit() and int(step[:9]) < len(document):
        return document[int(step[:9])]
    return MISSING


def _of_json(type_: DataType, found: Any) -> Raw:
    if found is None:
        return Failure("the instrument says null")
    if isinstance(found, (dict, list)):
        if type_ in (DataType.STRING, DataType.BYTES):
            return of_text(type_, json.dumps(found, separators=(",", ":"), ensure_ascii=False))
        return Failure(f"the instrument says a whole {'object' if isinstance(found, dict) else 'list'}")
    return _typed(type_, found)


def _binary(prop: Property, words: str, offset: int) -> Reader:
    layout = layout_of(words)
    if prop.type is DataType.BYTES and layout.kind != "bytes":
        raise ValueError(f"{words} cannot be BYTES; write bytes:{layout.size}")
    end = offset + layout.size

    def read(message: Message) -> Raw | None:
        data = message.frame[offset:end]
        if len(data) < layout.size:
            return Failure(f"the message has {len(message.frame)} bytes, {end} are needed")
        return _typed(prop.type, layout.decode(data))

    return read


def _typed(type_: DataType, value: Value) -> Value | Failure:
    """A value as the type has it; numbers stay numbers, because a conversion may follow."""
    if isinstance(value, bytes):
        return value if type_ is DataType.BYTES else of_text(type_, value.decode("latin-1"))
    if isinstance(value, str):
        return of_text(type_, value)
    if type_ is DataType.STRING:
        return str(value).lower() if isinstance(value, bool) else str(value)
    if type_ is DataType.BYTES:
        return str(value).encode()
    return int(value) if isinstance(value, bool) and type_ in _NUMERIC else value


def of_text(type_: DataType, text: str) -> Value | Failure:
    """The text of an instrument as a value of the type; blanks around it, and behind a sign, are nothing."""
    if type_ is DataType.STRING:
        return text.strip()
    if type_ is DataType.BYTES:
        return text.encode("latin-1", "replace")
    word = text.strip()
    if type_ is DataType.BOOLEAN and word.lower() in _TRUTHS:
        return _TRUTHS[word.lower()]
    if not _NUMBER.fullmatch(word):
        return Failure(f"the instrument says {word[:SHOWN]!r}")
    bare = re.sub(r"\s", "", word)
    if bare.lstrip("+-").isdigit():
        return int(bare)
    number = float(bare)
    return number if math.isfinite(number) else Failure(f"the instrument says {word[:SHOWN]!r}")
