"""What an idle instrument costs the mapper: resident memory with so many of them, each on a port, by instrument.

python -m bench.serial_memory --count 200
"""

from __future__ import annotations

import argparse
import asyncio
from typing import Any, cast

from bench.deaf_side import WARM, DeafSide, resident
from bench.serial_talker import KINDS, Talker
from device_models import DataType, Device, Property
from eventbus.device_side import DeviceSide
from mappers.protocols import PROTOCOLS
from mappers.runner import MapperRunner

TAG = Property("t000", DataType.INT, visitor={"nmea": next(iter(KINDS))})
STEP_MS = 2


def device(number: int, port: str) -> Device:
    """A receiver of which one field is wanted."""
    config = {"serialPort": port, "framing": "nmea", "silence": 0}
    return Device("default", f"fleet-{number:04}", "fleet", "serial", config, (TAG,))


async def measure(count: int) -> float:
    """Bytes for each."""
    side = DeafSide()
    talkers = [Talker(STEP_MS) for _ in range(count)]
    devices = [device(n, talker.port) for n, talker in enumerate(talkers)]
    async with MapperRunner(PROTOCOLS["serial"], devices[:WARM], cast(DeviceSide, cast(Any, side))) as runner:
        await _all_heard(side, talkers[:WARM])
        before = resident()
        await runner.apply(devices)
        await _all_heard(side, talkers)
        return (resident() - before) / (count - WARM)


async def _all_heard(side: DeafSide, talkers: list[Talker]) -> None:
    """Once is enough, but only who has been opened is heard."""
    async with asyncio.timeout(60):
        while len(side.online) < len(talkers):
            for talker in talkers:
                talker.say()
            await asyncio.sleep(0.2)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--count", type=int, required=True)
    print(asyncio.run(measure(parser.parse_args().count)))


if __name__ == "__main__":
    main()
