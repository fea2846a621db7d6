"""What an idle device behind an OPC-UA server costs the mapper: resident memory, by device.

python -m bench.opcua_memory --port 21000 --devices 500 --tags 1
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


def device(number: int, port: int, tags: int) -> Device:
    """One with so many tags, as `bench.opcua_server` has them."""
    properties = tuple(
        Property(
            f"t{tag:03}", DataType.INT, AccessMode.READ_ONLY, collect_cycle=5.0,
            visitor={"nodeId": f"ns=2;s={number}.{tag}"},
        )
        for tag in range(tags)
    )  # fmt: skip
    config = {"url": f"opc.tcp://127.0.0.1:{port}/", "timeout": 20}
    return Device("default", f"fleet-{number:04}", "fleet", "opcua", config, properties)


async def measure(port: int, count: int, tags: int) -> float:
    """Bytes for each, what declares it included."""
    side = DeafSide()
    first = [device(n, port, tags) for n in range(WARM)]
    async with MapperRunner(PROTOCOLS["opcua"], first, cast(DeviceSide, cast(Any, side))) as runner:
        await all_online(side, WARM)
        before = resident()
        side.online.clear()
        await runner.apply([device(n, port, tags) for n in range(count)])
        await all_online(side, count)
        await asyncio.sleep(1.0)
        return (resident() - before) / (count - WARM)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    for name in ("port", "devices", "tags"):
        parser.add_argument(f"--{name}", type=int, required=True)
    options = parser.parse_args()
    print(asyncio.run(measure(options.port, options.devices, options.tags)))


if __name__ == "__main__":
    main()
