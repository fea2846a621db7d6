"""The messages between a mapper and the hub, as the mapper needs them: reports out, answers in.

Decoding is lenient: of an answer only what is asked for here is looked at.
"""

from __future__ import annotations

import itertools
import secrets
import time
from collections.abc import Callable, Iterator
from typing import TypeVar

import msgspec
from msgspec import Struct

from eventbus.report_queue import Report, Sent
from twin.documents import MsgTwin, TwinUpdate, TwinValue, ValueMetadata

T = TypeVar("T")


class Answer(Struct, gc=False):
    """`twin/update/result`: `code` is 0 when the report is in the journal."""

    event_id: str = ""
    code: int = 0
    reason: str = ""


class Value(Struct, gc=False):
    """One side's value."""

    value: str | None = None


class Sides(Struct, gc=False):
    """Both sides of one property."""

    expected: Value | None = None
    actual: Value | None = None


class Got(Struct, gc=False):
    """`twin/get/result`."""

    code: int = 0
    twin: dict[str, Sides | None] = {}

    def open_wishes(self) -> dict[str, str]:
        """Property → expected value, where it is not what the property has."""
        return {name: wish for name, sides in self.twin.items() if (wish := _open_wish(sides))}


def _open_wish(sides: Sides | None) -> str | None:
    if sides is None or sides.expected is None:
        return None
    actual = sides.actual.value if sides.actual else None
    return sides.expected.value if sides.expected.value != actual else None


class Delta(Struct, gc=False):
    """`twin/update/delta`."""

    delta: dict[str, str] = {}


class Named(Struct, frozen=True, gc=False):
    """The device in a state result."""

    state: str = ""


class StateResult(Struct, gc=False):
    """`state/update/result`."""

    device: Named = Named()


def reader(form: type[T]) -> Callable[[bytes], T | None]:
    """A decoder for one of the forms above; None for what the hub never says."""
    decode = msgspec.json.Decoder(form).decode

    def read(payload: bytes) -> T | None:
        try:
            return decode(payload)
        except (msgspec.MsgspecError, UnicodeDecodeError):
            return None

    return read


def report_writer() -> Callable[[Report], Sent]:
    """An encoder for `twin/update`, which gives each report an event id of its own."""
    encode = msgspec.json.Encoder().encode
    event_ids = _event_ids()

    def write(report: Report) -> Sent:
        event_id = next(event_ids)
        return Sent(event_id, encode(TwinUpdate(event_id, milliseconds(), _twin(report))))

    return write


def _event_ids() -> Iterator[str]:
    prefix = secrets.token_hex(4)
    return (f"{prefix}-{number:x}" for number in itertools.count(1))


def _twin(report: Report) -> dict[str, MsgTwin | None]:
    twin: dict[str, MsgTwin | None] = {}
    metadata = ValueMetadata()
    last: tuple[int, str, str] = (0, "good", "")
    for reading in report:
        stamp = (reading.time, reading.quality, reading.reason)
        if stamp != last:  # the readings of one cycle mostly share it
            last = stamp
            metadata = ValueMetadata(sourceTimestamp=reading.time, quality=reading.quality, reason=reading.reason)
        twin[reading.property] = MsgTwin(actual=TwinValue(reading.value, metadata))
    return twin


def state_message(state: str) -> bytes:
    """The payload of `state/update`."""
    return msgspec.json.encode({"event_id": "", "timestamp": milliseconds(), "state": state})


def question() -> bytes:
    """The payload of `twin/get`."""
    return msgspec.json.encode({"event_id": "", "timestamp": milliseconds()})


def milliseconds() -> int:
    """Now, in Unix milliseconds."""
    return time.time_ns() // 1_000_000
