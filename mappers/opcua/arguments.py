"""Values on their way to a server: what a property or a JSON text says, in the type the server wants, or an error
that says why it does not fit."""

from __future__ import annotations

import base64
import binascii
import json
import math
import uuid
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from asyncua import ua

from mappers.mapper import Value

RANGES = {
    ua.VariantType.SByte: (-(2**7), 2**7 - 1),
    ua.VariantType.Byte: (0, 2**8 - 1),
    ua.VariantType.Int16: (-(2**15), 2**15 - 1),
    ua.VariantType.UInt16: (0, 2**16 - 1),
    ua.VariantType.Int32: (-(2**31), 2**31 - 1),
    ua.VariantType.UInt32: (0, 2**32 - 1),
    ua.VariantType.Int64: (-(2**63), 2**63 - 1),
    ua.VariantType.UInt64: (0, 2**64 - 1),
}
LARGEST_FLOAT = 3.4028234663852886e38
"""Of 32 bits."""

Encode = Callable[[Any], ua.ExtensionObject]
"""A JSON object as the structure that the server wants."""


@dataclass(frozen=True, slots=True)
class Shape:
    """The type a server wants."""

    type: ua.VariantType
    array: bool = False
    structure: Encode | None = None
    """How an object is made, where `type` is ExtensionObject."""

    def variant(self, value: Value) -> ua.Variant:
        """A property's raw value as the server wants it. ValueError when it does not fit."""
        if self.array or self.type is ua.VariantType.ExtensionObject:
            return self.variant_of_json(_json(value))
        return ua.Variant(self._scalar(value), self.type)

    def variant_of_json(self, value: Any) -> ua.Variant:
        """The same for a value as JSON has it."""
        if not self.array:
            return ua.Variant(self._scalar(value), self.type)
        if not isinstance(value, list):
            raise ValueError(f"the server wants an array of {self.type.name}: write a JSON array")  # noqa: TRY004
        return ua.Variant(self._items(value), self.type, is_array=True)

    def _items(self, values: list[Any]) -> list[Any]:
        return [self._items(each) if isinstance(each, list) else self._scalar(each) for each in values]

    def _scalar(self, value: Any) -> Any:
        if self.type is ua.VariantType.ExtensionObject:
            if self.structure is None:
                raise ValueError("the server does not say how this structure is built")
            return self.structure(value)
        return scalar(self.type, value)


def scalar(kind: ua.VariantType, value: Any) -> Any:
    """A value as one of the built-in types. ValueError when it is none."""
    if kind in RANGES:
        return _integer(kind, value)
    make = _MAKERS.get(kind)
    if make is None:
        raise ValueError(f"the server wants a {kind.name}, which cannot be written")
    try:
        return make(value)
    except (ValueError, TypeError, AttributeError, binascii.Error, ua.UaError):
        raise ValueError(f"the server wants a {kind.name}, {_shown(value)} is none") from None


def _integer(kind: ua.VariantType, value: Any) -> int:
    low, high = RANGES[kind]
    try:
        number = int(value) if isinstance(value, (bool, int)) else _whole(float(value))
    except (ValueError, TypeError, OverflowError):
        raise ValueError(f"the server wants a whole number, {_shown(value)} is none") from None
    if not low <= number <= high:
        raise ValueError(f"{number} does not fit into the server's {kind.name} ({low} to {high})")
    return number


def _whole(number: float) -> int:
    if number != round(number):
        raise ValueError(number)
    return int(number)


def _boolean(value: Any) -> bool:
    if isinstance(value, bool) or value in (0, 1):
        return bool(value)
    return {"true": True, "false": False}[value.lower()] if value.lower() in ("true", "false") else _no(value)


def _no(value: Any) -> Any:
    raise ValueError(value)


def _double(value: Any) -> float:
    return _no(value) if isinstance(value, bool) else float(value)


def _float(value: Any) -> float:
    number = _double(value)
    return _no(value) if math.isfinite(number) and abs(number) > LARGEST_FLOAT else number


def _string(value: Any) -> str:
    if isinstance(value, (dict, list, type(None))):
        return str(_no(value))
    if isinstance(value, bytes):
        return value.decode()
    return str(value).lower() if isinstance(value, bool) else str(value)


def _bytes(value: Any) -> bytes:
    return value if isinstance(value, bytes) else base64.b64decode(value, validate=True)


def _moment(value: Any) -> datetime:
    if isinstance(value, (int, float)) and not isinstance(value, bool):
        return datetime.fromtimestamp(value / 1000, UTC)
    moment = datetime.fromisoformat(value)
    return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)


def _status(value: Any) -> ua.StatusCode:
    return ua.StatusCode(value if isinstance(value, int) else getattr(ua.StatusCodes, value))


_MAKERS: dict[ua.VariantType, Callable[[Any], Any]] = {
    ua.VariantType.Boolean: _boolean,
    ua.VariantType.Float: _float,
    ua.VariantType.Double: _double,
    ua.VariantType.String: _string,
    ua.VariantType.XmlElement: lambda value: ua.XmlElement(_string(value)),
    ua.VariantType.ByteString: _bytes,
    ua.VariantType.DateTime: _moment,
    ua.VariantType.Guid: uuid.UUID,
    ua.VariantType.NodeId: ua.NodeId.from_string,
    ua.VariantType.ExpandedNodeId: ua.NodeId.from_string,
    ua.VariantType.StatusCode: _status,
    ua.VariantType.QualifiedName: ua.QualifiedName.from_string,
    ua.VariantType.LocalizedText: lambda value: ua.LocalizedText(_string(value)),
}


def _json(value: Value) -> Any:
    try:
        return json.loads(value) if isinstance(value, (str, bytes)) else value
    except ValueError as error:
        raise ValueError(f"this is no JSON: {error}") from None


def _shown(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 40 else f"{text[:40]}…"
