"""What a change and a reading of the catalogue cost in each backend, by the number of entries.

python -m bench.catalogue [10 100 1000 10000]
"""

from __future__ import annotations

import asyncio
import json
import sys
import tempfile
import time
from pathlib import Path
from statistics import median
from typing import Any

from twin.store import open_store

BACKENDS = {"tinydb": "catalogue.json", "sqlite": "catalogue.db"}


def device(n: int) -> dict[str, Any]:
    """A manifest of about 700 bytes."""
    names = ("temperature", "pressure", "pump-speed", "valve")
    properties = [
        {"name": name, "collectCycle": 500, "visitors": {"protocolName": "modbus", "configData": {"address": n + i}}}
        for i, name in enumerate(names)
    ]
    return {
        "kind": "Device",
        "metadata": {"name": f"plant-{n:05}", "namespace": "default"},
        "spec": {
            "deviceModelRef": {"name": "boiler"},
            "protocol": {"protocolName": "modbus", "configData": {"host": "192.0.2.7", "port": 502, "unit": n % 247}},
            "properties": properties,
        },
    }


async def fill(backend: str, path: Path, count: int) -> None:
    """Entries by `put`; but TinyDB's file is written as a whole, because putting them would take count² time."""
    entries = {f"Device/default/plant-{n:05}": device(n) for n in range(count)}
    if backend == "tinydb":
        documents = {key: {"value": value, "version": 1} for key, value in entries.items()}
        path.write_text(json.dumps({"catalogue": documents}))
        return
    async with open_store(f"{backend}:{path}") as store:
        for key, value in entries.items():
            await store.put(key, value)


async def measure(backend: str, count: int) -> tuple[float, float, float]:
    """Milliseconds of one put, one get and one list, medians of at least five."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / BACKENDS[backend]
        await fill(backend, path, count)
        async with open_store(f"{backend}:{path}") as store:
            puts = [await timed(store.put("Device/default/plant-00000", device(n))) for n in range(20)]
            gets = [await timed(store.get("Device/default/plant-00005")) for _ in range(20)]
            lists = [await timed(store.list("Device/")) for _ in range(5)]
    return median(puts), median(gets), median(lists)


async def timed(operation: Any) -> float:
    start = time.perf_counter()
    await operation
    return (time.perf_counter() - start) * 1000


def main() -> None:
    counts = [int(text) for text in sys.argv[1:]] or [10, 100, 1000, 10000]
    print("| backend | entries | put ms | get ms | list ms |\n|---|---|---|---|---|")
    for backend in BACKENDS:
        for count in counts:
            put, get, listing = asyncio.run(measure(backend, count))
            print(f"| {backend} | {count:,} | {put:.2f} | {get:.2f} | {listing:.2f} |", flush=True)


if __name__ == "__main__":
    main()
