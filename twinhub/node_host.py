"""The twin of an edge's node on the bus: what the node has, how it is, whether it runs pods and has its cloud."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Self

from device_models import Device
from edged import node_twin
from edged.node_status import Around, look
from edged.retained import Retained, repeating
from edged.twin_face import TwinFace
from eventbus.connect import transport
from eventbus.device_side import DeviceSide
from eventbus.owned_task import OwnedTask
from twinhub.bus_session import BusSessions

__all__ = ["NodeHost"]

PERIOD = 5.0
"""Seconds between two looks at the node, each of half a millisecond."""


class NodeHost:
    """`async with` begins to tell. The hub knows its `device`."""

    def __init__(self, node: str, state: Path, around: Callable[[], Around], *, strict: bool) -> None:
        """`state`: a directory on the file system that pods use."""
        self._node = node
        self._state = state
        self._around = around
        self._strict = strict
        self._stack = AsyncExitStack()

    @property
    def device(self) -> Device:
        """The one whose twin shows the node."""
        return node_twin.device_of(self._node, strict=self._strict)

    async def start(self, sessions: BusSessions) -> None:
        """Tell from now on, until the end of `async with`."""
        enter = self._stack.enter_async_context
        bus = transport(sessions.mapper(node_twin.PROTOCOL))
        retained = Retained(bus.publish)
        bus.on_up = repeating(retained, bus.on_up)
        face = await enter(TwinFace(await enter(DeviceSide(bus, "node")), _nothing))
        face.serve(frozenset({node_twin.twin_id(self._node)}))
        await enter(OwnedTask(self._tell(face, retained), "status of the node"))

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *exc: object) -> None:
        await self._stack.aclose()

    async def _tell(self, face: TwinFace, retained: Retained) -> None:
        while True:
            around = self._around()
            status = await asyncio.to_thread(look, self._state, self._node, around)
            retained.node(status)
            values = node_twin.readings(status, strict=self._strict)
            face.report(node_twin.twin_id(self._node), node_twin.state(status), values)
            known = around.idle or around.info is not None or around.absence
            await asyncio.sleep(PERIOD if known else PERIOD / 10)


async def _nothing(device_id: str, wishes: Mapping[str, str]) -> Mapping[str, str]:
    """A node takes no wishes."""
    return dict.fromkeys(wishes, f"{device_id} can only be read")
