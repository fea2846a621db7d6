"""One connection of the bus channel: the outbox goes up in order, and is trimmed when the cloud has it."""

from __future__ import annotations

import asyncio
import logging
import time
from collections import deque

from edgehub.connection import Connection, LinkLost
from edgehub.counts import Counts
from edgehub.reports import batch
from edgehub.stored import stored
from edgehub.together import together
from link.acknowledgement import is_acknowledgement
from link.limits import BATCH_MESSAGES
from link.message import BadFrame, decode
from link.pace import Pace
from link.uplink import Uplink
from link.window import Window
from twin.journal import Journal
from twin.keeper import Keeper
from twin.outbox import OutboxEntry

__all__ = ["BusSession", "Retold"]

logger = logging.getLogger("edgehub")


class Retold:
    """Across connections: what was put into the outbox again for a cloud that forgot it."""

    def __init__(self) -> None:
        self.behind = 0
        """Everything stands in the outbox behind this number, for as long as nothing more is trimmed."""


class BusSession:
    """`run` drains until the connection is lost."""

    def __init__(
        self,
        connection: Connection,
        journal: Journal,
        keeper: Keeper,
        declared: asyncio.Event,
        pace: Pace,
        counts: Counts,
        retold: Retold,
    ) -> None:
        """`declared`: set while the cloud knows every device that is declared here."""
        self._connection = connection
        self._journal = journal
        self._keeper = keeper
        self._declared = declared
        self._pace = pace
        self._counts = counts
        self._retold = retold
        self._window = Window()
        self._uplink = Uplink(plain=False, after=connection.welcome.resume, window=self._window)
        self._unsent: deque[OutboxEntry] = deque()
        self._wake = asyncio.Event()

    @property
    def confirmed(self) -> int:
        """Up to this number the cloud has everything."""
        return self._uplink.confirmed

    @property
    def window(self) -> int:
        """Bytes that the link carries without delay."""
        return self._window.size

    async def run(self) -> None:
        """Raises `LinkLost`, also when a new connection has to be made."""
        await self._resume()
        self._journal.on_grown = self._wake.set
        await together(acknowledgements=self._receive(), drain=self._drain())

    async def _resume(self) -> None:
        resume = self._connection.welcome.resume
        if resume > self._journal.sent:
            logger.warning(
                "the cloud has change %d of this edge, whose journal has told it no more than %d: the journal was "
                "put back from an older copy; it goes on as a new one", resume, self._journal.sent,
            )  # fmt: skip
            await stored(self._journal.renew_identity())
            raise LinkLost("the journal has a new identity")
        if resume < self._journal.trimmed != self._retold.behind:
            logger.info("the cloud does not know what this edge told before: it is told everything anew")
            self._retold.behind = self._journal.trimmed
            self._keeper.report_all()
            await stored(self._journal.flush())
        if resume:
            self._journal.trim(resume)
        await stored(self._journal.begin_sending())

    async def _drain(self) -> None:
        loop = asyncio.get_running_loop()
        while True:
            await self._declared.wait()
            if not self._unsent:
                self._wake.clear()
                self._unsent.extend(self._journal.outbox(self._uplink.next_after, BATCH_MESSAGES))
            room, ready = self._uplink.room(loop.time()), self._pace.ready(loop.time())
            if self._unsent and room and not ready:
                await asyncio.sleep(self._pace.delay(loop.time()))
            elif self._unsent and room:
                await self._send(room, ready)
            else:
                self._wake.clear()
                await self._wait()

    async def _wait(self) -> None:
        """For an acknowledgement, or for a change: one may have been committed while nobody listened."""
        if not self._unsent and self._journal.outbox(self._uplink.next_after, 1):
            return
        await self._wake.wait()

    async def _send(self, room: int, ready: int) -> None:
        frame, taken = batch(self._unsent, room, ready, time.time_ns() // 1_000_000)
        now = asyncio.get_running_loop().time()
        for seq, size in taken:
            self._uplink.sent(seq, size, now)
        self._pace.spend(len(taken), now)
        self._counts.sent += len(taken)
        self._journal.sent = max(self._journal.sent, taken[-1][0])
        await self._connection.send(frame)

    async def _receive(self) -> None:
        while True:
            frame = await self._connection.receive()
            try:
                messages = decode(frame)
            except BadFrame as fault:
                self._counts.unreadable += 1
                raise LinkLost(f"the cloud sent what is no message: {fault}") from None
            for message in messages:
                if is_acknowledgement(message):
                    self._acknowledged(message.header.parent_msg_id)

    def _acknowledged(self, parent_id: str) -> None:
        before = len(self._uplink)
        reached = self._uplink.acknowledged(parent_id, asyncio.get_running_loop().time())
        if reached:
            self._counts.acknowledged += before - len(self._uplink)
            self._journal.trim(reached)
            self._wake.set()
