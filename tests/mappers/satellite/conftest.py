"""Satellites that fly in the test's own process, and how they are declared."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from types import SimpleNamespace
from typing import Any

import pytest

from device_models import AccessMode, DataType, Device, Property
from mappers.satellite.dictionary import PARAMETERS
from mappers.satellite.elements import CBERS_2
from mappers.satellite.orbit import Orbit
from mappers.satellite.simulator.on_board_software import OnBoardSoftware
from mappers.satellite.simulator.server import SatelliteServer
from mappers.satellite.simulator.spacecraft import Spacecraft

Flying = Callable[..., AbstractAsyncContextManager[SatelliteServer]]
Declare = Callable[..., Device]


@pytest.fixture
def flying() -> Flying:
    """`async with flying(speed=…) as server`"""

    @asynccontextmanager
    async def fly(*, apid: int = 100, every: float = 0.05, **more: Any) -> AsyncIterator[SatelliteServer]:
        orbit = Orbit.of(*CBERS_2)
        software = OnBoardSoftware(Spacecraft(orbit, orbit.epoch), apid)
        async with SatelliteServer(software, every=every, **more) as server:
            yield server

    return fly


class _Talk(asyncio.Protocol):
    """Says the same to everybody."""

    def __init__(self, words: bytes, *, stays: bool) -> None:
        self._words = words
        self._stays = stays

    def connection_made(self, transport: Any) -> None:
        transport.write(self._words)
        if not self._stays:
            transport.close()


@pytest.fixture
def saying() -> Callable[..., AbstractAsyncContextManager[Any]]:
    """`async with saying(*packets)`: a bus that says this to everybody, with `host` and `port`."""

    @asynccontextmanager
    async def say(*packets: bytes, stays: bool = True) -> AsyncIterator[Any]:
        words = b"".join(packets)
        server = await asyncio.get_running_loop().create_server(lambda: _Talk(words, stays=stays), "127.0.0.1", 0)
        async with server:
            yield SimpleNamespace(host="127.0.0.1", port=server.sockets[0].getsockname()[1])

    return say


@pytest.fixture
def declare() -> Declare:
    """A device for a server, with parameters by name and further properties."""

    def device(server: SatelliteServer, *names: str, more: tuple[Property, ...] = (), **config: Any) -> Device:
        where = {"host": server.host, "port": server.port, "timeout": 2.0, "silence": 2.0}
        return Device("default", "sat", "m", "satellite", where | config, (*(named(name) for name in names), *more))

    return device


def named(name: str) -> Property:
    parameter = PARAMETERS[name]
    kind = DataType.FLOAT if parameter.format == "float32" else DataType.INT
    return Property(
        name,
        DataType.BOOLEAN if parameter.truth else kind,
        AccessMode.READ_WRITE if parameter.command else AccessMode.READ_ONLY,
        visitor={"parameter": name},
        collect_cycle=0.05,
    )
