"""The satellite on the conformance kit's bench: simulated ones, each behind a proxy."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager

from device_models import AccessMode, DataType, Device, Property
from mappers.satellite.dictionary import APID
from mappers.satellite.elements import CBERS_2
from mappers.satellite.orbit import Orbit
from mappers.satellite.simulator.faults import STUCK, Fault
from mappers.satellite.simulator.on_board_software import OnBoardSoftware
from mappers.satellite.simulator.server import SatelliteServer
from mappers.satellite.simulator.spacecraft import Spacecraft
from mappers.testing.proxy import Proxy
from mappers.testing.rig import NUMBER, SETTING, Rig, Stand
from mappers.testing.wired import WiredStand

EVERY = 0.05
"""Seconds between two reports."""
SHOWN = "battery.temperature"
"""The sensor that can be held at any number."""


class SatelliteStand(WiredStand):
    """A satellite, and the wire to it."""

    wire: Proxy

    def __init__(self, name: str) -> None:
        spacecraft = Spacecraft(Orbit.of(*CBERS_2), float(int(time.time())))
        self._software = OnBoardSoftware(spacecraft, APID)
        self._times: list[int] = []
        self._software.times = self._times
        self._server: SatelliteServer | None = None
        self._port = 0
        self._name = name

    async def switch_on(self, stack: AsyncExitStack) -> None:
        """For the first time; off again when the stack ends."""
        await self._power_on()
        stack.push_async_callback(self._power_off)
        self.wire = await stack.enter_async_context(Proxy("127.0.0.1", self._port))
        self.device = Device(
            "default",
            self._name,
            "satellite",
            "satellite",
            {"host": self.wire.host, "port": self.wire.port, "timeout": 0.3, "silence": 0.3},
            (
                Property(NUMBER, DataType.FLOAT, visitor={"parameter": SHOWN}),
                Property(
                    SETTING, DataType.INT, AccessMode.READ_WRITE, minimum=0, maximum=100,
                    visitor={"parameter": "wheel.target"},
                ),
            ),
        )  # fmt: skip

    async def show(self, number: float) -> None:
        self._software.spacecraft.plan(Fault(STUCK + SHOWN, number))

    async def setting(self) -> int:
        return self._software.spacecraft.attitude.target

    async def stop(self) -> None:
        await self.wire.refuse()
        await self._power_off()

    async def start(self) -> None:
        await self._power_on()
        await self.wire.whole()

    def source_times(self) -> Sequence[int]:
        return self._times

    async def _power_on(self) -> None:
        server = SatelliteServer(self._software, port=self._port, every=EVERY)
        await server.__aenter__()
        self._server, self._port = server, server.port

    async def _power_off(self) -> None:
        if self._server is not None:
            await self._server.__aexit__(None, None, None)
            self._server = None


class SatelliteRig(Rig):
    """One satellite behind each port."""

    protocol = "satellite"

    @asynccontextmanager
    async def stands(self, count: int) -> AsyncIterator[Sequence[Stand]]:
        async with AsyncExitStack() as stack:
            stands = [SatelliteStand(f"satellite-{number}") for number in range(count)]
            for stand in stands:
                await stand.switch_on(stack)
            yield stands


RIG = SatelliteRig()
