"""Registers and bits to values and back: types, widths, the four byte orders. Pure, no I/O.

An order names where the bytes of a value ABCD are found on the wire, register by register. With W as "swap the
two bytes of each register": ABCD is big-endian, DCBA little-endian, BADC big-endian after W, CDAB little-endian
after W; that holds for any width, so a block is swapped at most once and unpacked at most four times.
"""

from __future__ import annotations

import math
import struct
from array import array
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple

Order = Literal["ABCD", "DCBA", "BADC", "CDAB"]
Kind = Literal["int", "uint", "float", "string", "bytes", "bit"]
Value = bool | int | float | str | bytes

ORDERS: tuple[Order, ...] = ("ABCD", "DCBA", "BADC", "CDAB")
_NUMBERS: dict[tuple[Kind, int], str] = {
    ("int", 1): "h", ("int", 2): "i", ("int", 4): "q",
    ("uint", 1): "H", ("uint", 2): "I", ("uint", 4): "Q",
    ("float", 2): "f", ("float", 4): "d",
}  # fmt: skip


class Layout(NamedTuple):
    """How an order is undone: swap the bytes of each register, then read with that endianness."""

    swapped: bool
    endian: Literal[">", "<"]


LAYOUTS: dict[Order, Layout] = {
    "ABCD": Layout(False, ">"),
    "DCBA": Layout(False, "<"),
    "BADC": Layout(True, ">"),
    "CDAB": Layout(True, "<"),
}


@dataclass(frozen=True, slots=True)
class Format:
    """How one property lies in registers."""

    kind: Kind
    count: int
    """Registers."""
    order: Order = "ABCD"
    bit: int = 0
    """For kind bit: which bit of the register, 0 is the lowest."""
    truth: bool = False
    """The property is a BOOLEAN: anything but zero is true."""

    def __post_init__(self) -> None:
        if self.kind in ("int", "uint", "float") and (self.kind, self.count) not in _NUMBERS:
            raise ValueError(f"a {self.kind} cannot have {self.count} registers")

    def decode(self, data: bytes) -> Value:
        """The value in the register bytes as they came. ValueError: they are no such value."""
        value: Value | ValueError = decoder([(0, self)], len(data))(data)[0]
        if isinstance(value, ValueError):
            raise value
        return value

    def encode(self, value: Value) -> bytes:
        """The register bytes to write. ValueError: the value does not fit. Not for single bits."""
        natural = self._natural(value)
        swapped, endian = LAYOUTS[self.order]
        wire = natural if endian == ">" else natural[::-1]
        return swap(wire) if swapped else wire

    def _natural(self, value: Value) -> bytes:
        if isinstance(value, str):
            value = value.encode()
        if isinstance(value, bytes):
            if len(value) > 2 * self.count:
                raise ValueError(f"{len(value)} bytes do not fit into {self.count} registers")
            return value.ljust(2 * self.count, b"\0")
        if self.kind != "float":
            value = _whole(value)
        try:
            return struct.pack(">" + _NUMBERS[self.kind, self.count], value)
        except (struct.error, OverflowError, KeyError) as error:
            bits = 16 * self.count
            raise ValueError(f"{value} does not fit into a {self.kind} of {bits} bits") from error


def _whole(value: float) -> int:
    """The nearest register step: conversions leave 212.99999999999997 for 213."""
    if not math.isfinite(value):
        raise ValueError(f"{value} is no number that registers can hold")
    return round(value)


def swap(data: bytes) -> bytes:
    """Swap the two bytes of every register."""
    words = array("H", data)
    words.byteswap()
    return words.tobytes()


class _Field(NamedTuple):
    """A part of a block that one struct character reads."""

    offset: int
    """Bytes."""
    size: int
    code: str
    layout: Layout


class _Layer(NamedTuple):
    """Fields of one layout that do not overlap, by offset."""

    layout: Layout
    fields: list[_Field]


Decode = Callable[[bytes], list[Any]]


def decoder(parts: Sequence[tuple[int, Format]], size: int) -> Decode:
    """A function from the bytes of a block of registers to its values, in the order of `parts`.

    `parts` are (first register within the block, format); `size` is the block's length in bytes. A value that
    cannot be decoded comes as a ValueError instance in its place: it must not cost the others.
    """
    fields = [_field(register, layout) for register, layout in parts]
    layers = _layers(sorted(set(fields)))
    structs = [(layer.layout.swapped, struct.Struct(_code(layer, size)).unpack) for layer in layers]
    places = {field: place for place, field in enumerate(field for layer in layers for field in layer.fields)}
    picks = [(places[field], _finish(form)) for field, (_, form) in zip(fields, parts, strict=True)]
    any_swapped = any(swapped for swapped, _ in structs)

    def decode(data: bytes) -> list[Any]:
        other = swap(data) if any_swapped else data
        found: list[Any] = []
        for swapped, unpack in structs:
            found += unpack(other if swapped else data)
        return [found[place] if finish is None else finish(found[place]) for place, finish in picks]

    return decode


def _field(register: int, form: Format) -> _Field:
    code = _NUMBERS.get((form.kind, form.count)) or ("H" if form.kind == "bit" else f"{2 * form.count}s")
    return _Field(2 * register, 2 * form.count, code, LAYOUTS[form.order])


def _layers(fields: Sequence[_Field]) -> list[_Layer]:
    layers: list[_Layer] = []
    for field in fields:
        for layer in layers:
            last = layer.fields[-1]
            if layer.layout == field.layout and last.offset + last.size <= field.offset:
                layer.fields.append(field)
                break
        else:
            layers.append(_Layer(field.layout, [field]))
    return layers


def _code(layer: _Layer, size: int) -> str:
    code, at = str(layer.layout.endian), 0
    for field in layer.fields:
        code += f"{field.offset - at}x{field.code}"
        at = field.offset + field.size
    return f"{code}{size - at}x"


def _finish(form: Format) -> Callable[[Any], Any] | None:
    """What is left to do after unpacking."""
    match form.kind:
        case "string":
            return _text if LAYOUTS[form.order].endian == ">" else lambda raw: _text(raw[::-1])
        case "bytes":
            return None if LAYOUTS[form.order].endian == ">" else lambda raw: raw[::-1]
        case "bit":
            shift, cast = form.bit, bool if form.truth else int
            return lambda word: cast(word >> shift & 1)
    return bool if form.truth else None


def _text(raw: bytes) -> str | ValueError:
    try:
        return raw.rstrip(b"\0 ").decode()
    except UnicodeDecodeError:
        return ValueError(f"the registers hold no text: {raw.hex(' ')}")


def bit_decoder(parts: Sequence[tuple[int, int, bool]]) -> Decode:
    """The same for a block of coils or discrete inputs, packed lowest bit first.

    `parts` are (first bit within the block, number of bits, whether the property is a BOOLEAN); several bits are
    one unsigned number, the first is its lowest.
    """
    picks = [(first, (1 << count) - 1, bool if truth else int) for first, count, truth in parts]

    def decode(data: bytes) -> list[Any]:
        bits = int.from_bytes(data, "little")
        return [cast(bits >> first & mask) for first, mask, cast in picks]

    return decode


def all_decodings(data: bytes) -> dict[str, str]:
    """Registers in every way they could be meant: `uint16 ABCD` → text, as far as the registers suffice."""
    found = {"registers": data.hex(" ", 2), "text": data.decode("ascii", "replace").replace("\ufffd", "?")}
    for kind, count in sorted(_NUMBERS, key=lambda each: (each[1], each[0])):
        for order in ORDERS if count > 1 else ("ABCD", "BADC"):
            if 2 * count <= len(data):
                value = Format(kind, count, order).decode(data[: 2 * count])
                found[f"{kind}{16 * count} {order}"] = f"{value:.7g}" if isinstance(value, float) else str(value)
    return found
