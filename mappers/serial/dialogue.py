"""How each property of a line takes part in what is said there: asked, heard, set. Built once from the manifest."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from mappers.mapper import Batch, Failure, Point, Raw
from mappers.serial.config import Nmea, SerialConfig, SerialVisitor
from mappers.serial.framing import Framer, framer_of
from mappers.serial.late import Question
from mappers.serial.message import Message, Reader, reader_of
from mappers.serial.nmea import path_of
from mappers.serial.template import Template, pattern

SerialPoint = Point[SerialConfig, SerialVisitor]


@dataclass(frozen=True, slots=True, eq=False)
class Part:
    """One property's part."""

    point: SerialPoint
    read: Reader
    whose: re.Pattern[str] | None
    """What the device's messages match."""
    about: re.Pattern[str] | None
    """What messages about the property match."""
    request: bytes
    """In its envelope; empty: it is not asked for."""
    words: str
    """The request for people."""
    write: Template | None
    expect: re.Pattern[str] | None

    @property
    def command(self) -> bool:
        """It is neither asked for nor heard: it is only set, and what counts is that the device agrees."""
        visitor = self.point.visitor
        return bool(visitor.write and not visitor.ways and not self.request and self.expect)

    @property
    def heard(self) -> bool:
        """The device says it by itself."""
        return not self.request and not self.command

    def demand(self, message: bytes) -> Question:
        """The question that a write is, for `late`."""
        expect = self.expect
        assert expect is not None
        fits = lambda answer: self.owns(answer) and expect.search(answer.text) is not None  # noqa: E731
        return Question(self.point.device_id, message, self.point.config.timeout, True, fits)

    def owns(self, message: Message) -> bool:
        """Whether the message is this device's."""
        return self.whose is None or self.whose.search(message.text) is not None

    def concerns(self, message: Message) -> bool:
        """Whether the message is this device's, and about this property as far as `match` tells."""
        return self.owns(message) and (self.about is None or self.about.search(message.text) is not None)


def part_of(point: SerialPoint, framer: Framer) -> Part:
    """Its part. ValueError, with what to write, when request, patterns and templates make no sense."""
    config, visitor = point.config, point.visitor
    address = config.address
    if visitor.nmea and not isinstance(config.framing, Nmea):
        raise ValueError("nmea needs framing: nmea in protocol.configData")
    said = config.request if visitor.request is None else visitor.request
    request = Template(said, address)
    if request.takes_value:
        raise ValueError("a request has no {value}; that is for write")
    asked = request.render()
    part = Part(
        point,
        reader_of(point.property, visitor, address),
        pattern(config.match, address) if config.match else None,
        pattern(visitor.match, address) if visitor.match else None,
        framer.wrap(asked) if said else b"",
        Message(asked).shown,
        Template(visitor.write, address) if visitor.write else None,
        pattern(visitor.expect, address) if visitor.expect else None,
    )
    if point.property.writable and part.write is None:
        raise ValueError("the property is ReadWrite and has no write: what is sent to set it, as in SET {value}")
    return part


def check(point: SerialPoint) -> None:
    """ValueError when the point cannot be served."""
    part_of(point, framer_of(point.config))


@dataclass(frozen=True, slots=True, eq=False)
class Asked(Batch[SerialConfig, SerialVisitor]):
    """Points whose values one answer brings."""

    parts: tuple[Part, ...]

    @property
    def request(self) -> bytes:
        """What is sent."""
        return self.parts[0].request

    @property
    def question(self) -> Question:
        """For `late`. An answer that one of the properties can be read from looks like one."""
        part = self.parts[0]
        visitor, config = part.point.visitor, part.point.config
        tells = bool(visitor.match or visitor.regex or visitor.nmea or visitor.json)
        return Question(part.point.device_id, part.request, config.timeout, tells, self._fits)

    def _fits(self, message: Message) -> bool:
        part = self.parts[0]
        if part.about is not None:
            return part.concerns(message)
        return part.owns(message) and any(not isinstance(v, Failure | None) for v in self.values(message))

    def values(self, message: Message) -> list[Raw | None]:
        """What the answer says."""
        return [part.read(message) for part in self.parts]


def batches(parts: Iterable[Part]) -> list[Asked]:
    """The requests that bring all of these; what is not asked for is left out."""
    together: dict[tuple[bytes, str], list[Part]] = {}
    for part in parts:
        if part.request:
            together.setdefault((part.request, part.point.visitor.match), []).append(part)
    return [Asked(tuple(part.point for part in group), tuple(group)) for group in together.values()]


class Audience:
    """Who is concerned by what is said unasked. Sentences go straight to whom they concern."""

    def __init__(self, parts: Sequence[Part]) -> None:
        self._everything: list[Part] = []
        self._sentences: dict[str, list[Part]] = {}
        for part in parts:
            if part.heard and part.point.visitor.nmea:
                address = path_of(part.point.visitor.nmea).address
                self._sentences.setdefault(address, []).append(part)
            elif part.heard:
                self._everything.append(part)

    def values(self, message: Message) -> dict[SerialPoint, Raw]:
        """What the message says, by point."""
        found: dict[SerialPoint, Raw] = {}
        for part in self._concerned(message):
            if part.owns(message):
                value = part.read(message)
                if value is not None:
                    found[part.point] = value
        return found

    def _concerned(self, message: Message) -> Sequence[Part]:
        sentence = message.sentence if self._sentences else None
        if sentence is None:
            return self._everything
        kind, address = sentence.kind, sentence.address
        concerned = self._sentences.get(kind, [])
        if address != kind:
            concerned = [*concerned, *self._sentences.get(address, [])]
        return [*self._everything, *concerned]
