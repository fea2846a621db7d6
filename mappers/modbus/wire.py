"""A Modbus connection: pymodbus' frames and messages in a thin asyncio Protocol of our own.

Timeouts, reconnects and the pairing of answers are ours, so that each failure is an exception at once: a closed
connection, garbage, an answer that does not fit its request. One request at a time; a request that is cancelled
may be answered late, and that answer is dropped.
"""

from __future__ import annotations

import asyncio
import logging
from contextlib import suppress
from typing import Any, cast

from pymodbus.exceptions import ModbusException
from pymodbus.framer import FramerRTU, FramerSocket
from pymodbus.pdu import DecodePDU, ExceptionResponse, ModbusPDU
from pymodbus.pdu.bit_message import (
    ReadCoilsRequest,
    ReadDiscreteInputsRequest,
    WriteMultipleCoilsRequest,
    WriteSingleCoilRequest,
)
from pymodbus.pdu.register_message import (
    ReadHoldingRegistersRequest,
    ReadInputRegistersRequest,
    WriteMultipleRegistersRequest,
    WriteSingleRegisterRequest,
)
from pymodbus.transport.serialtransport import create_serial_connection

from mappers.mapper import LinkLost, NoAnswer
from mappers.modbus.config import ModbusConfig
from mappers.modbus.plan import Table
from mappers.modbus.rtu import WRITE_ANSWER_SIZE, find_answer, read_answer_size
from mappers.modbus.slave_exception import SlaveException

# pymodbus logs each bad frame as an error; here each becomes an exception, and the link logs once.
logging.getLogger("pymodbus.logging").setLevel(logging.CRITICAL)

READS: dict[Table, type[ModbusPDU]] = {
    "coil": ReadCoilsRequest,
    "discrete": ReadDiscreteInputsRequest,
    "holding": ReadHoldingRegistersRequest,
    "input": ReadInputRegistersRequest,
}
LONGEST_NOISE = 1024
"""Bytes that are searched for an answer on a serial line."""
LAST_TRANSACTION = 0xFFFF
SILENT_CHARACTERS = 3.5
"""Between two RTU frames, at least (Modbus over serial line 1.02, 2.5.1.1); 1.75 ms above 19200 baud."""


class _Data(ModbusPDU):
    """A read answer, kept as the bytes it carries: unpacking is done for a whole block at once."""

    rtu_byte_count_pos = 2
    data: bytes = b""

    def decode(self, data: bytes) -> None:
        if len(data) < 1 or len(data) != data[0] + 1:
            raise ValueError("the byte count does not fit the frame")
        self.data = data[1:]

    def __str__(self) -> str:
        return f"{len(self.data)} bytes"  # pymodbus formats each answer for its debug log


class _Coils(_Data):
    function_code = 1


class _Inputs(_Data):
    function_code = 2


class _Holding(_Data):
    function_code = 3


class _Input(_Data):
    function_code = 4


def _decoder() -> DecodePDU:
    decoder = DecodePDU(False)
    for answer in (_Coils, _Inputs, _Holding, _Input):
        decoder.register(answer)
    return decoder


# They hold no state, and a table of all messages each.
_DECODER = _decoder()
_SOCKET = FramerSocket(_DECODER)
_RTU = FramerRTU(_DECODER)


LateAnswers = dict[tuple[int, Table], set[int]]
"""On a line without transactions: lengths in bytes of answers that may still come, by unit and table. It outlives
the connection: a line that is opened again still brings what was asked before."""


class Wire(asyncio.Protocol):
    """Open one with `open_wire`. Methods raise LinkLost, NoAnswer (an answer that does not fit) and SlaveException;
    they never time out by themselves."""

    def __init__(self, config: ModbusConfig, late: LateAnswers) -> None:
        self._tcp = config.framing == "tcp"
        self._framer = _SOCKET if self._tcp else _RTU
        self._pause = 0.0 if config.host else silence_between_frames(config.baud_rate)
        self._transport: asyncio.Transport | None = None
        self._buffer = b""
        self._request: ModbusPDU | None = None
        self._size = 0
        """Of the RTU frame that answers it."""
        self._answer: asyncio.Future[ModbusPDU] | None = None
        self._transaction = 0
        self._gave_up = False
        """A request was cancelled: an answer without a transaction number could be its."""
        self._late = late
        self._lost = "not connected"
        self._quiet_since = 0.0
        self._loop = asyncio.get_running_loop()
        self.opened: asyncio.Future[None] = self._loop.create_future()
        """Done when requests can be made."""

    async def read(self, unit: int, table: Table, address: int, count: int, room: int = 0) -> bytes:
        """The data bytes of a read answer: registers big-endian, bits packed lowest first.

        `room`: how many may be read from the address on, where that is more than `count`.
        """
        if (unit, table) in self._late:
            await self._outlast(unit, table, address, count, max(room, count))
        return await self._read(unit, table, address, count)

    async def _read(self, unit: int, table: Table, address: int, count: int) -> bytes:
        length = _length(table, count)
        try:
            answer = await self._ask(
                READS[table](dev_id=unit, address=address, count=count), read_answer_size(length)
            )
        except asyncio.CancelledError:
            if not self._tcp:
                self._late.setdefault((unit, table), set()).add(length)
            raise
        data = cast(_Data, answer).data
        if len(data) != length:
            raise NoAnswer(f"the answer has {len(data)} bytes, {length} were asked for")
        return data

    async def _outlast(self, unit: int, table: Table, address: int, count: int, room: int) -> None:
        """Ask for something whose answer cannot be taken for a late one, nor a late one for it: the line keeps the
        order, so when that answer is here, nothing older can come."""
        taken = self._late[unit, table] | {_length(table, count)}
        other = next((n for n in range(1, room + 1) if _length(table, n) not in taken), None)
        if other is None:
            del self._late[unit, table]
            raise NoAnswer("a late answer could not be told from the next one")  # the pause lets it pass
        with suppress(SlaveException):
            await self._read(unit, table, address, other)
        del self._late[unit, table]

    async def write_coils(self, unit: int, address: int, bits: list[bool]) -> None:
        """Function 5 for one coil, 15 for several."""
        if len(bits) == 1:
            request: ModbusPDU = WriteSingleCoilRequest(dev_id=unit, address=address, bits=bits)
        else:
            request = WriteMultipleCoilsRequest(dev_id=unit, address=address, bits=bits)
        self._check_echo(await self._ask(request), request)

    async def write_registers(self, unit: int, address: int, data: bytes, *, multiple: bool) -> None:
        """Function 6 for one register, 16 for several or when `multiple` asks for it."""
        registers = [int.from_bytes(data[i : i + 2], "big") for i in range(0, len(data), 2)]
        form = WriteMultipleRegistersRequest if multiple or len(registers) > 1 else WriteSingleRegisterRequest
        request = form(dev_id=unit, address=address, registers=registers)
        self._check_echo(await self._ask(request), request)

    def close(self) -> None:
        """Close; pending requests end."""
        if self._transport is not None:
            self._transport.close()
        self._lose("closed")

    def _check_echo(self, answer: ModbusPDU, request: ModbusPDU) -> None:
        if answer.address != request.address:
            raise NoAnswer(f"the answer confirms address {answer.address}, {request.address} was written")

    async def _ask(self, request: ModbusPDU, size: int = WRITE_ANSWER_SIZE) -> ModbusPDU:
        if self._pause:
            await self._keep_silent()
        if self._transport is None:
            raise LinkLost(self._lost)
        self._transaction = self._transaction % LAST_TRANSACTION + 1 if self._tcp else 0
        request.transaction_id = self._transaction
        if not self._tcp:
            self._buffer = b""  # whatever is in there answers an earlier request
        self._request, self._size = request, size
        self._answer = self._loop.create_future()
        self._transport.write(self._framer.buildFrame(request))
        try:
            answer = await self._answer
        except asyncio.CancelledError:
            self._gave_up = True
            raise
        finally:
            self._answer = None
            self._quiet_since = self._loop.time()
        if isinstance(answer, ExceptionResponse):
            raise SlaveException(answer.exception_code)
        return answer

    async def _keep_silent(self) -> None:
        wait = self._quiet_since + self._pause - self._loop.time()
        if wait > 0:
            await asyncio.sleep(wait)

    # -- asyncio.Protocol ----------------------------------------------------------------------------------

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)
        if not self.opened.done():
            self.opened.set_result(None)

    def connection_lost(self, exc: Exception | None) -> None:
        self._lose(str(exc) if exc else "the slave closed the connection")

    def data_received(self, data: bytes) -> None:
        self._quiet_since = self._loop.time()
        if self._request is None:
            return  # nobody asked
        self._buffer += data
        try:
            answer = self._next_tcp(self._request) if self._tcp else self._next_rtu(self._request)
        except (ModbusException, ValueError, IndexError):
            self._garbage("an answer that is no Modbus")
            return
        if answer is not None:
            self._pair(answer)

    def _next_tcp(self, request: ModbusPDU) -> ModbusPDU | None:
        # The transaction pairs; slaves that answer as unit 0 or 255 whoever was asked are common.
        used, answer = self._framer.handleFrame(self._buffer, 0, request.transaction_id)
        self._buffer = self._buffer[used:]
        if answer is None and _is_no_frame(self._buffer):
            self._garbage("bytes that are no Modbus TCP frame")
        return answer

    def _next_rtu(self, request: ModbusPDU) -> ModbusPDU | None:
        self._buffer = self._buffer[-LONGEST_NOISE:]
        pdu = find_answer(self._buffer, request.dev_id, request.function_code, self._size)
        return None if pdu is None else _DECODER.decode(pdu)

    def _pair(self, answer: ModbusPDU) -> None:
        if self._answer is None or self._answer.done() or self._request is None:
            return  # late: its request was given up
        if self._gave_up and answer.transaction_id != self._transaction:
            return  # some slaves never say the transaction: perhaps late
        if answer.function_code & 0x7F == self._request.function_code:
            self._answer.set_result(answer)
        else:
            self._garbage(f"an answer to function {answer.function_code}")

    def _garbage(self, what: str) -> None:
        """On TCP the framing is lost for good. On a serial line noise passes, and the request times out."""
        self._buffer = b""
        if self._tcp and self._transport is not None:
            self._transport.abort()
            self._lose(f"the slave sent {what}")

    def _lose(self, reason: str) -> None:
        if self._transport is None:
            return
        self._transport = None
        self._lost = reason
        if self._answer is not None and not self._answer.done():
            self._answer.set_exception(LinkLost(reason))


def _length(table: Table, count: int) -> int:
    """Bytes of data in the answer to a read."""
    return (count + 7) // 8 if table in ("coil", "discrete") else 2 * count


def _is_no_frame(buffer: bytes) -> bool:
    """Protocol identifier and length of a Modbus TCP header, as far as they are there."""
    return buffer[2:4].rstrip(b"\0") != b"" or (len(buffer) >= 6 and not 3 <= buffer[4] * 256 + buffer[5] <= 254)


def silence_between_frames(baud_rate: int) -> float:
    """Seconds: 3.5 characters of 11 bits."""
    return 0.00175 if baud_rate > 19200 else SILENT_CHARACTERS * 11 / baud_rate


async def open_wire(config: ModbusConfig, late: LateAnswers) -> Wire:
    """Connect. OSError when that is not possible now."""
    loop = asyncio.get_running_loop()
    if config.host:
        _, wire = await loop.create_connection(lambda: Wire(config, late), config.host, config.port)
        return wire
    open_serial: Any = create_serial_connection
    _, line = await open_serial(
        loop,
        lambda: Wire(config, late),
        config.serial_port,
        baudrate=config.baud_rate,
        bytesize=config.data_bits,
        parity=config.parity[0].upper(),
        stopbits=config.stop_bits,
        timeout=0,
    )
    wire = cast(Wire, line)
    await wire.opened
    return wire
