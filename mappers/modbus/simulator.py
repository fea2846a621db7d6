"""A simulated Modbus slave: a room with a heater.

    python -m mappers.modbus.simulator --port 15020             Modbus TCP
    python -m mappers.modbus.simulator --serial /dev/ttyUSB1    Modbus RTU, 9600 8N1

    coil      0    heater enabled                        read, write
    discrete  0    warmer than the set-point
    input     0-1  temperature, °C, 32-bit float
              2    up time, s, from 0 again after 65535
    holding   0    set-point, °C                         read, write

The temperature follows the set-point while the heater is enabled, and 15 °C while it is not.
"""

from __future__ import annotations

import argparse
import asyncio
import logging
import math
import signal
import struct
import sys
import time
from collections.abc import Sequence
from contextlib import suppress

from pymodbus.server import ModbusSerialServer, ModbusTcpServer
from pymodbus.simulator import DataType, SimData, SimDevice

COILS, DISCRETE, HOLDING, INPUT = 1, 2, 3, 4  # the function code that reads a table also names it
OUTSIDE = 15.0
"""°C"""
INERTIA = 30.0
"""Seconds in which the room comes nearer to its goal by a factor e."""
STEP = 0.1
"""Seconds between two steps of the room."""

Server = ModbusTcpServer | ModbusSerialServer


class Slave:
    """The registers, and the server in front of them. `start` and `stop` may be repeated; registers are kept."""

    def __init__(self, unit: int = 1, host: str = "127.0.0.1", port: int = 0, serial_port: str = "") -> None:
        self.unit = unit
        self.host = host
        self.port = port
        """0: a free one is taken at the first start, and kept."""
        self.serial_port = serial_port
        """Where this is not empty, it speaks RTU there, and TCP nowhere."""
        self.heater = True
        self.set_point = 21
        self.temperature = OUTSIDE
        self._started_at = time.monotonic()
        self._server: Server | None = None

    @property
    def address(self) -> str:
        """As in `protocol.configData`."""
        return self.serial_port or f"{self.host}:{self.port}"

    async def start(self) -> None:
        """Serve. OSError when the address is taken, or not there."""
        server: Server
        if self.serial_port:
            server = ModbusSerialServer([_device(self.unit)], port=self.serial_port, baudrate=9600)
        else:
            server = ModbusTcpServer([_device(self.unit)], address=(self.host, self.port))
        if not await server.listen():
            raise OSError(f"cannot listen on {self.address}; choose another with --port or --serial")
        if isinstance(server.transport, asyncio.Server):
            self.port = server.transport.sockets[0].getsockname()[1]
        self._server = server
        await server.async_setValues(self.unit, COILS, 0, [self.heater])
        await server.async_setValues(self.unit, HOLDING, 0, [self.set_point])
        await self._show(server)

    async def stop(self) -> None:
        """End all connections and serve no more."""
        if self._server is not None:
            await self.look()
            await self._server.shutdown()  # type: ignore[no-untyped-call]
            self._server = None

    async def show(self, temperature: float) -> None:
        """Let the registers say it."""
        self.temperature = temperature
        if self._server is not None:
            await self._show(self._server)

    async def look(self) -> None:
        """Take over what was written."""
        if self._server is not None:
            self.heater = bool((await self._server.async_getValues(self.unit, COILS, 0))[0])
            self.set_point = int((await self._server.async_getValues(self.unit, HOLDING, 0))[0])

    async def live(self) -> None:
        """Be a room, for ever."""
        while True:
            await asyncio.sleep(STEP)
            await self.look()
            goal = float(self.set_point) if self.heater else OUTSIDE
            await self.show(goal + (self.temperature - goal) * math.exp(-STEP / INERTIA))

    async def _show(self, server: Server) -> None:
        words = struct.unpack(">HH", struct.pack(">f", self.temperature))
        up_time = int(time.monotonic() - self._started_at) & 0xFFFF
        await server.async_setValues(self.unit, INPUT, 0, [*words, up_time])
        await server.async_setValues(self.unit, DISCRETE, 0, [self.temperature > self.set_point])


def _device(unit: int) -> SimDevice:
    bits = SimData(0, count=16, values=False, datatype=DataType.BITS)
    words = SimData(0, count=8, values=0, datatype=DataType.REGISTERS)
    return SimDevice(unit, simdata=([bits], [bits], [words], [words]))


async def _serve(slave: Slave) -> None:
    task = asyncio.current_task()
    assert task is not None
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, task.cancel)
    await slave.start()
    print(f"a room with a heater on modbus://{slave.address}, unit {slave.unit}", flush=True)
    try:
        await slave.live()
    finally:
        await slave.stop()


def main(arguments: Sequence[str] | None = None) -> int:
    """Run until it is told to end. 1 when it cannot listen."""
    parser = argparse.ArgumentParser(
        "mappers.modbus.simulator", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--host", default="127.0.0.1", help="address to listen on (default %(default)s)")
    parser.add_argument("--port", type=int, default=15020, help="0: any that is free (default %(default)s)")
    parser.add_argument("--serial", default="", metavar="PORT", help="speak RTU on this line instead")
    parser.add_argument("--unit", type=int, default=1, help="the slave's address (default %(default)s)")
    options = parser.parse_args(arguments)
    logging.getLogger("pymodbus").setLevel(logging.CRITICAL)  # a client that leaves is nothing to report
    try:
        with suppress(asyncio.CancelledError):
            asyncio.run(_serve(Slave(options.unit, options.host, options.port, options.serial)))
    except OSError as error:
        print(f"modbus simulator: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
