"""Simulated instruments on the bench of the conformance kit, each behind a wire that can be disturbed."""

from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager

from device_models import AccessMode, DataType, Device, Property
from mappers.testing.proxy import Proxy
from mappers.testing.rig import NUMBER, SETTING, Rig, Stand
from mappers.testing.wired import WiredStand

from .simulator import Simulator


class AcmeStand(WiredStand):
    """One instrument, and the wire to it."""

    wire: Proxy

    def __init__(self, name: str, simulator: Simulator, proxy: Proxy) -> None:
        number = Property(NUMBER, DataType.FLOAT, visitor={"name": "temperature"}, collect_cycle=0.1)
        setting = Property(
            SETTING,
            DataType.INT,
            AccessMode.READ_WRITE,
            minimum=0,
            maximum=100,
            visitor={"name": "setpoint"},
            collect_cycle=0.1,
        )
        config = {"host": proxy.host, "port": proxy.port, "timeout": 0.3}
        self.device = Device("default", name, "acme", "acme", config, (number, setting))
        self.simulator = simulator
        self.wire = proxy

    async def show(self, number: float) -> None:
        self.simulator.values["temperature"] = number

    async def setting(self) -> int:
        return round(self.simulator.values["setpoint"])

    async def stop(self) -> None:
        await self.wire.refuse()

    async def start(self) -> None:
        await self.wire.whole()


class AcmeRig(Rig):
    """As many instruments as the kit wants."""

    protocol = "acme"

    @asynccontextmanager
    async def stands(self, count: int) -> AsyncIterator[Sequence[Stand]]:
        async with AsyncExitStack() as stack:
            yield [await _stand(stack, f"acme-{index}") for index in range(count)]


async def _stand(stack: AsyncExitStack, name: str) -> Stand:
    simulator = Simulator()
    port = await stack.enter_async_context(simulator.serving())
    proxy = await stack.enter_async_context(Proxy("127.0.0.1", port))
    return AcmeStand(name, simulator, proxy)


RIG = AcmeRig()
