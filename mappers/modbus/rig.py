"""Modbus on the conformance kit's bench: simulated slaves, each behind a proxy."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager

from device_models import AccessMode, DataType, Device, Property
from mappers.modbus.simulator import Slave
from mappers.testing.proxy import Proxy
from mappers.testing.rig import NUMBER, SETTING, Rig, Stand


class ModbusStand(Stand):
    """A slave, and the wire to it."""

    def __init__(self, name: str, slave: Slave, proxy: Proxy) -> None:
        self._slave = slave
        self._proxy = proxy
        self.device = Device(
            "default",
            name,
            "room",
            "modbus",
            {"host": proxy.host, "port": proxy.port, "timeout": 0.3},
            (
                Property(
                    NUMBER, DataType.FLOAT, AccessMode.READ_ONLY, collect_cycle=0.05,
                    visitor={"register": "input", "address": 0, "type": "float32"},
                ),
                Property(
                    SETTING, DataType.INT, AccessMode.READ_WRITE, collect_cycle=0.05, minimum=0, maximum=100,
                    visitor={"register": "holding", "address": 0, "type": "uint16"},
                ),
            ),
        )  # fmt: skip

    async def show(self, number: float) -> None:
        await self._slave.show(number)

    async def setting(self) -> int:
        await self._slave.look()
        return self._slave.set_point

    async def silence(self) -> None:
        await self._proxy.silence()

    async def slow(self, seconds: float) -> None:
        await self._proxy.slow(seconds)

    async def garbage(self) -> None:
        await self._proxy.garble()

    async def drop(self) -> None:
        await self._proxy.drop()

    async def stop(self) -> None:
        await self._proxy.refuse()
        await self._slave.stop()

    async def start(self) -> None:
        await self._slave.start()
        await self._proxy.whole()

    async def whole(self) -> None:
        await self._proxy.whole()


class ModbusRig(Rig):
    """One slave behind each host and port."""

    protocol = "modbus"

    @asynccontextmanager
    async def stands(self, count: int) -> AsyncIterator[Sequence[Stand]]:
        async with AsyncExitStack() as stack:
            stands = []
            for number in range(count):
                slave = Slave()
                await slave.start()
                stack.push_async_callback(slave.stop)
                proxy = await stack.enter_async_context(Proxy(slave.host, slave.port))
                stands.append(ModbusStand(f"modbus-{number}", slave, proxy))
            yield stands


RIG = ModbusRig()
