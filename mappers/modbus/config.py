"""The Modbus fields of a manifest as two typed forms: `protocol.configData` and `visitors.configData`.

Other spellings, KubeEdge's among them, are put into these by `spelling`.
"""

from __future__ import annotations

from typing import Annotated, Literal

from msgspec import Meta, Struct

from mappers.modbus.codec import Order
from mappers.modbus.plan import Forbidden, Limits, Table

Address = Annotated[int, Meta(ge=0, le=65535)]
Mode = Literal["tcp", "rtu", "rtuovertcp"]
Type = Literal[
    "int16", "uint16", "int32", "uint32", "int64", "uint64", "float32", "float64", "string", "bytes", "bool",
    "int", "float", "double",
]  # fmt: skip


class ForbiddenRange(Struct, frozen=True, forbid_unknown_fields=True):
    """Addresses that must never be read, both ends included."""

    register: Table
    first: Address
    last: Address


class ModbusConfig(Struct, frozen=True, forbid_unknown_fields=True, rename="camel", kw_only=True):
    """How to reach a slave, and what to spare it."""

    host: str = ""
    """Name or address of the slave or gateway; empty for a serial line."""
    port: Annotated[int, Meta(ge=1, le=65535)] = 502
    serial_port: str = ""
    """The device file of the line, `/dev/ttyUSB0`."""
    baud_rate: Annotated[int, Meta(ge=50, le=4_000_000)] = 9600
    data_bits: Literal[5, 6, 7, 8] = 8
    parity: Literal["none", "even", "odd"] = "none"
    stop_bits: Literal[1, 2] = 1
    mode: Mode | None = None
    """Left out: `tcp` with a host, `rtu` with a serial port. RTU frames over TCP must be asked for."""
    unit: Annotated[int, Meta(ge=0, le=255)] = 1
    """The slave's address behind host or line (unit identifier)."""
    timeout: Annotated[float, Meta(gt=0, le=60)] = 1.0
    """Seconds an answer is waited for."""
    order: Order = "ABCD"
    """Byte order of properties that do not say theirs."""
    max_gap: Annotated[int, Meta(ge=0, le=125)] = 8
    max_block: Annotated[int, Meta(ge=1, le=125)] | None = None
    forbidden: tuple[ForbiddenRange, ...] = ()

    def __post_init__(self) -> None:
        if bool(self.host) == bool(self.serial_port):
            raise ValueError("write either host (TCP) or serialPort (a serial line)")
        if self.mode == "tcp" and not self.host:
            raise ValueError("mode tcp needs host")

    @property
    def framing(self) -> Mode:
        """What is spoken, and over what."""
        if self.serial_port:
            return "rtu"
        return "tcp" if self.mode in (None, "tcp") else "rtuovertcp"

    @property
    def limits(self) -> Limits:
        """For the planner."""
        forbidden = tuple(Forbidden(f.register, f.first, f.last) for f in self.forbidden)
        return Limits(self.max_gap, self.max_block, forbidden)


class ModbusVisitor(Struct, frozen=True, forbid_unknown_fields=True, rename="camel", kw_only=True):
    """Where a property lies in a slave, and how."""

    register: Table
    address: Address
    """As in the protocol, from 0: the holding register that a manual calls 40001 is 0."""
    type: Type | None = None
    """Left out, or one of KubeEdge's words (int, float, double): see `formats`."""
    count: Annotated[int, Meta(ge=1, le=125)] | None = None
    """Registers; needed for string and bytes, given by all other types."""
    bit: Annotated[int, Meta(ge=0, le=15)] | None = None
    """One bit of the register, 0 is the lowest."""
    order: Order | None = None
    is_swap: bool = False
    """KubeEdge's: swap the two bytes of each register."""
    is_register_swap: bool = False
    """KubeEdge's: the register with the lowest bits comes first."""
    scale: float | None = None
    """KubeEdge's: a factor for the value. Elsewhere it is the property's conversion."""

    def __post_init__(self) -> None:
        if self.order and (self.is_swap or self.is_register_swap):
            raise ValueError("write either order, or isSwap and isRegisterSwap, not both")

    def byte_order(self, default: Order) -> Order:
        """The order, by name."""
        if self.is_swap or self.is_register_swap:
            return ("CDAB" if not self.is_swap else "DCBA") if self.is_register_swap else "BADC"
        return self.order or default
