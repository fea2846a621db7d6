"""What the bytes of a property mean, and which bytes say what is wanted. Pure."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import NamedTuple

from device_models.model import DataType, Property
from mappers.ble.assigned import ASSIGNED
from mappers.ble.codec import TYPES, Form, Type, Value
from mappers.ble.config import BleVisitor

_BY_DATA_TYPE: Mapping[DataType, Type] = {
    DataType.STRING: "utf8",
    DataType.BYTES: "bytes",
    DataType.BOOLEAN: "bool",
}
"""What a property is without any word in its visitor."""


class Meaning(NamedTuple):
    """How the bytes of one property become its value, and back."""

    decode: Callable[[bytes], Value]
    """ValueError when they are no such value."""
    encode: Callable[[Value], bytes] | None
    """ValueError when there are no bytes for a value. None: it cannot be written."""


def meaning_of(prop: Property, visitor: BleVisitor) -> Meaning:
    """By what the visitor says; without a word of it by the characteristic's UUID, then by the property's type.
    ValueError when that is not enough."""
    decode, encode = _plain(prop, visitor)
    if visitor.data_write is None:
        return Meaning(decode, encode)
    labels = visitor.data_write
    if prop.type is DataType.STRING and visitor.data_converter is None:
        decode = _Labelled(labels).decode
    return Meaning(decode, lambda value: _bytes_of(labels, value))


def _plain(prop: Property, visitor: BleVisitor) -> Meaning:
    if visitor.data_converter is not None:
        return Meaning(visitor.data_converter.decode, None)
    known = ASSIGNED.get(visitor.characteristic or "")
    if known is not None and visitor.type is None and not visitor.offset:
        return Meaning(known.decode, known.encode)
    type_ = visitor.type or _BY_DATA_TYPE.get(prop.type)
    if type_ is None and visitor.data_write is None:
        raise ValueError(f"how is the number written? Write type, one of {', '.join(TYPES)}, or dataConverter")
    form = Form(type_ or "uint8", visitor.offset, visitor.length, visitor.order)
    return Meaning(form.decode, None if form.offset else form.encode)


class _Labelled:
    """The label whose bytes they are."""

    def __init__(self, labels: Mapping[str, bytes]) -> None:
        self._by_bytes = {data: label for label, data in labels.items()}

    def decode(self, data: bytes) -> str:
        try:
            return self._by_bytes[data]
        except KeyError:
            raise ValueError(f"no label of dataWrite has the bytes {data[:20].hex(' ') or '(none)'}") from None


def _bytes_of(labels: Mapping[str, bytes], value: Value) -> bytes:
    for word in _words(value):
        for label, data in labels.items():
            if label.lower() == word:
                return data
    raise ValueError(f"dataWrite has no bytes for {value!r}; it has them for {', '.join(labels)}")


def _words(value: Value) -> tuple[str, ...]:
    """How a value may be called."""
    if isinstance(value, bool):
        return ("true", "on", "1") if value else ("false", "off", "0")
    if isinstance(value, float) and value.is_integer():
        return (str(int(value)), str(value))
    return (str(value).lower(),)


def all_decodings(data: bytes) -> dict[str, str]:
    """The bytes in every way they could be meant, as far as they suffice."""
    found = {"bytes": data.hex(" ")}
    for type_ in TYPES:
        with suppress(ValueError):
            if type_ not in ("bytes", "bool"):
                found[type_] = str(Form(type_).decode(data))  # type: ignore[arg-type]
    return found
