"""What an idle satellite costs the mapper: resident memory with so many of them connected, by satellite.

python -m bench.satellite_memory --base-port 21000 --count 500 --tags 1
"""

from __future__ import annotations

import argparse
import asyncio
from typing import Any, cast

from bench.deaf_side import WARM, DeafSide, all_online, resident
from device_models import AccessMode, DataType, Device, Property
from eventbus.device_side import DeviceSide
from mappers.protocols import PROTOCOLS
from mappers.runner import MapperRunner

TAGS = tuple(
    Property(
        f"t{n:03}", DataType.INT, AccessMode.READ_ONLY,
        visitor={"service": 3, "subservice": 25, "structure": 1, "offset": 2 + 2 * n, "format": "uint16"},
    )
    for n in range(8)
)  # fmt: skip
"""As `bench.satellite_bus` says them; the devices of a model share what they have in common."""


def device(number: int, port: int, tags: int) -> Device:
    """One with so many tags."""
    config = {"host": "127.0.0.1", "port": port}
    return Device("default", f"fleet-{number:04}", "fleet", "satellite", config, TAGS[:tags])


async def measure(base_port: int, count: int, tags: int) -> float:
    """Bytes for each."""
    side = DeafSide()
    devices = [device(n, base_port + n, tags) for n in range(WARM)]
    async with MapperRunner(PROTOCOLS["satellite"], devices, cast(DeviceSide, cast(Any, side))) as runner:
        await all_online(side, WARM)
        before = resident()
        await runner.apply(devices + [device(n, base_port + n, tags) for n in range(WARM, count)])
        await all_online(side, count)
        return (resident() - before) / (count - WARM)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--base-port", type=int, required=True)
    parser.add_argument("--count", type=int, required=True)
    parser.add_argument("--tags", type=int, required=True, help=f"at most {len(TAGS)}")
    options = parser.parse_args()
    print(asyncio.run(measure(options.base_port, options.count, options.tags)))


if __name__ == "__main__":
    main()
