"""Keeps one channel of the link open for ever: attempts with full jitter, a word when it goes and when it is back.

With a new certificate the next connection is opened before the last one is closed.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable, Coroutine, Iterator
from typing import Any, NamedTuple

from edgehub.connection import Connection, LinkLost, Unreachable
from edgehub.settings import LinkSettings
from eventbus.backoff import full_jitter

__all__ = ["Channel", "ChannelState", "Closed", "Serve"]

logger = logging.getLogger("edgehub")

Open = Callable[[], Awaitable[Connection]]
Serve = Callable[[Connection], Coroutine[Any, Any, None]]
PATIENCE = 5
"""Failures in a row, of a channel that depends on another, until it is told."""
STEADY = 10.0
"""Seconds that a connection must hold for the pauses to begin from the shortest again."""


class Closed(Exception):
    """Raised by who serves a connection: it is not needed now; wait for the gate."""


class ChannelState(NamedTuple):
    """What is shown of a channel."""

    up: bool
    since: float
    """When it came up or went, Unix seconds."""
    plain: bool
    connections: int
    """How often it came up."""
    trouble: str
    """Why it is not up."""


class Channel:
    """`run` keeps the channel; whoever runs it owns it."""

    def __init__(
        self,
        name: str,
        open_: Open,
        serve: Serve,
        settings: LinkSettings,
        gate: Callable[[], Awaitable[None]] | None = None,
    ) -> None:
        """`serve` uses one connection until `LinkLost`, or `Closed`. `gate` is waited for before each connection; a
        channel that has one depends on another, is lost along with that, and tells only what lasts."""
        self._name = name
        self._open = open_
        self._serve = serve
        self._settings = settings
        self._gate = gate
        self._patience = PATIENCE if gate else 1
        self._failures = 0
        self._renewed = asyncio.Event()
        self._told = ""
        self.state = ChannelState(False, time.time(), False, 0, "not connected yet")

    def renew(self) -> None:
        """There is a new certificate: open a connection with it, then close the one that is there, or just coming."""
        self._renewed.set()

    def rest(self, reason: str) -> None:
        """While it is not run: what is shown. When it runs again it begins anew, without a pause."""
        self._show_down(reason)
        self._failures, self._told = 0, ""

    async def run(self) -> None:
        """For ever."""
        pauses = self._pauses()
        while True:
            if self._gate:
                await self._gate()
            self._renewed.clear()
            try:
                connection = await self._open()
            except Unreachable as error:
                self._down(str(error))
            else:
                began = time.monotonic()
                if await self._hold(connection):
                    continue
                if time.monotonic() - began >= STEADY:
                    pauses = self._pauses()
                    self._failures = 0
            await asyncio.sleep(next(pauses))

    def _pauses(self) -> Iterator[float]:
        return full_jitter(self._settings.first_pause, self._settings.longest_pause)

    async def _hold(self, connection: Connection) -> bool:
        """Serve a connection, and those that follow it with newer certificates. Returns whether it was closed in
        peace."""
        self._up(connection)
        while True:
            serving = asyncio.create_task(self._serve(connection), name=f"link {self._name}")
            try:
                following = await self._follower(serving)
            finally:
                serving.cancel()
                await asyncio.wait([serving])
                await connection.close()
            if following is None:
                return self._ended(serving)
            connection = following
            logger.info("the link to the cloud (%s) uses the new certificate", self._name)

    async def _follower(self, serving: asyncio.Task[None]) -> Connection | None:
        """The connection that takes over, once the certificate is new; None when this one ended."""
        while True:
            renewal = asyncio.create_task(self._renewed.wait(), name=f"renewal of link {self._name}")
            try:
                await asyncio.wait({serving, renewal}, return_when=asyncio.FIRST_COMPLETED)
            finally:
                renewal.cancel()
            if serving.done():
                return None
            self._renewed.clear()
            try:
                return await self._open()
            except Unreachable as error:
                logger.warning("with the new certificate %s; the old connection goes on", error)

    def _ended(self, serving: asyncio.Task[None]) -> bool:
        failure = None if serving.cancelled() else serving.exception()
        if isinstance(failure, Closed):
            self._show_down(str(failure))
            return True
        if failure is not None and not isinstance(failure, LinkLost):
            raise failure
        self._down(str(failure or "the link broke"))
        return False

    def _up(self, connection: Connection) -> None:
        if self._told and not self._gate:
            logger.info("the link to the cloud is back (%s)", self._name)
            self._told = ""
        plain = connection.welcome.plain
        self.state = ChannelState(True, time.time(), plain, self.state.connections + 1, "")

    def _down(self, trouble: str) -> None:
        """Said once for each reason."""
        self._failures += 1
        if trouble != self._told and self._failures >= self._patience:
            logger.warning("no link to the cloud (%s): %s; trying again", self._name, trouble)
            self._told = trouble
        self._show_down(trouble)

    def _show_down(self, trouble: str) -> None:
        since = time.time() if self.state.up else self.state.since
        self.state = self.state._replace(up=False, since=since, trouble=trouble)
