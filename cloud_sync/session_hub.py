"""The hub channel of a twinhub edge: objects and wishes down, acknowledgements, declarations and fresh values up.

A fresh value is sent ahead of the bus while that lags behind: it changes the latest twin but not the history, and
nobody waits for its confirmation.
"""

from __future__ import annotations

from collections.abc import Sequence

from cloud_sync.downstream import Downstream
from cloud_sync.edge_declarations import EdgeDeclarations
from cloud_sync.homecoming import take
from cloud_sync.intake import Intake
from cloud_sync.node_link import NodeLink
from cloud_sync.registry import Registry
from cloud_sync.reports import REPORTS, BadReport, read_report
from cloud_sync.together import together
from cloud_sync.twin_log import Change, TwinLog
from link.acknowledgement import acknowledge, is_acknowledgement
from link.message import Message
from link.resources import Resource, parse

__all__ = ["HubSession"]


TWINHUB = "twinhub"
"""The source of what an edge declares; an acknowledgement confirms all of a frame."""


class HubSession:
    """`run` serves the link until it ends."""

    def __init__(
        self,
        link: NodeLink,
        registry: Registry,
        log: TwinLog,
        down: Downstream,
        declarations: EdgeDeclarations,
    ) -> None:
        self._link, self._registry, self._log, self._down = link, registry, log, down
        self._declarations = declarations
        self._intake = Intake(self._take, self._link.send)

    async def run(self) -> None:
        await together(up=self._read(), intake=self._intake.run(), down=self._down.run())

    async def _read(self) -> None:
        async for messages in self._link.frames():
            fresh = [change for message in messages if (change := await self._handle(message))]
            if fresh:
                await self._intake.put(fresh, [])
            if told := [message for message in messages if message.route.source == TWINHUB]:
                await self._link.send([acknowledge(told[-1])])

    async def _handle(self, message: Message) -> Change | None:
        if is_acknowledgement(message):
            self._down.acknowledged(message.header.parent_msg_id)
        elif message.route.operation == "error":
            self._down.answered_with_error(message)
        elif message.route.source == TWINHUB:
            await self._declarations.take(message)
        elif (resource := parse(message.route.resource)).kind in REPORTS:
            return self._fresh(message, resource)
        return None

    def _fresh(self, message: Message, resource: Resource) -> Change | None:
        known = self._registry.device(resource.id)
        if known is None or known.node != self._link.node:
            return None  # the bus says so when the report itself comes
        try:
            return read_report(message, resource)
        except BadReport as fault:
            self._link.refuse(resource.id, str(fault))
            return None

    async def _take(self, changes: Sequence[Change]) -> None:
        await take(self._registry, self._log, self._link.node, self._link.journal, changes, history=False)
