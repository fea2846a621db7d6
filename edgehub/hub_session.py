"""One connection of the hub channel: objects and wishes come down and are acknowledged, keepalives go up.

Towards a KubeEdge cloud it is the only connection, and the reports go up on it too.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Coroutine, Sequence
from typing import Any, NamedTuple

from edgehub.connection import Connection, LinkLost
from edgehub.counts import Counts
from edgehub.downlink import Done, Downlink
from edgehub.fresh_copies import FreshCopies, Readings
from edgehub.local_declarations import LocalDeclarations
from edgehub.plain_reports import PlainReports, PlainSeen
from edgehub.settings import LinkSettings
from edgehub.together import together
from link.acknowledgement import acknowledge, is_acknowledgement, wants_acknowledgement
from link.message import BadFrame, Message, decode, encode
from link.rows import keepalive, membership_detail
from twin.journal import Journal
from twin.store import StoreError

__all__ = ["HubSession", "Shared"]

logger = logging.getLogger("edgehub")

UNACKNOWLEDGED = 100
"""Frames of the cloud that wait for the disk; then no more are read."""


class Shared(NamedTuple):
    """What all connections of the hub channel share."""

    node: str
    journal: Journal
    downlink: Downlink
    local: LocalDeclarations
    readings: Readings
    seen: PlainSeen
    counts: Counts
    settings: LinkSettings


class HubSession:
    """`run` serves the connection until it is lost."""

    def __init__(self, connection: Connection, shared: Shared) -> None:
        self._connection = connection
        self._shared = shared
        self._plain = connection.welcome.plain
        self._taken: asyncio.Queue[tuple[Message, list[Done]]] = asyncio.Queue(UNACKNOWLEDGED)
        self._reports = PlainReports(connection, shared.journal, shared.seen, shared.counts)

    async def run(self) -> None:
        """Raises `LinkLost`."""
        await self._send(keepalive())
        await self._send(membership_detail(self._shared.node, time.time_ns() // 1_000_000))
        works: dict[str, Coroutine[Any, Any, None]] = {
            "receive": self._receive(),
            "acknowledge": self._acknowledge(),
            "keepalive": self._keepalive(),
        }
        if self._plain:
            works |= {"reports": self._reports.run()}
        else:
            works |= {"declarations": self._shared.local.tell(self._connection), "fresh": self._fresh().run()}
        await together(**works)

    def _fresh(self) -> FreshCopies:
        shared = self._shared
        return FreshCopies(self._connection, shared.journal, shared.readings, shared.settings.fresh, shared.counts)

    async def _keepalive(self) -> None:
        while True:
            await asyncio.sleep(self._shared.settings.keepalive)
            await self._send(keepalive())

    async def _receive(self) -> None:
        while True:
            frame = await self._connection.receive()
            try:
                messages = decode(frame)
            except BadFrame as fault:
                self._tell_of_unreadable(fault)
                continue
            await self._take_all(messages)

    async def _take_all(self, messages: Sequence[Message]) -> None:
        """Of one frame: on our own link the last stands for all, the plain wire has one."""
        last, waiting = None, []
        for message in messages:
            done = await self._take(message)
            if done is not None:
                waiting.append(done)
            if wants_acknowledgement(message, plain=self._plain):
                last = message
        if last is not None:
            await self._taken.put((last, waiting))

    def _tell_of_unreadable(self, fault: BadFrame) -> None:
        if not self._shared.counts.unreadable:
            logger.error("the cloud sent what is no message, and it is passed over: %.300s", fault)
        self._shared.counts.unreadable += 1

    async def _take(self, message: Message) -> Done | None:
        if is_acknowledgement(message):
            confirmed = self._reports if self._plain else self._shared.local
            confirmed.acknowledged(message.header.parent_msg_id)
            return None
        if message.route.operation == "error":
            logger.warning("the cloud refuses something: %.300s", _text(message))
            return None
        self._shared.counts.received += 1
        try:
            return await self._shared.downlink.take(message)
        except StoreError as error:
            raise LinkLost(f"what the cloud sent could not be stored: {error}") from None

    async def _acknowledge(self) -> None:
        """In the order received, each when it is durable."""
        while True:
            message, waiting = await self._taken.get()
            for done in waiting:
                await _durable(done)
            await self._send(acknowledge(message))

    async def _send(self, message: Message) -> None:
        await self._connection.send(encode(message))


async def _durable(done: Done) -> None:
    try:
        await done
    except Exception as error:  # noqa: BLE001 - whatever kept it from the disk, the message must come again
        raise LinkLost(f"what the cloud wishes could not be stored: {error}") from None


def _text(message: Message) -> str:
    return bytes(message.content).decode(errors="replace") if message.content else "without a reason"
