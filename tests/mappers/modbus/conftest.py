"""Slaves of three makes (libmodbus, pymodbus, by hand with faults on demand), and the lines between."""

from __future__ import annotations

import asyncio
import contextlib
import os
import shutil
import struct
import subprocess
import tty
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from pymodbus.framer import FramerType
from pymodbus.server import ModbusSerialServer, ModbusTcpServer
from pymodbus.simulator import DataType, SimData, SimDevice

from device_models import AccessMode, Device, Property
from device_models import DataType as Type
from mappers.protocols import PROTOCOLS
from mappers.runner import MapperRunner

# -- libmodbus ---------------------------------------------------------------------------------------------


@pytest.fixture(scope="session")
def slave_program(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The C slave, compiled."""
    program = tmp_path_factory.mktemp("slave") / "slave"
    flags = subprocess.run(
        ["pkg-config", "--cflags", "--libs", "libmodbus"], capture_output=True, text=True, check=False
    )
    if not shutil.which("gcc") or flags.returncode:
        pytest.skip("the foreign Modbus slave needs gcc and libmodbus-dev")
    source = Path(__file__).with_name("slave.c")
    subprocess.run(["gcc", "-O1", "-o", program, source, *flags.stdout.split()], check=True)
    return program


@asynccontextmanager
async def foreign(program: Path, *arguments: str) -> AsyncIterator[asyncio.subprocess.Process]:
    """Run the C slave; it ends when its input does."""
    pipe = asyncio.subprocess.PIPE
    process = await asyncio.create_subprocess_exec(program, *arguments, stdin=pipe, stdout=pipe)
    assert process.stdin
    assert process.stdout
    try:
        assert await process.stdout.readline() == b"ready\n"
        yield process
    finally:
        process.stdin.close()
        await process.wait()


# -- pymodbus ----------------------------------------------------------------------------------------------


def memory() -> SimDevice:
    """What the C slave holds, too."""
    coils = SimData(0, values=[number % 2 == 1 for number in range(100)], datatype=DataType.BITS)
    inputs = SimData(0, values=[number % 3 == 0 for number in range(100)], datatype=DataType.BITS)
    words = [*range(100), *struct.unpack(">HH", struct.pack(">f", 21.5)), *range(102, 200)]
    holding = SimData(0, values=words, datatype=DataType.REGISTERS)
    readings = SimData(0, values=[1000 + number for number in range(200)], datatype=DataType.REGISTERS)
    return SimDevice(id=1, simdata=([coils], [inputs], [holding], [readings]))


@asynccontextmanager
async def pymodbus_tcp(port: int, framer: FramerType = FramerType.SOCKET) -> AsyncIterator[None]:
    server = ModbusTcpServer(memory(), framer=framer, address=("127.0.0.1", port))
    await server.serve_forever(background=True)
    try:
        yield
    finally:
        await server.shutdown()


# -- a serial line -----------------------------------------------------------------------------------------


class Cable:
    """Two pseudo terminals, joined: what is written at one end is read at the other."""

    def __init__(self, folder: Path) -> None:
        self.ends = [folder / "hub", folder / "slave"]
        self._masters: list[int] = []
        self._loop = asyncio.get_running_loop()
        self.plug_in()

    def plug_in(self) -> None:
        for end in self.ends:
            master, slave = os.openpty()
            tty.setraw(slave)
            end.unlink(missing_ok=True)
            end.symlink_to(os.ttyname(slave))
            os.close(slave)
            os.set_blocking(master, False)
            self._masters.append(master)
        for mine, other in (self._masters, self._masters[::-1]):
            self._loop.add_reader(mine, self._carry, mine, other)

    def unplug(self) -> None:
        for master in self._masters:
            self._loop.remove_reader(master)
            os.close(master)
        self._masters = []

    def _carry(self, mine: int, other: int) -> None:
        with contextlib.suppress(OSError):  # nobody holds the other end
            os.write(other, os.read(mine, 4096))


@pytest.fixture
async def cable(tmp_path: Path) -> AsyncIterator[Cable]:
    cable = Cable(tmp_path)
    yield cable
    cable.unplug()


# -- a slave by hand ---------------------------------------------------------------------------------------


@dataclass
class Asked:
    """A request as a slave got it."""

    at: float
    transaction: bytes
    unit: int
    function: int
    address: int
    count: int
    body: bytes


@dataclass
class HandSlave:
    """Modbus without a library: 65536 holding registers per unit, and any fault.

    `twist` gets each request and the answer's PDU (None: this slave is silent), and returns what to send: raw bytes
    or (seconds of delay, PDU) pairs, to which the framing is added.
    """

    port: int
    rtu: bool = False
    units: dict[int, dict[int, int]] = field(default_factory=lambda: {1: {}})
    asked: list[Asked] = field(default_factory=list)
    connections: int = 0
    refuse: Callable[[Asked], int] = lambda _asked: 0
    twist: Callable[[Asked, bytes], list[bytes | tuple[float, bytes]]] = lambda _asked, pdu: [(0, pdu)]
    _writers: set[asyncio.StreamWriter] = field(default_factory=set)

    def value(self, unit: int, address: int) -> int:
        return self.units[unit].get(address, address)

    @asynccontextmanager
    async def serving(self) -> AsyncIterator[HandSlave]:
        server = await asyncio.start_server(self._talk, "127.0.0.1", self.port)
        try:
            async with server:
                yield self
        finally:
            await asyncio.sleep(0.01)  # who was accepted just now is greeted first
            self.hang_up()
            while self._writers:
                await asyncio.sleep(0)
            await asyncio.sleep(0.01)  # and closed transports are seen off

    def hang_up(self) -> None:
        """Cut every connection."""
        for writer in self._writers:
            writer.transport.abort()

    async def _talk(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        self._writers.add(writer)
        tasks: set[asyncio.Task[None]] = set()
        with contextlib.suppress(asyncio.IncompleteReadError, ConnectionError):
            while True:
                asked = await (self._read_rtu(reader) if self.rtu else self._read_tcp(reader))
                self.asked.append(asked)
                if asked.unit in self.units:
                    for item in self.twist(asked, self._answer(asked)):
                        tasks.add(asyncio.create_task(self._send(writer, asked, item)))
        for task in tasks:
            task.cancel()
        writer.close()
        self._writers.discard(writer)

    async def _send(self, writer: asyncio.StreamWriter, asked: Asked, item: bytes | tuple[float, bytes]) -> None:
        if isinstance(item, bytes):
            writer.write(item)
            return
        await asyncio.sleep(item[0])
        with contextlib.suppress(ConnectionError):
            writer.write(self.frame(asked, item[1]))

    def frame(self, asked: Asked, pdu: bytes) -> bytes:
        if self.rtu:
            return bytes([asked.unit]) + pdu + crc(bytes([asked.unit]) + pdu)
        return asked.transaction + struct.pack(">HHB", 0, len(pdu) + 1, asked.unit) + pdu

    async def _read_tcp(self, reader: asyncio.StreamReader) -> Asked:
        head = await reader.readexactly(7)
        pdu = await reader.readexactly(struct.unpack(">H", head[4:6])[0] - 1)
        return self._asked(head[:2], head[6], pdu)

    async def _read_rtu(self, reader: asyncio.StreamReader) -> Asked:
        head = await reader.readexactly(6)
        rest = await reader.readexactly(1 + (await reader.readexactly(1))[0] if head[1] in (15, 16) else 0)
        frame = head + rest + await reader.readexactly(2)
        assert crc(frame[:-2]) == frame[-2:]
        return self._asked(b"", frame[0], frame[1:-2])

    def _asked(self, transaction: bytes, unit: int, pdu: bytes) -> Asked:
        address, count = struct.unpack(">HH", pdu[1:5])
        now = asyncio.get_running_loop().time()
        return Asked(now, transaction, unit, pdu[0], address, count, pdu[5:])

    def _answer(self, asked: Asked) -> bytes:
        code = self.refuse(asked)
        if code:
            return bytes([asked.function | 0x80, code])
        registers = self.units[asked.unit]
        if asked.function in (3, 4):
            words = [self.value(asked.unit, asked.address + place) for place in range(asked.count)]
            return struct.pack(f">BB{len(words)}H", asked.function, 2 * len(words), *words)
        if asked.function == 6:
            registers[asked.address] = asked.count
        elif asked.function == 16:
            for place, (word,) in enumerate(struct.iter_unpack(">H", asked.body[1:])):
                registers[asked.address + place] = word
        else:
            return bytes([asked.function | 0x80, 1])
        return struct.pack(">BHH", asked.function, asked.address, asked.count)


def crc(frame: bytes) -> bytes:
    """CRC-16/MODBUS, bit by bit."""
    value = 0xFFFF
    for byte in frame:
        value ^= byte
        for _ in range(8):
            value = value >> 1 ^ (0xA001 if value & 1 else 0)
    return value.to_bytes(2, "little")


@pytest.fixture
def hand_slave(unused_tcp_port_factory: Callable[[], int]) -> Callable[..., HandSlave]:
    return lambda **more: HandSlave(unused_tcp_port_factory(), **more)


# -- all together ------------------------------------------------------------------------------------------


class Plant:
    """Runs Modbus mappers for devices."""

    def __init__(self, side: Any) -> None:
        self.side = side

    @asynccontextmanager
    async def run(self, *devices: Device) -> AsyncIterator[MapperRunner]:
        async with MapperRunner(PROTOCOLS["modbus"], devices, self.side) as runner:
            yield runner


@pytest.fixture
def plant(stage: Any) -> Plant:
    return Plant(stage.side)


def device_of(config: dict[str, Any], name: str = "d", period: float = 0.05, **visitors: Any) -> Device:
    """A device whose properties are (type, visitor) or visitor (INT), all writable."""
    properties = []
    for each, declared in visitors.items():
        type_, visitor, *more = declared if isinstance(declared, tuple) else (Type.INT, declared)
        extra = more[0] if more else {}
        properties.append(
            Property(each, type_, AccessMode.READ_WRITE, visitor=visitor, collect_cycle=period, **extra)
        )
    return Device("default", name, "m", "modbus", config, tuple(properties))


@pytest.fixture
def make_device() -> Callable[..., Device]:
    return device_of


MAKES = ["libmodbus-tcp", "libmodbus-rtu", "pymodbus-tcp", "pymodbus-rtu-over-tcp", "pymodbus-rtu"]


@pytest.fixture(params=MAKES)
async def any_slave(
    request: pytest.FixtureRequest, cable: Cable, unused_tcp_port: int
) -> AsyncIterator[dict[str, Any]]:
    """`protocol.configData` for a slave of each make, over each kind of line."""
    tcp = {"host": "127.0.0.1", "port": unused_tcp_port}
    serial = {"serialPort": str(cable.ends[0]), "baudRate": 115200}
    match request.param:
        case "libmodbus-tcp":
            async with foreign(request.getfixturevalue("slave_program"), "tcp", str(unused_tcp_port)):
                yield tcp
        case "libmodbus-rtu":
            async with foreign(request.getfixturevalue("slave_program"), "rtu", str(cable.ends[1]), "1"):
                yield serial
        case "pymodbus-tcp":
            async with pymodbus_tcp(unused_tcp_port):
                yield tcp
        case "pymodbus-rtu-over-tcp":
            async with pymodbus_tcp(unused_tcp_port, FramerType.RTU):
                yield tcp | {"mode": "rtuOverTcp"}
        case _:
            server = ModbusSerialServer(memory(), port=str(cable.ends[1]), baudrate=115200)
            await server.serve_forever(background=True)
            yield serial
            await server.shutdown()


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Come back soon."""
    monkeypatch.setattr("mappers.link.FIRST_DELAY", 0.02)
    monkeypatch.setattr("mappers.link.LONGEST_DELAY", 0.2)
    monkeypatch.setattr("mappers.wishes.FIRST_PAUSE", 0.05)
    return iter(())
