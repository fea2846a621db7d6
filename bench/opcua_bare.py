"""What the library alone hears of a server: changes a second of so many monitored items, with nothing behind them.

python -m bench.opcua_bare --port 21000 --devices 100 --tags 100 --every-ms 250 --seconds 10
"""

from __future__ import annotations

import argparse
import asyncio
import json
import logging
import os
import time
from typing import Any

from asyncua import Client

from bench.processes import cpu_seconds

IN_ONE_REQUEST = 1000


class Count:
    """Counts."""

    changes = 0

    def datachange_notification(self, _node: Any, _value: Any, _data: Any) -> None:
        self.changes += 1


async def measure(options: argparse.Namespace) -> dict[str, float]:
    count = Count()
    async with Client(f"opc.tcp://127.0.0.1:{options.port}/", timeout=60, watchdog_intervall=60) as client:
        subscription = await client.create_subscription(options.every_ms, count)
        names = [f"ns=2;s={device}.{tag}" for device in range(options.devices) for tag in range(options.tags)]
        for start in range(0, len(names), IN_ONE_REQUEST):
            nodes = [client.get_node(name) for name in names[start : start + IN_ONE_REQUEST]]
            await subscription.subscribe_data_change(nodes, sampling_interval=options.every_ms)
        await asyncio.sleep(2 * options.every_ms / 1000)
        before, used, began = count.changes, cpu_seconds(os.getpid()), time.perf_counter()
        await asyncio.sleep(options.seconds)
        seconds = time.perf_counter() - began
        return {
            "changes": (count.changes - before) / seconds,
            "cores": (cpu_seconds(os.getpid()) - used) / seconds,
        }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    for name in ("port", "devices", "tags", "every-ms"):
        parser.add_argument(f"--{name}", type=int, required=True)
    parser.add_argument("--seconds", type=float, required=True)
    logging.getLogger("asyncua").setLevel(logging.CRITICAL + 1)
    print(json.dumps(asyncio.run(measure(parser.parse_args()))))


if __name__ == "__main__":
    main()
