"""Numbers as they lie in packets: big-endian, on byte boundaries. Pure."""

from __future__ import annotations

import math
import struct
from functools import lru_cache
from typing import Literal

__all__ = ["Format", "encode", "struct_of"]

Format = Literal[
    "uint8", "int8", "uint16", "int16", "uint32", "int32", "uint64", "int64", "float32", "float64"
]  # fmt: skip

_CODES = {
    "uint8": "B", "int8": "b", "uint16": "H", "int16": "h", "uint32": "I", "int32": "i", "uint64": "Q", "int64": "q",
    "float32": "f", "float64": "d",
}  # fmt: skip


@lru_cache
def struct_of(form: Format) -> struct.Struct:
    """Reads and writes one number of this format."""
    return struct.Struct(">" + _CODES[form])


def encode(form: Format, value: float) -> bytes:
    """The bytes of a number; integers are rounded. ValueError when it does not fit."""
    if not math.isfinite(value):
        raise ValueError(f"{value} is no number that can be sent")
    try:
        return struct_of(form).pack(value if form.startswith("float") else round(value))
    except (struct.error, OverflowError):
        raise ValueError(f"{value} does not fit into {form}") from None
