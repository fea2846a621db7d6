"""The checksums that instruments close their frames with. Pure.

The CRC names and check values are those of the CRC RevEng catalogue; xor is the block check character (BCC) of
ISO 1745, lrc the two's complement of the sum.
"""

from __future__ import annotations

import binascii
from collections.abc import Callable
from dataclasses import dataclass
from functools import reduce
from operator import xor
from typing import Literal

Algorithm = Literal[
    "none", "xor", "sum", "lrc", "crc16-modbus", "crc16-arc", "crc16-kermit", "crc16-xmodem", "crc16-ccitt"
]
Order = Literal["big", "little"]


@dataclass(frozen=True, slots=True)
class Checksum:
    """An algorithm, and how its result is written: as bytes, or as upper-case hexadecimal digits."""

    algorithm: Algorithm = "none"
    hexadecimal: bool = False
    order: Order = "big"

    @property
    def size(self) -> int:
        """Bytes in the frame."""
        return _WIDTHS[self.algorithm] * (2 if self.hexadecimal else 1)

    def of(self, data: bytes) -> bytes:
        """The checksum of these bytes, as it is written."""
        width = _WIDTHS[self.algorithm]
        value = _ALGORITHMS[self.algorithm](data).to_bytes(width, self.order)
        return value.hex().upper().encode() if self.hexadecimal else value

    def fits(self, data: bytes, written: bytes) -> bool:
        """Whether that is the checksum of these bytes. Hexadecimal digits may be small."""
        return self.of(data) == (written.upper() if self.hexadecimal else written)


def xor_of(data: bytes) -> int:
    """All bytes, exclusive or."""
    return reduce(xor, data, 0)


def _reflected_table(polynomial: int) -> list[int]:
    table = []
    for byte in range(256):
        value = byte
        for _ in range(8):
            value = value >> 1 ^ (polynomial if value & 1 else 0)
        table.append(value)
    return table


def _reflected(polynomial: int, initial: int) -> Callable[[bytes], int]:
    table = _reflected_table(polynomial)

    def crc(data: bytes) -> int:
        value = initial
        for byte in data:
            value = value >> 8 ^ table[(value ^ byte) & 0xFF]
        return value

    return crc


_ALGORITHMS: dict[Algorithm, Callable[[bytes], int]] = {
    "none": lambda _: 0,
    "xor": xor_of,
    "sum": lambda data: sum(data) & 0xFF,
    "lrc": lambda data: -sum(data) & 0xFF,
    "crc16-modbus": _reflected(0xA001, 0xFFFF),
    "crc16-arc": _reflected(0xA001, 0),
    "crc16-kermit": _reflected(0x8408, 0),
    "crc16-xmodem": lambda data: binascii.crc_hqx(data, 0),
    "crc16-ccitt": lambda data: binascii.crc_hqx(data, 0xFFFF),
}
_WIDTHS: dict[Algorithm, int] = {name: 2 if name.startswith("crc16") else 1 for name in _ALGORITHMS} | {"none": 0}
