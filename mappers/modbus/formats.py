"""How a property lies in a slave: from its declared type and its visitor to a format, and to the span to read."""

from __future__ import annotations

import re
from functools import lru_cache

from device_models.model import DataType, Property
from mappers.modbus.codec import Format, Kind, Order
from mappers.modbus.config import ModbusConfig, ModbusVisitor, Type


def format_of(prop: Property, config: ModbusConfig, visitor: ModbusVisitor) -> Format:
    """How a property lies in registers. ValueError when type, count, bit and table contradict each other.

    Without a type that names a width, as in KubeEdge: `count` registers are an unsigned number, a 32-bit float for
    two registers of a float or double, a 64-bit float for four.
    """
    return _format_of(prop.type, visitor.byte_order(config.order), visitor)


@lru_cache(maxsize=1024)
def _format_of(type_: DataType, order: Order, visitor: ModbusVisitor) -> Format:
    if visitor.register in ("coil", "discrete"):
        raise ValueError("bits have no register format")
    truth = type_ is DataType.BOOLEAN
    if visitor.bit is not None:
        if visitor.type not in (None, "bool", "int") or visitor.count not in (None, 1):
            raise ValueError("bit picks one bit of one register: leave type and count out")
        return Format("bit", 1, order, visitor.bit, truth=truth)
    kind, count = _kind_of(type_, visitor)
    if visitor.count not in (None, count):
        raise ValueError(f"{visitor.type} has {count} registers, not {visitor.count}: leave count out")
    return Format(kind, count, order, truth=truth)


_SIZED = re.compile(r"(u?int|float)(\d+)")
_TYPES: dict[DataType, Type] = {
    DataType.INT: "int",
    DataType.FLOAT: "float",
    DataType.DOUBLE: "double",
    DataType.BOOLEAN: "bool",
    DataType.STRING: "string",
    DataType.BYTES: "bytes",
}


def _kind_of(type_: DataType, visitor: ModbusVisitor) -> tuple[Kind, int]:
    word = visitor.type or _TYPES.get(type_)
    if word is None:
        raise ValueError(f"Modbus has no {type_}; known are {', '.join(_TYPES)}")
    sized = _SIZED.fullmatch(word)
    if sized:
        return sized[1], int(sized[2]) // 16  # type: ignore[return-value]
    if word in ("string", "bytes"):
        if visitor.count is None:
            raise ValueError(f"{word} needs count (limit): its number of registers")
        return word, visitor.count
    if word in ("float", "double") and visitor.count is None:
        raise ValueError(f"a {word} needs type: float32 or float64, or the integer (int16, …) that is to be scaled")
    count = visitor.count or 1
    if word in ("float", "double") and count in (2, 4):
        return "float", count
    if count not in (1, 2, 4):
        raise ValueError(f"a number has 1, 2 or 4 registers, not {count}: change count (limit)")
    return "uint", count


def bits_of(visitor: ModbusVisitor) -> int:
    """How many coils or inputs a property takes. ValueError when the visitor speaks of registers."""
    if visitor.bit is not None or visitor.type not in (None, "bool", "int"):
        raise ValueError(f"a {visitor.register} is a single bit: leave bit and type out")
    count = visitor.count or 1
    if count > 64:
        raise ValueError(f"at most 64 bits make a number, not {count}: change count (limit)")
    return count


def length_of(prop: Property, config: ModbusConfig, visitor: ModbusVisitor) -> int:
    """The length of a property's span: registers, or bits of a bit table. ValueError when there is none."""
    if visitor.register in ("coil", "discrete"):
        return bits_of(visitor)
    return format_of(prop, config, visitor).count


def check_span(prop: Property, config: ModbusConfig, visitor: ModbusVisitor) -> None:
    """ValueError when a property cannot be read where its visitor says."""
    count, limits = length_of(prop, config, visitor), config.limits
    if visitor.address + count > 65536:
        raise ValueError(f"{count} from address {visitor.address} reach beyond 65535")
    if limits.forbids(visitor.register, visitor.address, visitor.address + count):
        raise ValueError(f"it lies in a range that configData.forbidden excludes ({visitor.address} and on)")
    if count > limits.most(visitor.register):
        raise ValueError(f"{count} registers do not fit into one request: maxBlock is {config.max_block}")
