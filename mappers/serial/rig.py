"""Balances on the test bench, each at the end of a pseudo terminal of its own."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from typing import ClassVar

from device_models import AccessMode, DataType, Device, Property
from mappers.serial.simulator.balance import Balance
from mappers.serial.simulator.far_end import serve, terminal
from mappers.testing.line import Line
from mappers.testing.rig import NUMBER, SETTING, Rig, Stand
from mappers.testing.wired import WiredStand

CYCLE = 0.05
TIMEOUT = 0.3


class BalanceStand(WiredStand):
    """`async with` it."""

    wire: Line

    def __init__(self, name: str, line: Line) -> None:
        self.wire = line
        self._balance = Balance()
        self._serving: asyncio.Task[None] | None = None
        self.device = _device(name, line.port)

    async def show(self, number: float) -> None:
        self._balance.load = self._balance.tare + number

    async def setting(self) -> int:
        return round(self._balance.tare)

    async def stop(self) -> None:
        await self.wire.unplug()
        if self._serving is not None:
            self._serving.cancel()
            await asyncio.wait([self._serving])
            self._serving = None

    async def start(self) -> None:
        await self.whole()
        if self._serving is None:
            self._serving = asyncio.create_task(self._live(), name="balance")

    async def whole(self) -> None:
        await super().whole()
        self._balance.stable = True

    async def doubt(self) -> None:
        self._balance.stable = False

    async def _live(self) -> None:
        async with terminal(self.wire.device_port) as far_end:
            await serve(self._balance, far_end)


class SerialRig(Rig):
    """A balance shows its net weight as NUMBER and its preset tare as SETTING."""

    protocol: ClassVar[str] = "serial"
    doubts: ClassVar[bool] = True

    @asynccontextmanager
    async def stands(self, count: int) -> AsyncIterator[Sequence[Stand]]:
        async with AsyncExitStack() as stack:
            stands = []
            for number in range(count):
                line = await stack.enter_async_context(Line())
                stands.append(BalanceStand(f"serial-{number}", line))
                stack.push_async_callback(stands[-1].stop)
                await stands[-1].start()
            yield stands


def _device(name: str, port: str) -> Device:
    weight = {"request": "SI", "match": "^S ", "regex": "^S [SD] +(-?[0-9.]+) g", "doubt": "^S D"}
    tare = {"request": "TA", "match": "^TA ", "regex": "([0-9.]+) g", "write": "TA {value:.2f} g", "expect": "^TA A"}
    return Device(
        "default",
        name,
        "balance",
        "serial",
        {"serialPort": port, "framing": "line", "checksum": "xor", "timeout": TIMEOUT, "silence": TIMEOUT},
        (
            Property(NUMBER, DataType.FLOAT, visitor=weight, collect_cycle=CYCLE),
            Property(SETTING, DataType.INT, AccessMode.READ_WRITE, minimum=0, maximum=100, visitor=tare,
                     collect_cycle=CYCLE),
        ),
    )  # fmt: skip


RIG: Rig = SerialRig()
