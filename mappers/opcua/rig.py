"""OPC-UA on the conformance kit's bench: simulated servers, each behind a proxy.

A server takes seconds to build, and the library's answers would cost the mapper under test its event loop: servers
live in threads of their own and are used again.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator, Coroutine, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any, TypeVar

from asyncua import ua

from device_models import AccessMode, DataType, Device, Property
from mappers.opcua.simulator import OUTSIDE, Boiler
from mappers.testing.proxy import Proxy
from mappers.testing.rig import NUMBER, SETTING, Rig, Stand

T = TypeVar("T")

SHOWN, SET = "Boiler.Temperature", "Boiler.SetPoint"
"""The variables that are NUMBER and SETTING."""


class _Housed:
    """A boiler in a thread of its own."""

    def __init__(self) -> None:
        self.boiler = Boiler()
        self._loop = asyncio.new_event_loop()
        threading.Thread(target=self._loop.run_forever, name="opcua boiler", daemon=True).start()

    async def do(self, work: Coroutine[Any, Any, T]) -> T:
        """Let it be done there."""
        return await asyncio.wrap_future(asyncio.run_coroutine_threadsafe(work, self._loop))

    async def start(self) -> None:
        """Power on."""
        await self.do(self.boiler.start())

    async def stop(self) -> None:
        """Power off."""
        await self.do(self.boiler.stop())


_free: list[_Housed] = []


class OpcuaStand(Stand):
    """A server, and the wire to it."""

    def __init__(self, name: str, housed: _Housed, proxy: Proxy) -> None:
        self._housed = housed
        self._proxy = proxy
        self._number = OUTSIDE
        self._times: list[int] = []
        url = f"opc.tcp://{proxy.host}:{proxy.port}/"
        config = {"url": url, "timeout": 0.3, "keepAlive": 0.2}
        self.device = Device(
            "default",
            name,
            "boiler",
            "opcua",
            config,
            (
                Property(
                    NUMBER, DataType.FLOAT, AccessMode.READ_ONLY, collect_cycle=0.05,
                    visitor={"nodeId": f"ns=2;s={SHOWN}"},
                ),
                Property(
                    SETTING, DataType.INT, AccessMode.READ_WRITE, collect_cycle=0.05, minimum=0, maximum=100,
                    visitor={"browsePath": "Objects/2:Boiler/2:SetPoint"},
                ),
            ),
        )  # fmt: skip

    async def show(self, number: float) -> None:
        self._number = number
        await self._show(ua.StatusCodes.Good)

    async def _show(self, status: int) -> None:
        moment = await self._housed.do(self._housed.boiler.show(SHOWN, float(self._number), status))
        self._times.append(round(moment.timestamp() * 1000))

    async def setting(self) -> int:
        return int(self._housed.boiler.holds(SET))

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
        await self._housed.stop()

    async def start(self) -> None:
        await self._housed.start()
        await self._proxy.whole()

    async def whole(self) -> None:
        await self._proxy.whole()

    async def doubt(self) -> None:
        await self._show(ua.StatusCodes.UncertainLastUsableValue)

    def source_times(self) -> Sequence[int]:
        return self._times


class OpcuaRig(Rig):
    """One server behind each URL."""

    protocol = "opcua"
    doubts = True

    @asynccontextmanager
    async def stands(self, count: int) -> AsyncIterator[Sequence[Stand]]:
        async with AsyncExitStack() as stack:
            housed = [_free.pop() if _free else _Housed() for _ in range(count)]
            stands = []
            for number, each in enumerate(housed):
                await each.start()
                stack.push_async_callback(each.stop)
                proxy = await stack.enter_async_context(Proxy(each.boiler.host, each.boiler.port))
                stands.append(OpcuaStand(f"opcua-{number}", each, proxy))
                await stands[-1].show(OUTSIDE)
            yield stands
        _free.extend(housed)


RIG = OpcuaRig()
