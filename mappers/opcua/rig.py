"""OPC-UA on the conformance kit's bench: the boilers of a simulated server, each behind a proxy of its own.

A server takes seconds to build, and would keep the event loop of the mapper under test meanwhile: it lives in a
thread of its own and is used again.
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
from mappers.testing.wired import WiredStand

T = TypeVar("T")

MOST = 4
"""Stands at a time."""


class _Housed:
    """A boiler in a thread of its own."""

    def __init__(self) -> None:
        self.boiler = Boiler(more=MOST - 1)
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


class OpcuaStand(WiredStand):
    """A boiler, and the wire to its server."""

    wire: Proxy

    def __init__(self, name: str, boiler: str, housed: _Housed, proxy: Proxy) -> None:
        self._shown, self._set = f"{boiler}.Temperature", f"{boiler}.SetPoint"
        self._housed = housed
        self.wire = proxy
        self._number = OUTSIDE
        self._times: list[int] = []
        self.url = f"opc.tcp://{proxy.host}:{proxy.port}/"
        config = {"url": self.url, "timeout": 0.3, "keepAlive": 0.2}
        self.device = Device(
            "default",
            name,
            "boiler",
            "opcua",
            config,
            (
                Property(
                    NUMBER, DataType.FLOAT, AccessMode.READ_ONLY, collect_cycle=0.05,
                    visitor={"nodeId": f"ns=2;s={self._shown}"},
                ),
                Property(
                    SETTING, DataType.INT, AccessMode.READ_WRITE, collect_cycle=0.05, minimum=0, maximum=100,
                    visitor={"browsePath": f"Objects/2:{boiler}/2:SetPoint"},
                ),
            ),
        )  # fmt: skip

    async def show(self, number: float) -> None:
        self._number = number
        await self._show(ua.StatusCodes.Good)

    async def _show(self, status: int) -> None:
        moment = await self._housed.do(self._housed.boiler.show(self._shown, float(self._number), status))
        self._times.append(round(moment.timestamp() * 1000))

    async def setting(self) -> int:
        return int(self._housed.boiler.holds(self._set))

    async def stop(self) -> None:
        await self.wire.refuse()
        await self._housed.stop()

    async def start(self) -> None:
        await self._housed.start()
        await self.wire.whole()

    async def doubt(self) -> None:
        await self._show(ua.StatusCodes.UncertainLastUsableValue)

    def source_times(self) -> Sequence[int]:
        return self._times


class OpcuaRig(Rig):
    """One boiler behind each URL."""

    protocol = "opcua"
    doubts = True

    @asynccontextmanager
    async def stands(self, count: int) -> AsyncIterator[Sequence[Stand]]:
        housed = _free.pop() if _free else _Housed()
        await housed.start()
        async with AsyncExitStack() as stack:
            stack.push_async_callback(housed.stop)
            stands = []
            for number, boiler in enumerate(housed.boiler.names[:count]):
                proxy = await stack.enter_async_context(Proxy(housed.boiler.host, housed.boiler.port))
                stands.append(OpcuaStand(f"opcua-{number}", boiler, housed, proxy))
                await stands[-1].show(OUTSIDE)
            yield stands
        _free.append(housed)


RIG = OpcuaRig()
