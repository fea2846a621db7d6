"""Keeps a session connected: the part of a transport that does not depend on the MQTT library behind it."""

from __future__ import annotations

import asyncio
import logging
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from contextlib import AsyncExitStack
from typing import Self

from eventbus.backoff import full_jitter
from eventbus.endpoint import Endpoint
from eventbus.owned_task import OwnedTask
from eventbus.transport import BusError, Message, Session

log = logging.getLogger("eventbus")

FIRST_DELAY = 0.1
LONGEST_DELAY = 10.0
STABLE_AFTER = 1.0
"""Seconds a connection must have stood before the waiting times start from the beginning."""


class ReconnectingTransport(ABC):
    """Connects on entering, reconnects for ever with full jitter, calls `on_up` and `on_down`.

    One task, owned by the `async with`, keeps the connection; what a callback raises ends that task, and so the body.
    """

    def __init__(self, session: Session) -> None:
        """BusError when the session's address or certificates cannot be used."""
        self.session = session
        self.endpoint = Endpoint.of(session)
        self.on_messages: Callable[[Sequence[Message]], None] = _ignore
        self.on_up: Callable[[bool], None] = _ignore
        self.on_down: Callable[[], None] = _ignore
        self._stack = AsyncExitStack()
        self._delays = full_jitter(FIRST_DELAY, LONGEST_DELAY)

    @abstractmethod
    async def _connect(self) -> None:
        """Connect, subscribe, call `on_up`, deliver. OSError: it may work later. BusError: the broker refuses us."""

    @abstractmethod
    async def _lost(self) -> str:
        """Wait until the connection is lost and tell why; raises what a callback raised."""

    @abstractmethod
    async def _disconnect(self) -> None:
        """Flush (bounded), say goodbye, close. Also when there is no connection."""

    async def __aenter__(self) -> Self:
        await self._connect_first()
        self._stack.push_async_callback(self._disconnect)
        keeper = OwnedTask(self._keep_connected(), f"mqtt session {self.session.client_id}")
        await self._stack.enter_async_context(keeper)
        return self

    async def __aexit__(self, *exc: object) -> None:
        await self._stack.aclose()

    async def _connect_first(self) -> None:
        try:
            await self._connect()
        except OSError as error:
            log.warning("MQTT broker %s cannot be reached yet (%s); waiting for it", self.endpoint, _words(error))
            while not await self._try_later(refused=_raise):
                pass
            log.info("MQTT broker %s is there", self.endpoint)

    async def _keep_connected(self) -> None:
        clock = asyncio.get_running_loop().time
        while True:
            since = clock()
            reason = await self._lost()
            gone_at = clock()
            log.warning("MQTT broker %s is gone: %s; reconnecting", self.endpoint, reason)
            self.on_down()
            if gone_at - since > STABLE_AFTER:
                self._delays = full_jitter(FIRST_DELAY, LONGEST_DELAY)
            await self._reconnect()
            log.info("MQTT broker %s is back after %.1f s", self.endpoint, clock() - gone_at)

    async def _reconnect(self) -> None:
        told: set[str] = set()

        def tell_once(error: BusError) -> None:
            if str(error) not in told:
                told.add(str(error))
                log.warning("%s; trying on", error)

        while not await self._try_later(refused=tell_once):
            pass

    async def _try_later(self, refused: Callable[[BusError], None]) -> bool:
        await asyncio.sleep(next(self._delays))
        try:
            await self._connect()
        except BusError as error:
            refused(error)
            return False
        except OSError:
            return False
        return True


def _raise(error: BusError) -> None:
    raise error


def _words(error: OSError) -> str:
    return str(error) or type(error).__name__


def _ignore(*_: object) -> None:
    """The callbacks' default."""
