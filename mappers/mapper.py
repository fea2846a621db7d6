"""What the author of a protocol implements: connect, read, write, close and two typed forms of configuration.

Everything else is the framework's: which devices share a link, when each property is read, timeouts, backoff,
quality, conversion, deadbands, reports, and wishes that are written and read back (`mappers.link`).
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Generic, Literal, Protocol, TypeVar

import msgspec
from msgspec import Struct

from device_models.model import Conversion, Property
from mappers.spelling import Spelling

Value = bool | int | float | str | bytes
"""A raw value as the protocol has it, before the declared conversion."""

ConfigT = TypeVar("ConfigT", bound=Struct)
VisitorT = TypeVar("VisitorT", bound=Struct)


@dataclass(frozen=True, slots=True)
class Failure:
    """What stands in the place of a value that could not be read; the reason is for people."""

    reason: str


@dataclass(frozen=True, slots=True)
class Sample:
    """A value of a device that says itself when it was true, or how far to trust it."""

    value: Value
    time: int | None = None
    """Source time by the device's clock, Unix milliseconds; None: it says none, and the moment of receipt counts."""
    quality: Literal["good", "uncertain"] = "good"
    """What the device says of the value. One that it calls bad is a Failure."""
    reason: str = ""
    """Why it is not good."""


Raw = Value | Sample | Failure
"""What came for a point, before the declared conversion."""


@dataclass(frozen=True, slots=True, eq=False)
class Point(Generic[ConfigT, VisitorT]):
    """One property of one device, with the protocol's own words about both."""

    device_id: str
    property: Property
    config: ConfigT
    visitor: VisitorT


@dataclass(frozen=True, slots=True, eq=False)
class Batch(Generic[ConfigT, VisitorT]):
    """Points of one device that are read with one request. A protocol may add what its request needs."""

    points: tuple[Point[ConfigT, VisitorT], ...]


class Listening(Protocol):
    """Whom a protocol tells what devices say by themselves."""

    def deliver(self, values: Mapping[Point[Any, Any], Raw]) -> None:
        """New values; those of one call leave as one message per device. Their devices are there."""

    def silent(self, device_id: str, reason: str) -> None:
        """This device is gone, the link is fine: its properties are bad for that reason and it is offline, until
        it delivers or answers again."""


class LinkLost(Exception):
    """The connection is of no use any more: it is closed, and made again with backoff. OSError and EOFError from
    `connect`, `read`, `write` and `listen` mean the same."""


class NoAnswer(Exception):
    """This device does not answer, the link is fine. TimeoutError from `read` and `write` means the same."""


class Refused(Exception):
    """The device answered that it will not: a request that asks for less may succeed."""


class CannotDiscover(Exception):
    """This protocol, or this target, has nothing that tells what there is; the text says what to do instead."""


@dataclass(frozen=True, slots=True)
class Discovery:
    """What was found, ready to be declared."""

    manifests: Sequence[Mapping[str, Any]]
    """DeviceModel and Device objects (v1beta1), in the order in which they are to be printed."""
    remarks: Sequence[str] = ()
    """What the user should know of it; printed above as comments."""


class Mapper(ABC, Generic[ConfigT, VisitorT]):
    """One link (a connection, a serial line) and the devices behind it.

    The framework makes one per distinct `link_of`, enters `connect`, calls one method at a time, and `close` in the
    end, whatever happened. After LinkLost it calls `connect` on the same object again.
    """

    Config: ClassVar[type[Struct]]
    """The form of `protocol.configData`: a frozen Struct. A field `timeout` (seconds) bounds each read; else it
    is `DEFAULT_TIMEOUT`. A field `silence` (seconds; 0 or None: never) says when a device that speaks by itself and
    says nothing is silent."""
    Visitor: ClassVar[type[Struct]]
    """The form of `visitors.configData`: a frozen Struct."""
    config_spelling: ClassVar[Spelling | None] = None
    """How else the fields of `Config` may be written. None: only as they are."""
    visitor_spelling: ClassVar[Spelling | None] = None
    """The same for `Visitor`."""
    connect_patience: ClassVar[float] = 5.0
    """Seconds that `connect` may take."""
    survives_silence: ClassVar[bool] = False
    """True when an answer that comes after its read was given up cannot be taken for the answer to another
    read. Otherwise a read that timed out costs the connection."""

    def __init__(self, points: Sequence[Point[ConfigT, VisitorT]]) -> None:
        self.points = tuple(points)
        self.config = self.points[0].config
        """The configuration of the first device; what `link_of` looks at is the same in all."""

    @abstractmethod
    async def connect(self) -> None:
        """Open the link. OSError or LinkLost: not now, try later."""

    @abstractmethod
    async def close(self) -> None:
        """Close it; also when it is half open or broken. Must not raise."""

    def polls(self, point: Point[ConfigT, VisitorT]) -> bool:  # noqa: ARG002 - for subclasses
        """Whether the framework reads this point in every period; otherwise `listen` delivers it. Asked before
        `connect`, for a preview, and again after it."""
        return True

    def readable(self, point: Point[ConfigT, VisitorT]) -> bool:
        """Whether `read` can read this point when it is asked to: after a write, and to try it. Otherwise a write is
        followed by waiting for the device to show it by itself. Default: as it is polled. A point that is polled
        and not readable can only be set; `plan` leaves it out."""
        return self.polls(point)

    async def read(self, batch: Any) -> Sequence[Raw]:
        """The raw values of a batch, in the order of its points, as of now. A point that cannot be read gives a
        Failure. NoAnswer, Refused and LinkLost concern the whole batch; the framework bounds the time."""
        raise Refused(f"{type(self).__name__} cannot read, asked for {len(batch.points)} points")

    async def write(self, point: Point[ConfigT, VisitorT], value: Value) -> None:
        """Write a raw value; the framework reads it back. ValueError: it can never be written. Bounded by twice
        the device's `timeout`."""
        raise ValueError(f"{type(self).__name__} cannot write {value!r} to {point.property.name}")

    async def listen(self, listening: Listening) -> None:
        """Tell what devices say by themselves until the link is lost. Begins right after `connect` and runs beside
        `read` and `write`; is cancelled before `close`."""

    def plan(self, points: Sequence[Point[ConfigT, VisitorT]]) -> Sequence[Batch[ConfigT, VisitorT]]:
        """The requests that read these points of one device, which are due together. Default: a single one."""
        return [Batch(tuple(points))]

    def split(self, batch: Any) -> Sequence[Batch[ConfigT, VisitorT]]:  # noqa: ARG002 - for subclasses
        """Smaller requests in place of a refused one; empty when that makes no sense. Default: none."""
        return ()

    def describe(self, batch: Any) -> str:
        """A request in a few words, for people: `holding 0-29`. Default: its number of points."""
        return f"{len(batch.points)} points"

    async def decodings(self, point: Point[ConfigT, VisitorT]) -> Mapping[str, str]:  # noqa: ARG002 - for subclasses
        """What is at the place of a point, read in every way the protocol knows: to find the right one by looking.
        Default: nothing to show."""
        return {}

    @classmethod
    def link_of(cls, config: ConfigT) -> Hashable:
        """Devices with an equal answer share a link. Its text names the link in the log."""
        return config

    @classmethod
    def conversion_of(cls, point: Point[ConfigT, VisitorT]) -> Conversion | None:
        """The conversion of a property: the declared one."""
        return point.property.conversion

    @classmethod
    def check(cls, point: Point[ConfigT, VisitorT]) -> None:
        """ValueError when configuration, visitor and property do not fit together; says what to write."""

    @classmethod
    def tidy_config(cls, raw: Mapping[str, Any]) -> Mapping[str, Any]:
        """`protocol.configData` as written, made into what `Config` takes: other spellings, other nesting."""
        return cls.config_spelling.tidy(raw) if cls.config_spelling else raw

    @classmethod
    def tidy_visitor(cls, raw: Mapping[str, Any]) -> Mapping[str, Any]:
        """The same for `visitors.configData` and `Visitor`."""
        return cls.visitor_spelling.tidy(raw) if cls.visitor_spelling else raw

    @classmethod
    async def discover(cls, target: str, options: Mapping[str, str]) -> Discovery:
        """Look what there is at a target (a URL, an adapter; empty: where one looks first) and how to declare it.
        `options` are fields of `protocol.configData` as text. CannotDiscover with the reason and what to do instead;
        LinkLost or OSError when nothing is there."""
        raise CannotDiscover(f"{cls.__name__} cannot discover, asked for {target or 'all'} with {dict(options)}")

    @classmethod
    def config_schema(cls) -> dict[str, Any]:
        """The JSON Schema of `protocol.configData`."""
        return cls.config_spelling.schema() if cls.config_spelling else msgspec.json.schema(cls.Config)

    @classmethod
    def visitor_schema(cls) -> dict[str, Any]:
        """The JSON Schema of `visitors.configData`."""
        return cls.visitor_spelling.schema() if cls.visitor_spelling else msgspec.json.schema(cls.Visitor)


DEFAULT_TIMEOUT = 1.0
"""Seconds a device is waited for when its configuration says nothing."""
