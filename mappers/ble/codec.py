"""Bytes of a characteristic or an advertisement to values and back. Pure, no I/O.

Numbers are little-endian unless a form says otherwise. `sfloat` and `float` are the 16-bit and 32-bit decimal
numbers of IEEE 11073-20601, which medical profiles use; `float32` and `float64` are the binary ones of IEEE 754.
"""

from __future__ import annotations

import math
import struct
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal, get_args

Type = Literal[
    "int8", "uint8", "int16", "uint16", "int24", "uint24", "int32", "uint32", "int48", "uint48", "int64", "uint64",
    "float32", "float64", "sfloat", "float", "bool", "utf8", "bytes",
]  # fmt: skip
Order = Literal["little", "big"]
Value = bool | int | float | str | bytes

TYPES: tuple[str, ...] = get_args(Type)
SIZES: Mapping[str, int] = {
    "float32": 4, "float64": 8, "sfloat": 2, "float": 4, "bool": 1,
    **{f"{sign}int{bits}": bits // 8 for sign in ("", "u") for bits in (8, 16, 24, 32, 48, 64)},
}  # fmt: skip
"""Bytes; text and bytes have no size of their own."""


class Unknown(ValueError):
    """The device itself says that it does not know the value."""


@dataclass(frozen=True, slots=True)
class Form:
    """How a value lies in bytes."""

    type: Type
    offset: int = 0
    """Bytes before it."""
    length: int | None = None
    """Bytes of a text or of bytes; None: all that follow."""
    order: Order = "little"
    scale: float = 1
    """The value is the number times this."""
    unknown: int | None = None
    """The number that means "not known"."""

    def decode(self, data: bytes) -> Value:
        """The value. ValueError when the bytes are no such value, Unknown when the device says it has none."""
        size = SIZES.get(self.type)
        piece = data[self.offset : self._end(size)]
        if len(data) < self.offset + (size or 0):
            found = data[:20].hex(" ") or "empty"
            raise ValueError(f"{len(data)} bytes hold no {self.type} at {self.offset}: {found}")
        if size is None:
            return piece if self.type == "bytes" else _text(piece)
        number = _number(self.type, piece, self.order)
        if self.unknown is not None and number == self.unknown:
            raise Unknown("the device does not know it")
        return number if self.scale == 1 else _scaled(number, self.scale)

    def encode(self, value: Value) -> bytes:
        """The bytes to write. ValueError: the value does not fit, or it lies within other bytes."""
        if self.offset:
            raise ValueError("a value with an offset is a part of the bytes: it cannot be written alone")
        if isinstance(value, str):
            value = value.encode()
        if isinstance(value, bytes):
            return self._encode_bytes(value)
        if self.type in ("utf8", "bytes"):
            raise ValueError(f"{self.type} takes text, not {value}")
        try:
            return _encode_number(self.type, value if self.scale == 1 else value / self.scale, self.order)
        except (struct.error, OverflowError) as error:
            raise ValueError(f"{value} does not fit into {self.type}") from error

    def _end(self, size: int | None) -> int | None:
        length = self.length if size is None else size
        return None if length is None else self.offset + length

    def _encode_bytes(self, value: bytes) -> bytes:
        if self.type not in ("utf8", "bytes"):
            raise ValueError(f"{self.type} takes a number, not {value!r}")
        if self.length is not None and len(value) > self.length:
            raise ValueError(f"{len(value)} bytes do not fit into {self.length}")
        return value


def _text(data: bytes) -> str:
    try:
        return data.rstrip(b"\0").decode()
    except UnicodeDecodeError as error:
        raise ValueError(f"the bytes are no text: {data[:20].hex(' ')}") from error


def _scaled(number: float, scale: float) -> float:
    """Without the noise of binary fractions: 2150 hundredths are 21.5."""
    return round(number * scale, 12)


def _number(type_: Type, data: bytes, order: Order) -> bool | int | float:
    match type_:
        case "bool":
            return data[0] != 0
        case "sfloat":
            return _decimal(int.from_bytes(data, order), 12)
        case "float":
            return _decimal(int.from_bytes(data, order), 24)
        case "float32" | "float64":
            [number] = struct.unpack(("<" if order == "little" else ">") + ("f" if len(data) == 4 else "d"), data)
            return float(number)
    return int.from_bytes(data, order, signed=type_[0] == "i")


def _encode_number(type_: Type, value: float, order: Order) -> bytes:
    match type_:
        case "bool":
            return bytes([bool(value)])
        case "sfloat":
            return _from_decimal(value, 12, 4).to_bytes(2, order)
        case "float":
            return _from_decimal(value, 24, 8).to_bytes(4, order)
        case "float32" | "float64":
            return struct.pack(("<" if order == "little" else ">") + ("f" if type_ == "float32" else "d"), value)
    if not math.isfinite(value):
        raise OverflowError
    return round(value).to_bytes(SIZES[type_], order, signed=type_[0] == "i")


def _decimal(word: int, bits: int) -> float:
    """A number with a mantissa of so many bits and an exponent of ten above it (IEEE 11073-20601, 2.2.2)."""
    mantissa, top = word & ((1 << bits) - 1), 1 << (bits - 1)
    exponent = word >> bits
    exponent -= (exponent & (8 if bits == 12 else 128)) << 1
    if exponent == 0 and top - 2 <= mantissa <= top + 2:
        return _special(mantissa - top)
    mantissa -= (mantissa & top) << 1
    return float(mantissa * 10**exponent) if exponent >= 0 else mantissa / 10**-exponent


def _special(word: int) -> float:
    """Around the most negative mantissa: +infinity, not a number, not at this resolution, reserved, -infinity."""
    if abs(word) == 2:
        return math.inf if word < 0 else -math.inf
    raise Unknown("the device says that it has no number")


def _from_decimal(value: float, bits: int, exponent_bits: int) -> int:
    """With the smallest exponent, so with all the digits that fit."""
    if not math.isfinite(value):
        raise OverflowError
    limit, lowest = (1 << (bits - 1)) - 3, -(1 << (exponent_bits - 1))
    for exponent in range(lowest, -lowest):
        mantissa: int = round(value / 10**exponent) if exponent >= 0 else round(value * 10**-exponent)
        if abs(mantissa) <= limit:
            return ((exponent & ((1 << exponent_bits) - 1)) << bits) | (mantissa & ((1 << bits) - 1))
    raise OverflowError
