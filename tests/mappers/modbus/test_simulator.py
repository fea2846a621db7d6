"""The simulator as a process: it says where it listens, is a room with a heater, and ends when it is told to."""

from __future__ import annotations

import asyncio
import re
import signal
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

from device_models import DataType as Type
from device_models import Device
from mappers.modbus.simulator import Slave
from mappers.testing.running import running

D = "default/d"


@asynccontextmanager
async def simulator(*arguments: str) -> AsyncIterator[asyncio.subprocess.Process]:
    pipe = asyncio.subprocess.PIPE
    command = (sys.executable, "-m", "mappers.modbus.simulator", *arguments)
    process = await asyncio.create_subprocess_exec(*command, stdout=pipe, stderr=pipe)
    try:
        yield process
    finally:
        if process.returncode is None:
            process.kill()
        await process.communicate()


def room(port: int, make_device: Callable[..., Device]) -> Device:
    visitors: dict[str, Any] = {
        "temperature": (Type.FLOAT, {"register": "input", "address": 0, "type": "float32"}),
        "goal": {"register": "holding", "address": 0},
        "heater": (Type.BOOLEAN, {"register": "coil", "address": 0}),
    }
    return make_device({"host": "127.0.0.1", "port": port, "unit": 7}, **visitors)


async def test_it_is_a_room_that_follows_its_set_point(make_device: Callable[..., Device]) -> None:
    async with simulator("--port", "0", "--unit", "7") as process:
        assert process.stdout
        line = (await asyncio.wait_for(process.stdout.readline(), 20)).decode()
        found = re.fullmatch(r"a room with a heater on modbus://127\.0\.0\.1:(\d+), unit 7\n", line)
        assert found
        async with running("modbus", [room(int(found[1]), make_device)]) as side:
            await side.until(lambda: side.value(D, "temperature"))
            side.wish(D, goal="100")
            await side.until(lambda: side.value(D, "goal") == "100")
            await side.until(lambda: float(side.value(D, "temperature") or 0) > 16)
            side.wish(D, heater="false")
            await side.until(lambda: side.value(D, "heater") == "false")
        process.send_signal(signal.SIGTERM)
        assert await asyncio.wait_for(process.wait(), 20) == 0


async def test_an_address_that_is_taken_is_told_in_a_sentence() -> None:
    slave = Slave()
    await slave.start()
    try:
        async with simulator("--port", str(slave.port)) as process:
            _, errors = await asyncio.wait_for(process.communicate(), 20)
    finally:
        await slave.stop()
    assert process.returncode == 1
    assert errors.decode() == (
        f"modbus simulator: cannot listen on 127.0.0.1:{slave.port}; choose another with --port or --serial\n"
    )
