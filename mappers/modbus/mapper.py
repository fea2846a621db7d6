"""The Modbus mapper: coalesced reads, all writes, fallback where a slave refuses."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from device_models.model import Conversion, DataType
from mappers.mapper import (
    Batch,
    CannotDiscover,
    Discovery,
    Failure,
    LinkLost,
    Mapper,
    NoAnswer,
    Point,
    Refused,
    Value,
)
from mappers.modbus import spelling
from mappers.modbus.codec import Decode, all_decodings, bit_decoder, decoder
from mappers.modbus.config import ModbusConfig, ModbusVisitor
from mappers.modbus.formats import bits_of, check_span, format_of, length_of
from mappers.modbus.plan import Block, Span, plan
from mappers.modbus.slave_exception import SlaveException

if TYPE_CHECKING:
    from mappers.modbus.wire import LateAnswers, Wire

ModbusPoint = Point[ModbusConfig, ModbusVisitor]

ILLEGAL_FUNCTION = 1
WRONG_REQUEST = frozenset({2, 3})
"""Exceptions that say a smaller request may do: illegal data address, illegal data value."""
DEVICE_FAILURE = 4
GATEWAY_SILENT = frozenset({10, 11})
"""Exceptions of a gateway whose slave does not answer."""
MOST_WRITTEN = 123
"""Registers in one write request."""


@dataclass(frozen=True, slots=True, eq=False)
class ModbusBatch(Batch[ModbusConfig, ModbusVisitor]):
    """One read request, and how its answer becomes values."""

    unit: int
    block: Block[ModbusPoint]
    room: int
    """How many may be read from its address on."""
    decode: Decode


class ModbusMapper(Mapper[ModbusConfig, ModbusVisitor]):
    """One TCP connection or serial line, and the slaves behind it."""

    Config = ModbusConfig
    Visitor = ModbusVisitor
    config_spelling = spelling.CONFIG
    visitor_spelling = spelling.VISITOR
    survives_silence = True

    def __init__(self, points: Sequence[ModbusPoint]) -> None:
        super().__init__(points)
        _check_line(points)
        self._wire: Wire | None = None
        self._late: LateAnswers = {}
        self._code = 0
        """The exception of the last refused read."""
        self._proven: set[ModbusBatch] = set()
        """Blocks that were read whole."""
        self._good_units: set[int] = set()
        self._multiple_only: set[int] = set()
        """Slaves that know function 16 but not 6."""

    async def connect(self) -> None:
        from mappers.modbus.wire import open_wire  # noqa: PLC0415 - pymodbus costs 12 MB: only who connects pays

        self._proven.clear()
        self._good_units.clear()
        self._wire = await open_wire(self.config, self._late)

    async def close(self) -> None:
        if self._wire is not None:
            self._wire.close()
            self._wire = None

    def plan(self, points: Sequence[ModbusPoint]) -> Sequence[ModbusBatch]:
        spans = [
            Span(p.visitor.register, p.visitor.address, length_of(p.property, p.config, p.visitor), p) for p in points
        ]
        return [_batch(block) for block in plan(spans, points[0].config.limits)]

    def split(self, batch: ModbusBatch) -> Sequence[ModbusBatch]:
        """Halve a block that was refused for what it asks. A general failure is a reason too, unless it is the
        slave's answer to everything, or the block is known to be readable."""
        perhaps = self._code == DEVICE_FAILURE and batch.unit in self._good_units and batch not in self._proven
        return [_batch(half) for half in batch.block.halves()] if perhaps or self._code in WRONG_REQUEST else []

    async def read(self, batch: ModbusBatch) -> Sequence[Value | Failure]:
        block = batch.block
        try:
            data = await self._line.read(batch.unit, block.table, block.address, block.count, batch.room)
        except SlaveException as error:
            self._code = error.code
            raise _meaning(error) from None
        self._proven.add(batch)
        self._good_units.add(batch.unit)
        return batch.decode(data)

    def describe(self, batch: ModbusBatch) -> str:
        block = batch.block
        last = f"-{block.address + block.count - 1}" if block.count > 1 else ""
        return f"unit {batch.unit}, {block.table} {block.address}{last}"

    async def decodings(self, point: ModbusPoint) -> Mapping[str, str]:
        if point.visitor.register in ("coil", "discrete"):
            return {}
        table, address = point.visitor.register, point.visitor.address
        for count in (4, 2, 1):
            with suppress(SlaveException):
                return all_decodings(await self._line.read(point.config.unit, table, address, count))
        return {}

    async def write(self, point: ModbusPoint, value: Value) -> None:
        visitor = point.visitor
        if visitor.register in ("input", "discrete"):
            raise ValueError(f"{visitor.register} registers can only be read")
        try:
            if visitor.register == "coil":
                await self._line.write_coils(point.config.unit, visitor.address, _bits(value, bits_of(visitor)))
            else:
                await self._write_registers(point, value)
        except SlaveException as error:
            raise _meaning(error) from None

    async def _write_registers(self, point: ModbusPoint, value: Value) -> None:
        form = format_of(point.property, point.config, point.visitor)
        if form.count > MOST_WRITTEN:
            raise ValueError(f"{form.count} registers do not fit into one write request")
        conversion = self.conversion_of(point)
        if form.kind == "bit":
            word = replace(form, kind="uint", truth=False)
            value = await self._merge(point, word, bool(value) << form.bit, 1 << form.bit)
            form = word
        elif conversion is not None and conversion.mask is not None and form.kind in ("int", "uint"):
            value = await self._merge(point, replace(form, truth=False), int(value), conversion.mask)
        await self._write_data(point.config.unit, point.visitor.address, form.encode(value))

    async def _merge(self, point: ModbusPoint, form: Any, bits: int, mask: int) -> int:
        """The register with only the masked bits changed."""
        data = await self._line.read(point.config.unit, "holding", point.visitor.address, form.count)
        return (int(form.decode(data)) & ~mask) | (bits & mask)

    async def _write_data(self, unit: int, address: int, data: bytes) -> None:
        multiple = unit in self._multiple_only
        try:
            await self._line.write_registers(unit, address, data, multiple=multiple)
        except SlaveException as error:
            if error.code != ILLEGAL_FUNCTION or multiple or len(data) > 2:
                raise
            await self._line.write_registers(unit, address, data, multiple=True)
            self._multiple_only.add(unit)

    @property
    def _line(self) -> Wire:
        if self._wire is None:
            raise LinkLost("not connected")
        return self._wire

    # -- configuration -------------------------------------------------------------------------------------

    @classmethod
    def link_of(cls, config: ModbusConfig) -> str:
        if config.serial_port:
            return config.serial_port
        scheme = "tcp" if config.framing == "tcp" else "rtu+tcp"
        return f"{scheme}://{config.host}:{config.port}"

    @classmethod
    def conversion_of(cls, point: ModbusPoint) -> Conversion | None:
        declared, scale = point.property.conversion, point.visitor.scale
        if scale in (None, 0, 1):  # KubeEdge takes 0 for "none"
            return declared
        return replace(declared or Conversion(), scale=scale)

    @classmethod
    def check(cls, point: ModbusPoint) -> None:
        check_span(point.property, point.config, point.visitor)
        declared, scale = point.property.conversion, point.visitor.scale
        if declared is not None and declared.scale is not None and scale not in (None, 0, 1, declared.scale):
            raise ValueError(f"scale is {scale} here and {declared.scale} in the conversion: leave one out")
        if point.property.type is DataType.STREAM:
            raise ValueError("Modbus has no streams")

    @classmethod
    async def discover(cls, target: str, options: Mapping[str, str]) -> Discovery:  # noqa: ARG003 - whatever they are
        raise CannotDiscover(
            "Modbus tells neither which registers a device has nor what they mean, and asking every unit of a gateway"
            " would hold up all who use it. Take one register from the device's manual, declare it as a property"
            " (docs/protocols/modbus.md shows how), and look with `twinhub try DEVICE`: it shows what is there in"
            " every type and byte order"
        )


def _batch(block: Block[ModbusPoint]) -> ModbusBatch:
    points = tuple(span.key for span in block.spans)
    places = [span.address - block.address for span in block.spans]
    if block.table in ("coil", "discrete"):
        truths = [point.property.type is DataType.BOOLEAN for point in points]
        decode = bit_decoder([(at, span.count, t) for at, span, t in zip(places, block.spans, truths, strict=True)])
    else:
        formats = [format_of(point.property, point.config, point.visitor) for point in points]
        decode = decoder(list(zip(places, formats, strict=True)), 2 * block.count)
    config = points[0].config
    return ModbusBatch(points, config.unit, block, config.limits.room(block.table, block.address), decode)


def _bits(value: Value, count: int) -> list[bool]:
    if isinstance(value, (str, bytes)):
        raise ValueError("a coil takes a number or a truth")  # noqa: TRY004 - ValueError is the contract
    number = round(value)
    if not 0 <= number < 1 << count:
        raise ValueError(f"{number} does not fit into {count} bits")
    return [bool(number >> place & 1) for place in range(count)]


def _meaning(error: SlaveException) -> Exception:
    return NoAnswer(str(error)) if error.code in GATEWAY_SILENT else Refused(str(error))


def _check_line(points: Sequence[ModbusPoint]) -> None:
    """A serial line has one speed."""
    first = points[0]
    for point in points:
        if point.config.serial_port and _line_settings(point.config) != _line_settings(first.config):
            raise ValueError(
                f"{first.device_id} and {point.device_id} share {first.config.serial_port} and disagree about"
                " baudRate, dataBits, parity or stopBits: write the same in both"
            )


def _line_settings(config: ModbusConfig) -> tuple[int, int, str, int]:
    return config.baud_rate, config.data_bits, config.parity, config.stop_bits
