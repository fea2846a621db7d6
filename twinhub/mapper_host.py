"""Runs the mappers that a set of devices needs, each protocol with a connection to the bus of its own."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from contextlib import AsyncExitStack
from typing import Self

from device_models import Device
from eventbus.connect import transport
from eventbus.device_side import DeviceSide
from eventbus.transport import Session
from mappers.protocols import PROTOCOLS, BrokenMapper, Protocol
from mappers.runner import Changes, MapperRunner

__all__ = ["MapperHost"]

logger = logging.getLogger("twinhub")


class MapperHost:
    """`async with MapperHost(...) as host:`, then `apply`. A protocol is started when a device first needs it."""

    def __init__(self, session_of: Callable[[str], Session], protocols: Sequence[str] = tuple(PROTOCOLS)) -> None:
        """`session_of(protocol)`: how its mapper connects. Devices of other `protocols` are left to others."""
        self._session_of = session_of
        self._protocols = tuple(dict.fromkeys(PROTOCOLS[name] for name in protocols))
        self._runners: dict[str, MapperRunner] = {}
        self._stack = AsyncExitStack()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *exc: object) -> None:
        await self._stack.aclose()

    async def apply(self, devices: Sequence[Device]) -> None:
        """Serve these devices from now on; links whose devices are as before are not touched."""
        for name, runner in self._runners.items():
            _tell(name, await runner.apply(devices))
        for protocol in self._protocols:
            needed = any(device.protocol in protocol.names for device in devices)
            if needed and protocol.name not in self._runners:
                await self._start(protocol, devices)

    async def _start(self, protocol: Protocol, devices: Sequence[Device]) -> None:
        name = protocol.name
        try:
            protocol.mapper  # noqa: B018 - imports it
        except BrokenMapper as error:
            logger.error("%s; its devices are left alone", error)
            return
        side = await self._stack.enter_async_context(DeviceSide(transport(self._session_of(name)), name))
        runner = MapperRunner(protocol, devices, side)
        self._runners[name] = await self._stack.enter_async_context(runner)


def _tell(name: str, changes: Changes) -> None:
    if changes.started or changes.stopped:
        logger.info(
            "mapper %s: links: %d started, %d stopped, %d untouched",
            name, len(changes.started), len(changes.stopped), len(changes.kept),
        )  # fmt: skip
