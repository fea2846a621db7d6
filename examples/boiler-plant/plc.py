"""The stand-in for a PLC: a Modbus TCP server whose registers are the boiler plant of `plant.py`.

    python plc.py --port 15020 --speed 4

Unit 1 is the boiler controller, unit 2 the pump's drive; the manifests beside this file describe the same map.

    unit 1  coil      0    burner enabled                        read, write
            discrete  0    make-up valve open
            input     0-1  flow temperature, °C, 32-bit float
                      2    return temperature, 0.1 °C, signed
                      3    pressure, 0.01 bar
                      4    status: bit 0 flame, bit 1 hot, bit 2 safety limiter
                      5    tank level, 0..27648 for 0..100 %
            holding   0    set-point, 0.1 °C                     read, write
    unit 2  coil      0    pump enabled                          read, write
            input     0    speed, rpm
                      1-2  power, W, 32-bit float, low word first
                      3    status: bit 0 running
            holding   0    speed set-point, rpm                  read, write
"""

from __future__ import annotations

import argparse
import asyncio
import logging
import signal
import struct
import sys
import time
from contextlib import suppress

from plant import Plant
from pymodbus.server import ModbusTcpServer
from pymodbus.simulator import DataType, SimData, SimDevice

COILS, DISCRETE, HOLDING, INPUT = 1, 2, 3, 4  # the function code that reads a table also names it
BOILER, PUMP = 1, 2  # unit ids
CYCLE = 0.1  # s of wall time between two steps


class Plc:
    """Couples a plant to the register tables of a Modbus server."""

    def __init__(self, plant: Plant, server: ModbusTcpServer) -> None:
        self._plant = plant
        self._server = server

    async def run(self, speed: float) -> None:
        """Step the plant for ever, `speed` times as fast as real time."""
        before = time.monotonic()
        while True:
            await asyncio.sleep(CYCLE)
            now = time.monotonic()
            await self._read_set_points()
            self._plant.step((now - before) * speed)
            await self._show()
            before = now

    async def show_set_points(self) -> None:
        """Put the plant's state into all registers, those that a client writes included."""
        plant, write = self._plant, self._server.async_setValues
        await write(BOILER, COILS, 0, [plant.burner_enabled])
        await write(BOILER, HOLDING, 0, [round(plant.set_point * 10)])
        await write(PUMP, COILS, 0, [plant.pump_enabled])
        await write(PUMP, HOLDING, 0, [round(plant.pump_set_point)])
        await self._show()

    async def _read_set_points(self) -> None:
        plant, read = self._plant, self._server.async_getValues
        plant.burner_enabled = bool((await read(BOILER, COILS, 0))[0])
        plant.set_point = (await read(BOILER, HOLDING, 0))[0] / 10
        plant.pump_enabled = bool((await read(PUMP, COILS, 0))[0])
        plant.pump_set_point = float((await read(PUMP, HOLDING, 0))[0])

    async def _show(self) -> None:
        plant, write = self._plant, self._server.async_setValues
        await write(BOILER, DISCRETE, 0, [plant.filling])
        await write(
            BOILER,
            INPUT,
            0,
            [
                *float_words(plant.flow_temperature),
                round(plant.return_temperature * 10) & 0xFFFF,
                round(plant.pressure * 100),
                plant.flame | plant.hot << 1 | plant.limiter << 2,
                round(plant.level / 100 * 27648),
            ],
        )
        high, low = float_words(plant.pump_power)
        await write(PUMP, INPUT, 0, [round(plant.pump_speed), low, high, plant.pump_speed > 50])


def float_words(value: float) -> tuple[int, int]:
    """An IEEE 754 single as two registers, high word first."""
    high, low = struct.unpack(">HH", struct.pack(">f", value))
    return high, low


def device(unit: int) -> SimDevice:
    """Sixteen bits and eight registers of each kind are plenty."""
    bits = SimData(0, count=16, values=False, datatype=DataType.BITS)
    words = SimData(0, count=8, values=0, datatype=DataType.REGISTERS)
    return SimDevice(unit, simdata=([bits], [bits], [words], [words]))


async def serve(host: str, port: int, plant: Plant, speed: float) -> None:
    """Serve until cancelled."""
    server = ModbusTcpServer([device(BOILER), device(PUMP)], address=(host, port))
    plc = Plc(plant, server)
    await plc.show_set_points()  # before anybody can read zeros
    try:
        if not await server.listen():
            sys.exit(f"PLC: cannot listen on {host}:{port}; is another one running? Choose another with --port")
        print(f"PLC: boiler plant on modbus://{host}:{port}, units 1 and 2", flush=True)
        await plc.run(speed)
    finally:
        await server.shutdown()


async def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--host", default="127.0.0.1", help="address to listen on (default %(default)s)")
    parser.add_argument("--port", type=int, default=15020, help="port to listen on (default %(default)s)")
    parser.add_argument("--seed", type=int, default=0, help="seed of the plant's noise (default %(default)s)")
    parser.add_argument("--speed", type=float, default=1.0, help="times real time (default %(default)s)")
    options = parser.parse_args()
    logging.getLogger("pymodbus").setLevel(logging.CRITICAL)  # a client that leaves is nothing to report
    task = asyncio.create_task(serve(options.host, options.port, Plant(options.seed), options.speed), name="plc")
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, task.cancel)
    with suppress(asyncio.CancelledError):
        await task


if __name__ == "__main__":
    asyncio.run(main())
