"""Many on-board buses in one process: each says a packet with numbered tags again and again, or nothing at all.

    python -m bench.satellite_bus --base-port 21000 --count 100 --tags 8 --every-ms 50 --step-ms 2

Tag n of a packet is the clock in steps plus n, as `bench.fleet_probe` wants it. The buses speak in ten groups, one
after the other within each period, so that they do not all speak at once. Those with the highest numbers are silent.
"""

from __future__ import annotations

import argparse
import asyncio
import struct
import time
from binascii import crc_hqx
from typing import cast

import uvloop

APID = 100
GROUPS = 10
LAUNCH = 4383
"""Days from 1958-01-01 to 1970-01-01."""


def packet(number: int, now: float, tags: int, step_ms: int) -> bytes:
    """TM[3,25] of structure 1, with a CDS time and a checksum."""
    clock = int(now * 1000) // step_ms
    days, milliseconds = divmod(int(now * 1000), 86_400_000)
    data = struct.pack(f">H{tags}H", 1, *((clock + n) & 0xFFFF for n in range(tags)))
    head = struct.pack(">BBBHHBHI", 0x20, 3, 25, 0, 0, 0x40, days + LAUNCH, milliseconds)
    body = struct.pack(">HHH", 0x0800 | APID, 0xC000 | number & 0x3FFF, len(head) + len(data) + 1) + head + data
    return body + crc_hqx(body, 0xFFFF).to_bytes(2, "big")


class Bus(asyncio.Protocol):
    """Those who listen to one bus."""

    def __init__(self, listeners: set[asyncio.WriteTransport]) -> None:
        self._listeners = listeners

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.WriteTransport, transport)
        self._listeners.add(self._transport)

    def connection_lost(self, _exc: Exception | None) -> None:
        self._listeners.discard(self._transport)


async def serve(options: argparse.Namespace) -> None:
    loop = asyncio.get_running_loop()
    buses: list[set[asyncio.WriteTransport]] = [set() for _ in range(options.count)]
    for number, listeners in enumerate(buses):
        await loop.create_server(lambda heard=listeners: Bus(heard), "127.0.0.1", options.base_port + number)
    print("ready", flush=True)
    speaking = buses[: options.count - options.silent]
    tick, due = 0, loop.time()
    while True:
        said = packet(tick // GROUPS, time.time(), options.tags, options.step_ms)
        for listeners in speaking[tick % GROUPS :: GROUPS]:
            for transport in listeners:
                transport.write(said)
        tick += 1
        due += options.every_ms / 1000 / GROUPS
        await asyncio.sleep(max(0.0, due - loop.time()))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    for name in ("base-port", "count", "tags", "every-ms", "step-ms"):
        parser.add_argument(f"--{name}", type=int, required=True)
    parser.add_argument("--silent", type=int, default=0)
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(serve(parser.parse_args()))


if __name__ == "__main__":
    main()
