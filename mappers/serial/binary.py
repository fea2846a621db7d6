"""Numbers, text and bytes at a fixed place in a message. Pure."""

from __future__ import annotations

import math
import re
import struct
from dataclasses import dataclass
from typing import Literal, cast

Kind = Literal["int", "uint", "float", "text", "bytes"]
Order = Literal["big", "little"]
_NUMBER = re.compile(r"(u?int)(8|16|24|32|40|48|56|64)|(float)(16|32|64)")
_BYTES = re.compile(r"(text|bytes):(\d{1,4})")
_FLOATS = {2: "e", 4: "f", 8: "d"}


@dataclass(frozen=True, slots=True)
class Layout:
    """How a value lies in so many bytes."""

    kind: Kind
    size: int
    order: Order

    def decode(self, data: bytes) -> int | float | str | bytes:
        """The value in exactly these bytes. ValueError when they hold none."""
        match self.kind:
            case "text":
                return data.rstrip(b"\0 ").decode("latin-1")
            case "bytes":
                return data
            case "float":
                return cast(float, struct.unpack(self._float, data)[0])
        return int.from_bytes(data, self.order, signed=self.kind == "int")

    def encode(self, value: bool | float | str | bytes) -> bytes:
        """The bytes of a value. ValueError when it does not fit."""
        if isinstance(value, (str, bytes)):
            return self._encode_text(value)
        try:
            if self.kind == "float":
                return struct.pack(self._float, value)
            if self.kind in ("int", "uint") and math.isfinite(value):
                return round(value).to_bytes(self.size, self.order, signed=self.kind == "int")
        except (OverflowError, struct.error):
            pass
        raise ValueError(f"{value} does not fit into {self.kind} of {8 * self.size} bits")

    def _encode_text(self, value: str | bytes) -> bytes:
        data = value.encode("latin-1") if isinstance(value, str) else value
        if self.kind not in ("text", "bytes") or len(data) > self.size:
            raise ValueError(f"{value!r} does not fit into {self.size} bytes of {self.kind}")
        return data.ljust(self.size, b"\0")

    @property
    def _float(self) -> str:
        return (">" if self.order == "big" else "<") + _FLOATS[self.size]


def layout_of(words: str) -> Layout:
    """`int16`, `uint32 little`, `text:8`. ValueError, with what there is, for others."""
    name, _, order = words.strip().partition(" ")
    number, some = _NUMBER.fullmatch(name), _BYTES.fullmatch(name)
    order = order.strip() or "big"
    if order in ("big", "little"):
        if number:
            bits = int(number[2] or number[4])
            return Layout(cast(Kind, number[1] or number[3]), bits // 8, cast(Order, order))
        if some and int(some[2]):
            return Layout(cast(Kind, some[1]), int(some[2]), "big")
    raise ValueError(
        f"{words!r} is no binary layout; write int16, uint32, float32 and so on, perhaps with little behind it,"
        " or text:8 or bytes:4"
    )
