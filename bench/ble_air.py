"""Simulated Bluetooth devices that obey: `silence N` and `whole` on standard input, each answered with a line.

`python -m bench.ble_air --devices 50 --every 0.1` prints the adapter when they are there.
"""

from __future__ import annotations

import argparse
import asyncio
import sys

from mappers.ble.simulator import Sensor, Simulation


async def _speak(sensor: Sensor, every: float) -> None:
    """Notify on a grid, each time another value."""
    loop = asyncio.get_running_loop()
    due = loop.time()
    while True:
        sensor.temperature = round((sensor.temperature + 0.01) % 100, 2)
        await sensor.notify()
        due = max(due + every, loop.time())
        await asyncio.sleep(due - loop.time())


async def _obey(sensors: list[Sensor]) -> None:
    reader = asyncio.StreamReader()
    await asyncio.get_running_loop().connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), sys.stdin)
    while line := (await reader.readline()).decode():
        word, _, count = line.strip().partition(" ")
        for sensor in sensors[: int(count or 0)]:
            sensor.silent = word == "silence"
        print(line.strip(), flush=True)


async def _main(devices: int, every: float, advertise_every: float) -> None:
    async with Simulation(devices, advertise_every=advertise_every) as simulation:
        speaking = [asyncio.create_task(_speak(sensor, every)) for sensor in simulation.sensors if every]
        print(simulation.adapter, flush=True)
        await _obey(simulation.sensors)
        for task in speaking:
            task.cancel()


def main() -> None:
    """Until standard input ends."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--devices", type=int, required=True)
    parser.add_argument("--every", type=float, default=0.0, metavar="SECONDS", help="between notifications; 0: none")
    parser.add_argument("--advertise-every", type=float, default=0.5, metavar="SECONDS")
    given = parser.parse_args()
    asyncio.run(_main(given.devices, given.every, given.advertise_every))


if __name__ == "__main__":
    main()
