"""Plays a recording: each property says what it said, when it said it. Wishes are kept in memory, and shown."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, ClassVar, NoReturn

from device_models.model import Conversion, Device
from device_models.problem import suggestion
from mappers.configuration import ConfigurationErrors, points_of
from mappers.mapper import (
    CannotDiscover,
    Discovery,
    Failure,
    LinkLost,
    Listening,
    Mapper,
    NoAnswer,
    Point,
    Raw,
    Sample,
    Value,
)
from mappers.protocols import PROTOCOLS, BrokenMapper
from mappers.recording import Header, NoRecording, Recording, Said, Silent, read_header, read_recording
from mappers.replay.config import ReplayConfig, ReplayVisitor

ReplayPoint = Point[ReplayConfig, ReplayVisitor]

SHORTEST_ROUND = 1.0
"""Seconds, at speed 1, after which a recording begins again at the earliest."""
BEFORE, OVER = "nothing is said yet", "the recording ends here"


class ReplayMapper(Mapper[ReplayConfig, ReplayVisitor]):
    """One recording, and the devices that it stands in for."""

    Config = ReplayConfig
    Visitor = ReplayVisitor
    connect_patience = 60.0
    survives_silence = True
    _headers: ClassVar[dict[str, Header]] = {}
    """Of the recordings that manifests name, as they were when these were checked last."""

    def __init__(self, points: Sequence[ReplayPoint]) -> None:
        super().__init__(points)
        self._devices = tuple(dict.fromkeys(point.device_id for point in points))
        self._by_name: dict[str, list[ReplayPoint]] = {}
        for point in points:
            self._by_name.setdefault(point.property.name, []).append(point)
        self._recording: Recording | None = None
        self._next = 0
        """The event that is played next."""
        self._origin = 0.0
        """When the recording began, by the loop's clock."""
        self._began = 0
        """The same by the system's, Unix milliseconds."""
        self._silence = BEFORE
        """Why nothing can be heard; empty when it can."""
        self._answered = False
        """A value came since the last silence."""
        self._wished: dict[ReplayPoint, Value] = {}
        self._listening: Listening | None = None

    async def connect(self) -> None:
        if self._recording is None:
            try:
                recording = await asyncio.to_thread(read_recording, Path(self.config.file))
            except NoRecording as error:
                raise LinkLost(str(error)) from None
            if recording.header != self._headers.get(self.config.file):
                raise LinkLost(f"{self.config.file} has become another recording; check the manifests again")
            self._recording = recording
            self._begin(asyncio.get_running_loop().time())

    async def close(self) -> None:
        self._listening = None

    def polls(self, point: ReplayPoint) -> bool:  # noqa: ARG002 - none is
        return False

    async def listen(self, listening: Listening) -> None:
        assert self._recording is not None
        self._listening = listening
        while True:
            while self._next < len(self._recording.events):
                event = self._recording.events[self._next]
                await self._until(event.at)
                self._next += 1
                self._play(event, listening)
            await self._until(self._recording.length)
            if not self.config.repeat:
                await self._end(listening)
            length = max(self._recording.length, SHORTEST_ROUND)
            await self._until(length)
            self._begin(self._origin + length / self.config.speed)

    async def write(self, point: ReplayPoint, value: Value) -> None:
        if self._silence or self._listening is None:
            raise NoAnswer(self._silence or BEFORE)
        self._wished[point] = value
        self._listening.deliver({point: value})

    def _begin(self, now: float) -> None:
        self._next = 0
        self._origin = now
        self._began = time.time_ns() // 1_000_000

    async def _until(self, at: float) -> None:
        due = self._origin + at / self.config.speed
        await asyncio.sleep(due - asyncio.get_running_loop().time())

    async def _end(self, listening: Listening) -> NoReturn:
        self._be_silent(OVER, listening)
        await asyncio.Event().wait()
        raise AssertionError  # nobody sets it

    def _play(self, event: Said | Silent, listening: Listening) -> None:
        if isinstance(event, Said):
            self._silence = ""
            self._answered = True
            self._say(event.values, listening)
        elif event.of and self._answered:  # one lost answer is a failure of what was asked for, the second is silence
            self._say(dict.fromkeys(event.of, Failure(event.reason)), listening)
            self._answered = False
        else:
            self._be_silent(event.reason, listening)

    def _say(self, values: Mapping[str, Raw], listening: Listening) -> None:
        spoken = {
            point: self._now(point, raw) for name, raw in values.items() for point in self._by_name.get(name, ())
        }
        if spoken:
            listening.deliver(spoken)

    def _be_silent(self, reason: str, listening: Listening) -> None:
        self._silence = reason
        self._answered = False
        for device_id in self._devices:
            listening.silent(device_id, reason)

    def _now(self, point: ReplayPoint, raw: Raw) -> Raw:
        """What was said then, as it is said today: with what was wished meanwhile, and a time of today."""
        if point in self._wished and not isinstance(raw, Failure):
            return self._wished[point]
        if isinstance(raw, Sample) and raw.time is not None and self._recording is not None:
            since = (raw.time - self._recording.header.started) / self.config.speed
            return replace(raw, time=self._began + round(since))
        return raw

    # -- configuration -------------------------------------------------------------------------------------

    @classmethod
    def link_of(cls, config: ReplayConfig) -> str:
        return f"{config.file}, speed {config.speed:g}{', repeated' if config.repeat else ''}"

    @classmethod
    def check(cls, point: ReplayPoint) -> None:
        file = point.config.file
        try:
            header = read_header(Path(file))
        except OSError as error:
            raise ValueError(f"the recording {Path(file).absolute()} cannot be read: {error.strerror}") from None
        if point.property.name not in header.properties:
            raise ValueError(
                f"{file} has no property {point.property.name}; {suggestion(point.property.name, header.properties)}"
            )
        cls._headers[file] = header
        _original(header, point)

    @classmethod
    def conversion_of(cls, point: ReplayPoint) -> Conversion | None:
        header = cls._headers[point.config.file]
        return PROTOCOLS[header.protocol].mapper.conversion_of(_original(header, point))

    @classmethod
    def tidy_visitor(cls, raw: Mapping[str, Any]) -> Mapping[str, Any]:
        return {"original": dict(raw)}

    @classmethod
    def visitor_schema(cls) -> dict[str, Any]:
        return {"type": "object"}

    @classmethod
    async def discover(cls, target: str, options: Mapping[str, str]) -> Discovery:  # noqa: ARG003 - nowhere to look
        raise CannotDiscover("a recording is of one device that is declared already: change its protocol to replay")


def _original(header: Header, point: ReplayPoint) -> Point[Any, Any]:
    """The point as it was when it was recorded. ValueError when its protocol does not understand it, or
    cannot be used."""
    protocol = PROTOCOLS.get(header.protocol)
    if protocol is None:
        raise ValueError(f"{point.config.file} was recorded with {header.protocol}, which no mapper here speaks")
    namespace, _, name = header.device.rpartition("/")
    prop = replace(point.property, visitor=point.visitor.original)
    device = Device(namespace, name, "", header.protocol, header.config, (prop,))
    try:
        [original] = points_of(protocol.mapper, [device])
    except BrokenMapper as error:
        raise ValueError(str(error)) from None
    except ConfigurationErrors as errors:
        raise ValueError(f"as a device of {header.protocol}: {errors.errors[0].problem}") from None
    return original
