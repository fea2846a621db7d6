"""Modbus on the conformance kit's bench: simulated slaves, each behind a proxy or on a line of its own."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any

from device_models import AccessMode, DataType, Device, Property
from mappers.modbus.simulator import Slave
from mappers.testing.line import Line
from mappers.testing.proxy import Proxy
from mappers.testing.rig import NUMBER, SETTING, Rig, Stand
from mappers.testing.wired import WiredStand


class ModbusStand(WiredStand):
    """A slave, and the wire to it. `part` the wire and nothing is there any more."""

    def __init__(
        self, name: str, slave: Slave, wire: Proxy | Line, part: Callable[[], Awaitable[None]], config: dict[str, Any]
    ) -> None:
        self._slave = slave
        self.wire = wire
        self._part = part
        number = Property(
            NUMBER,
            DataType.FLOAT,
            AccessMode.READ_ONLY,
            visitor={"register": "input", "address": 0, "type": "float32"},
            collect_cycle=0.05,
        )
        setting = Property(
            SETTING,
            DataType.INT,
            AccessMode.READ_WRITE,
            minimum=0,
            maximum=100,
            visitor={"register": "holding", "address": 0},
            collect_cycle=0.05,
        )
        self.device = Device("default", name, "room", "modbus", config | {"timeout": 0.3}, (number, setting))

    async def show(self, number: float) -> None:
        await self._slave.show(number)

    async def setting(self) -> int:
        await self._slave.look()
        return self._slave.set_point

    async def stop(self) -> None:
        await self._part()
        await self._slave.stop()

    async def start(self) -> None:
        await self._slave.start()
        await self.wire.whole()


class ModbusRig(Rig):
    """TCP: one slave behind each host and port."""

    protocol = "modbus"

    @asynccontextmanager
    async def stands(self, count: int) -> AsyncIterator[Sequence[Stand]]:
        async with AsyncExitStack() as stack:
            yield [await self._stand(f"modbus-{number}", stack) for number in range(count)]

    async def _stand(self, name: str, stack: AsyncExitStack) -> Stand:
        slave = Slave()
        await slave.start()
        stack.push_async_callback(slave.stop)
        proxy = await stack.enter_async_context(Proxy(slave.host, slave.port))
        return ModbusStand(name, slave, proxy, proxy.refuse, {"host": proxy.host, "port": proxy.port})


class RtuRig(ModbusRig):
    """RTU: one slave on each serial line."""

    async def _stand(self, name: str, stack: AsyncExitStack) -> Stand:
        line = await stack.enter_async_context(Line())
        slave = Slave(serial_port=line.device_port)
        await slave.start()
        stack.push_async_callback(slave.stop)
        return ModbusStand(name, slave, line, line.unplug, {"serialPort": line.port})


RIG = ModbusRig()
RTU_RIG = RtuRig()
