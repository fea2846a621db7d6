"""The bus channel of a twinhub edge: every change from its outbox, in order, confirmed once it is durable here.

An acknowledgement confirms all reports up to its own. A report that cannot be taken is passed over, counted and
logged once for each device, for no repetition could be taken either. A report of a device that is not known may be
of one that the edge is just declaring: it waits for that, and everything behind it waits too, because the order
within the outbox is the order in the history.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence

from cloud_sync.homecoming import take
from cloud_sync.intake import Intake
from cloud_sync.node_link import NodeLink
from cloud_sync.registry import Registry
from cloud_sync.reports import BadReport, read_report
from cloud_sync.settings import HubSettings
from cloud_sync.together import together
from cloud_sync.twin_log import Change, TwinLog
from link.message import BadFrame, Message
from link.resources import parse
from link.rows import confirm

__all__ = ["BusSession"]


class BusSession:
    """`run` serves the link until it ends."""

    def __init__(
        self,
        link: NodeLink,
        registry: Registry,
        log: TwinLog,
        declared: asyncio.Event,
        elsewhere: Callable[[], bool],
        settings: HubSettings,
    ) -> None:
        """`declared`: all that the edge declares has come, over its hub channel. `elsewhere`: that channel is
        connected to another process of the cloud, so that here nobody will hear of it."""
        self._link, self._registry, self._log = link, registry, log
        self._declared, self._elsewhere, self._settings = declared, elsewhere, settings
        self._intake = Intake(self._take, self._confirm)

    async def run(self) -> None:
        await together(up=self._read(), intake=self._intake.run())

    async def _read(self) -> None:
        async for messages in self._link.frames():
            changes = [change for message in messages if (change := await self._change(message))]
            await self._intake.put(changes, messages)

    async def _change(self, message: Message) -> Change | None:
        seq = _number(message)
        resource = parse(message.route.resource)
        try:
            change = read_report(message, resource, seq)
            await self._check_home(resource.id)
        except BadReport as fault:
            self._link.refuse(resource.id, str(fault))
            return None
        return change

    async def _check_home(self, device: str) -> None:
        known = self._registry.device(device)
        if known is None:
            await self._wait_for_declarations()
            known = self._registry.device(device)
        if known is None:
            raise BadReport("it is not declared")
        if known.node != self._link.node:
            raise BadReport(f"it lives at node {known.node}")

    async def _wait_for_declarations(self) -> None:
        """Raises `BadFrame` when the edge is slow to declare: it comes again, and with it what it could not bring."""
        try:
            async with asyncio.timeout(self._settings.patience):
                await self._declared.wait()
        except TimeoutError:
            if not self._elsewhere():
                raise BadFrame("a report of an unknown device came before all devices were declared") from None

    async def _take(self, changes: Sequence[Change]) -> None:
        await take(self._registry, self._log, self._link.node, self._link.journal, changes)

    async def _confirm(self, reports: Sequence[Message]) -> None:
        await self._link.send([confirm(reports[-1])])


def _number(message: Message) -> int:
    said = message.header.msg_id
    if not (said.isascii() and said.isdigit() and 0 < len(said) < 19):
        raise BadFrame("on the bus the id of a message is its number in the outbox")
    return int(said)
