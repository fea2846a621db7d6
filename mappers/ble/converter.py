"""KubeEdge's `dataConverter`: some bytes as one number, shifted, then calculated with. Pure.

The bytes from `startIndex` to `endIndex`, both included, are one unsigned number, the first of them its highest;
with `startIndex` above `endIndex` they are taken backwards, which reads little-endian values. KubeEdge's own mapper
strings the bytes together as decimal digits (1 and 44 as 144); for one byte that is the same number, for more it is
a defect that nobody can want, and is not imitated.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Literal

from msgspec import Meta, Struct

Index = Annotated[int, Meta(ge=0, le=511)]
Shift = Annotated[int, Meta(ge=0, le=63)]


class Operation(Struct, frozen=True, forbid_unknown_fields=True, rename="camel"):
    """One step of arithmetic."""

    operation_type: Literal["Add", "Subtract", "Multiply", "Divide"]
    operation_value: float

    def __post_init__(self) -> None:
        if self.operation_type == "Divide" and self.operation_value == 0:
            raise ValueError("operationValue: nothing can be divided by 0")

    def apply(self, value: float) -> float:
        """Do it."""
        match self.operation_type:
            case "Add":
                return value + self.operation_value
            case "Subtract":
                return value - self.operation_value
            case "Multiply":
                return value * self.operation_value
        return value / self.operation_value


class DataConverter(Struct, frozen=True, forbid_unknown_fields=True, rename="camel"):
    """Some bytes as a number."""

    start_index: Index = 0
    end_index: Index = 0
    shift_left: Shift = 0
    shift_right: Shift = 0
    """Without effect beside shiftLeft, as in KubeEdge."""
    order_of_operations: tuple[Operation, ...] = ()

    def decode(self, data: bytes) -> int | float:
        """The number. ValueError when there are too few bytes."""
        low, high = sorted((self.start_index, self.end_index))
        if len(data) <= high:
            raise ValueError(f"{len(data)} bytes hold no byte {high}: {data[:20].hex(' ') or 'empty'}")
        order: Literal["big", "little"] = "big" if self.start_index <= self.end_index else "little"
        number = int.from_bytes(data[low : high + 1], order)
        shifted = number << self.shift_left if self.shift_left else number >> self.shift_right
        return _calculate(self.order_of_operations, shifted)


def _calculate(operations: Sequence[Operation], number: float) -> int | float:
    for operation in operations:
        number = operation.apply(number)
    return number
