"""OPC-UA values as the framework has them, and back: scalars as they are, arrays and structures as JSON text.

Time, quality and reason of a reading are the server's: source timestamp (else server timestamp) and StatusCode.
"""

from __future__ import annotations

import base64
import dataclasses
import json
import math
import uuid
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from enum import IntEnum
from typing import Any

from asyncua import ua

from device_models.model import DataType
from mappers.mapper import Failure, Raw, Sample, Value

Decode = Callable[[ua.ExtensionObject], Any]
"""A structure that the library does not know, as an object for JSON; ValueError when nobody does."""

SEVERITY = 30
"""Bits of a StatusCode below its severity: 0 good, 1 uncertain, 2 and 3 bad."""
NEVER = datetime(1602, 1, 1, tzinfo=UTC)
"""Times before this say "no time": the protocol's zero is the beginning of 1601."""
DEEPEST = 32
"""Levels of nesting of a value."""


def to_raw(data: ua.DataValue, wanted: DataType, decode: Decode) -> Raw:
    """What a server said of a variable, for a property of that type."""
    status = data.StatusCode
    severity = 0 if status is None else status.value >> SEVERITY
    if severity > 1:
        assert status is not None
        return Failure(name_of(status))
    try:
        value = _raw(data.Value.Value if data.Value is not None else None, wanted, decode)
    except (ValueError, TypeError) as error:
        return Failure(str(error))
    time = milliseconds(data.SourceTimestamp or data.ServerTimestamp)
    if severity:
        assert status is not None
        return Sample(value, time, "uncertain", name_of(status))
    return value if time is None else Sample(value, time)


def milliseconds(moment: datetime | None) -> int | None:
    """Unix milliseconds; None where the server said no time."""
    if moment is None:
        return None
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=UTC)
    return None if moment < NEVER else round(moment.timestamp() * 1000)


def name_of(status: ua.StatusCode) -> str:
    """`BadNodeIdUnknown`; flags that some servers add are left out."""
    name: str = ua.StatusCode(status.value & 0xFFFF0000).name
    return name if name != "UnknownUaError" else f"status 0x{status.value:08X}"


def _raw(value: Any, wanted: DataType, decode: Decode) -> Value:
    if value is None:
        raise ValueError("the server has no value for it")
    kind = type(value)
    if wanted is DataType.BYTES:
        return value if isinstance(value, bytes) else _text(value, decode).encode()
    if kind is bool:
        return str(value).lower() if wanted is DataType.STRING else value
    if kind is int or kind is float:
        return value  # type: ignore[no-any-return]
    return _text(value, decode)


def _text(value: Any, decode: Decode) -> str:
    plain = to_json(value, decode)
    if isinstance(plain, str):
        return plain
    return json.dumps(plain, ensure_ascii=False, separators=(",", ":"), allow_nan=False)


def to_json(value: Any, decode: Decode, depth: int = 0) -> Any:
    """A value of any OPC-UA type in JSON's types. What is not finite becomes null; JSON has no word for it."""
    if depth > DEEPEST:
        raise ValueError(f"nested more than {DEEPEST} levels deep")
    if value is None or isinstance(value, (str, bool)):
        return value
    if isinstance(value, IntEnum):
        return int(value)
    if isinstance(value, int):
        return value
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, (list, tuple)):
        return [to_json(each, decode, depth + 1) for each in value]
    if isinstance(value, Mapping):
        return {str(name): to_json(each, decode, depth + 1) for name, each in value.items()}
    simple = _simple(value)
    return _object(value, decode, depth + 1) if simple is None else simple


def _simple(value: Any) -> str | None:
    """Types with a text of their own."""
    if isinstance(value, bytes):
        return base64.b64encode(value).decode()
    if isinstance(value, datetime):
        return value.replace(tzinfo=UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
    if isinstance(value, uuid.UUID):
        return str(value)
    if isinstance(value, ua.LocalizedText):
        return value.Text or ""
    if isinstance(value, (ua.NodeId, ua.QualifiedName)):
        return str(value.to_string())
    if isinstance(value, ua.StatusCode):
        return name_of(value)
    if isinstance(value, ua.XmlElement):
        return value.Value or ""
    return None


def _object(value: Any, decode: Decode, depth: int) -> Any:
    if isinstance(value, ua.Variant):
        return to_json(value.Value, decode, depth)
    if isinstance(value, ua.DataValue):
        return to_json(value.Value, decode, depth)
    if isinstance(value, ua.ExtensionObject):
        return None if value.Body is None else to_json(decode(value), decode, depth)
    if dataclasses.is_dataclass(value):
        fields = (field.name for field in dataclasses.fields(value) if field.name not in ("Encoding", "TypeId"))
        return {name: to_json(getattr(value, name), decode, depth) for name in fields}
    raise ValueError(f"a {type(value).__name__} has no form here")
