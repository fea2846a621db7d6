"""A connection of a real edgecore, or of anything that speaks KubeEdge's wire: everything on the one connection.

A report is confirmed once it is durable. One that cannot be taken, because its device is not known here or lives at
another node, is confirmed as well, counted and logged once: KubeEdge leaves it unconfirmed, and its edge then keeps
it and sends it again for ever, although no repetition could be taken either. Only what is no report at all is
answered with an error. Where KubeEdge and this differ otherwise: a null twin ends its cloud, and not ours.
"""

from __future__ import annotations

from collections.abc import Sequence

from cloud_sync.downstream import Downstream
from cloud_sync.homecoming import take
from cloud_sync.intake import Intake
from cloud_sync.node_link import NodeLink
from cloud_sync.registry import Registry
from cloud_sync.reports import REPORTS, BadReport, read_report
from cloud_sync.settings import HubSettings
from cloud_sync.together import together
from cloud_sync.twin_log import Change, TwinLog
from link.acknowledgement import is_acknowledgement, refuse
from link.message import Message
from link.resources import Resource, parse
from link.rows import confirm

__all__ = ["PlainSession"]


class PlainSession:
    """`run` serves the link until it ends."""

    def __init__(
        self, link: NodeLink, registry: Registry, log: TwinLog, down: Downstream, settings: HubSettings
    ) -> None:
        self._link, self._registry, self._log, self._down, self._settings = link, registry, log, down, settings
        self._intake = Intake(self._take, self._confirm)

    async def run(self) -> None:
        self._link.alive_for(self._settings.keepalive)
        await together(up=self._read(), intake=self._intake.run(), down=self._down.run())

    async def _read(self) -> None:
        async for [message] in self._link.frames():
            await self._handle(message)

    async def _handle(self, message: Message) -> None:
        route = message.route
        if route.operation == "keepalive":
            self._link.alive_for(self._settings.keepalive)
        elif is_acknowledgement(message):
            self._down.acknowledged(message.header.parent_msg_id)
        elif route.operation == "error":
            self._down.answered_with_error(message)
        elif (resource := parse(route.resource)).kind in REPORTS:
            await self._report(message, resource)

    async def _report(self, message: Message, resource: Resource) -> None:
        try:
            change = read_report(message, resource)
        except BadReport as fault:
            self._link.refuse(resource.id, str(fault))
            await self._link.send([refuse(message, str(fault))])
            return
        await self._intake.put([change] if self._lives_here(change.device) else [], [message])

    def _lives_here(self, device: str) -> bool:
        known = self._registry.device(device)
        if known is not None and known.node == self._link.node:
            return True
        self._link.refuse(device, "it is not declared" if known is None else f"it lives at node {known.node}")
        return False

    async def _take(self, changes: Sequence[Change]) -> None:
        await take(self._registry, self._log, self._link.node, "", changes)

    async def _confirm(self, reports: Sequence[Message]) -> None:
        await self._link.send([confirm(report) for report in reports])
