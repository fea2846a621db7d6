"""What a device really said, in a file: a header, then a line for each time it spoke or failed to, as JSON.

    {"recording": 1, "device": "default/pump", "protocol": "modbus", "config": {...}, "started": 1785999999958,
     "properties": {"speed": "INT"}}
    {"at": 0.0125, "said": {"speed": 1200}}
    {"at": 2.0131, "silent": "no answer within 1 s", "of": ["speed"]}
    {"at": 60, "end": true}

Values are raw, as the device's mapper had them, before any conversion. `at` is in seconds since the start.
"""

from __future__ import annotations

import json
import math
import re
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Annotated, Any, Literal, NamedTuple, NoReturn, TypeVar

import msgspec
from msgspec import Meta, Struct

from device_models import Device
from mappers.mapper import Failure, Raw, Sample, Value

MOST_BYTES = 32 * 2**20
"""Of a recording, written or read."""
LONGEST_LINE = 2**20
"""Bytes."""
LONGEST_VALUE = 2**17
"""Characters of a text, or bytes."""
LARGEST_WHOLE = 4096
"""Bits of a number."""
SECRET = re.compile(r"passw|passphrase|secret|token|credential|private|pin$|key$", re.IGNORECASE)
"""Names of fields whose text is not written down."""

T = TypeVar("T", bound=Struct)
Seconds = Annotated[float, Meta(ge=0, le=1e10)]


class NoRecording(ValueError):
    """A file is no recording, or cannot be read as one; says where and why."""


class Header(Struct, frozen=True, kw_only=True):
    """The first line."""

    recording: Literal[1] = 1
    """The version of the format."""
    device: str
    protocol: Annotated[str, Meta(min_length=1)]
    """The device's own."""
    config: dict[str, Any]
    """`protocol.configData`, without what is secret: a conversion may depend on it."""
    started: Annotated[int, Meta(ge=0)]
    """Unix milliseconds."""
    properties: dict[str, str]
    """Name → type."""

    def __post_init__(self) -> None:
        if self.protocol == "replay":
            raise ValueError(f"{self.device} is replayed itself; use the recording that it plays")


class Said(NamedTuple):
    """The device said this."""

    at: float
    """Seconds since the start."""
    values: Mapping[str, Raw]
    """By property."""


class Silent(NamedTuple):
    """The device could not be heard."""

    at: float
    reason: str
    of: tuple[str, ...] = ()
    """The properties that it was asked for; none: the device as a whole, or its link, was gone."""


class Recording(NamedTuple):
    """A whole file."""

    header: Header
    events: tuple[Said | Silent, ...]
    """In the order of time."""
    length: float
    """Seconds."""


class _Line(Struct, frozen=True):
    at: Seconds
    said: dict[str, Any] | None = None
    silent: str | None = None
    of: tuple[str, ...] = ()
    end: bool = False


class _Sample(Struct, frozen=True):
    sample: Any
    time: int | None = None
    quality: Literal["good", "uncertain"] = "good"
    reason: str = ""


def header_of(device: Device) -> Header:
    """For a recording of it that starts now. ValueError when it cannot be recorded."""
    return Header(
        device=device.id,
        protocol=device.protocol,
        config={name: _public(name, value) for name, value in device.config.items()},
        started=time.time_ns() // 1_000_000,
        properties={prop.name: str(prop.type) for prop in device.properties},
    )


def read_header(file: Path) -> Header:
    """What a recording is of. OSError, NoRecording."""
    with file.open("rb") as lines:
        return _header(file, lines.readline(LONGEST_LINE))


def read_recording(file: Path) -> Recording:
    """All of it. A last line that was not finished is left out. OSError, NoRecording."""
    with file.open("rb") as source:
        data = source.read(MOST_BYTES + 1)
    if len(data) > MOST_BYTES:
        raise NoRecording(f"{file} has more than {MOST_BYTES >> 20} MiB; cut it")
    first, *lines = data.splitlines(keepends=True) or [b""]
    header = _header(file, first)
    events: list[Said | Silent] = []
    at = 0.0
    for number, data in enumerate(lines, 2):
        if not data.endswith(b"\n"):
            break
        line = _decoded(file, number, data, _Line)
        if line.at < at:
            raise NoRecording(f"{file}:{number}: it goes back in time")
        at = line.at
        events.extend(_events(file, number, line))
    return Recording(header, tuple(events), at)


def _header(file: Path, data: bytes) -> Header:
    return _decoded(file, 1, data, Header)


def _events(file: Path, number: int, line: _Line) -> Iterator[Said | Silent]:
    try:
        if line.said is not None:
            yield Said(line.at, {name: _raw(value) for name, value in line.said.items()})
        if line.silent is not None:
            yield Silent(line.at, line.silent, line.of)
    except (ValueError, TypeError, KeyError) as error:
        raise NoRecording(f"{file}:{number}: a value is not understood: {error}") from None


def _decoded(file: Path, number: int, data: bytes, form: type[T]) -> T:
    try:
        return msgspec.convert(json.loads(data, parse_constant=_no_constant), form)
    except (ValueError, RecursionError) as error:
        what = "this is no recording" if number == 1 else "this line is not understood"
        raise NoRecording(f"{file}:{number}: {what}: {error}") from None


def _no_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is no JSON")


def encoded(raw: Any) -> Any:
    """A raw value as JSON, exactly: what JSON has no form for becomes an object with its name."""
    if isinstance(raw, Sample):
        return {"sample": encoded(raw.value), "time": raw.time, "quality": raw.quality, "reason": raw.reason}
    if isinstance(raw, Failure):
        return {"failure": raw.reason}
    if isinstance(raw, (bool, int)):
        return raw if raw.bit_length() <= LARGEST_WHOLE else {"failure": f"a number of {raw.bit_length()} bits"}
    if isinstance(raw, float):
        return raw if math.isfinite(raw) else {"float": str(raw)}
    if isinstance(raw, (str, bytes)) and len(raw) > LONGEST_VALUE:
        return {"failure": f"too long to be recorded: {len(raw)}"}
    if isinstance(raw, bytes):
        return {"bytes": raw.hex()}
    return raw if isinstance(raw, str) else {"failure": str(raw)[:200] or type(raw).__name__}


def _raw(value: Any) -> Raw:
    if isinstance(value, dict) and "sample" in value:
        said = msgspec.convert(value, _Sample)
        return Sample(_value(said.sample), said.time, said.quality, said.reason)
    if isinstance(value, dict) and "failure" in value:
        return Failure(str(value["failure"]))
    return _value(value)


def _value(value: Any) -> Value:
    match value:
        case bool() | int() | float() | str():
            return value
        case {"bytes": str(text)}:
            return bytes.fromhex(text)
        case {"float": "nan" | "inf" | "-inf" as text}:
            return float(text)
    raise ValueError(f"{value!r:.100}")


def _public(name: str, value: Any) -> Any:
    """Without what is secret, at any depth."""
    if isinstance(value, Mapping):
        return {key: _public(str(key), inner) for key, inner in value.items()}
    if isinstance(value, (list, tuple)):
        return [_public(name, inner) for inner in value]
    return "" if isinstance(value, str) and SECRET.search(name) else value
