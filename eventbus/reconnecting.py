"""Keeps a session connected: what a transport does whichever MQTT library is behind it."""

from __future__ import annotations

import asyncio
import logging
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from contextlib import AsyncExitStack, suppress
from typing import Generic, Self, TypeVar

from eventbus.backoff import full_jitter
from eventbus.connection import Connection, first_of
from eventbus.endpoint import CONNECT_TIMEOUT, Endpoint
from eventbus.owned_task import OwnedTask
from eventbus.transport import BusError, Message, Session

log = logging.getLogger("eventbus")

FIRST_DELAY = 0.1
LONGEST_DELAY = 10.0
STABLE_AFTER = 1.0
"""Seconds a connection must have stood before the waiting times start from the beginning."""
FLUSH_TIMEOUT = 2.0
"""Seconds that leaving may take to get rid of what is queued."""


ConnectionT = TypeVar("ConnectionT", bound=Connection)


class ReconnectingTransport(ABC, Generic[ConnectionT]):
    """Connects on entering, subscribes, delivers, and reconnects for ever with full jitter.

    One task, owned by the `async with`, watches the connection; what a callback raises ends that task, and the body.
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
        self._filters = dict.fromkeys(session.subscriptions)
        self._connection: ConnectionT | None = None
        """Set from CONNACK until the loss."""
        self._up = False
        self._paused = False
        self._held: list[Message] = []
        """Received, not yet delivered; grows before `on_up` and after `pause` only, by what is on its way."""
        self._drained: asyncio.Future[None] | None = None

    # -- what the library does ------------------------------------------------------------------------------

    @abstractmethod
    async def _open(self) -> ConnectionT:
        """Open the socket. OSError: it may work later. BusError: it will not."""

    @abstractmethod
    async def _introduce(self, connection: ConnectionT) -> bool:
        """CONNECT; returns CONNACK's `session_present`. Errors as for `_open`."""

    @abstractmethod
    async def _subscribe(self, connection: ConnectionT, filters: Sequence[str]) -> None:
        """SUBSCRIBE at QoS 1; ConnectionError when the connection is lost first, BusError when refused."""

    @abstractmethod
    async def _unsubscribe(self, connection: ConnectionT, filters: Sequence[str]) -> None:
        """UNSUBSCRIBE; ConnectionError when the connection is lost first."""

    @abstractmethod
    def _flush_soon(self) -> None:
        """Send what is queued."""

    @abstractmethod
    def _idle(self) -> bool:
        """Whether everything queued has left and the broker has acknowledged it."""

    @abstractmethod
    def _went_down(self) -> None:
        """Forget what belonged to the connection."""

    # -- coming and going -----------------------------------------------------------------------------------

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
            # who refuses our certificate, or the lack of one, may close before we can read why
            hint = "; does it ask for a certificate?" if self.endpoint.tls else ""
            problem = str(error) or type(error).__name__
            log.warning("MQTT broker %s cannot be reached yet (%s); waiting for it%s", self.endpoint, problem, hint)
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

    async def _connect(self) -> None:
        connection = await self._open()
        try:
            async with asyncio.timeout(CONNECT_TIMEOUT):
                session_present = await self._introduce(connection)
                self._connection = connection
                if self._filters:
                    await self._subscribe(connection, list(self._filters))
            self._stand(connection, session_present=session_present)
        except BaseException:
            connection.abort("given up")
            self._detach()
            raise

    def _stand(self, connection: ConnectionT, *, session_present: bool) -> None:
        self._up = True
        self.on_up(session_present)
        if self._paused:
            connection.hold()
        self._deliver()
        self._flush_soon()

    async def _lost(self) -> str:
        connection = self._connection
        assert connection is not None
        await first_of(connection.lost)
        self._detach()
        return connection.lost.result()

    async def _disconnect(self) -> None:
        connection = self._connection
        if connection is None:
            return
        try:
            self._paused = True  # whoever leaves wants to hear no more
            connection.release()
            self._drained = asyncio.get_running_loop().create_future()
            self._flush_soon()
            self._check_drained()
            await first_of(self._drained, connection.lost, within=FLUSH_TIMEOUT)
            if not connection.lost.done():
                await connection.close()
        finally:
            connection.abort("closed")
            self._detach()

    def _check_drained(self) -> None:
        """To be called whenever something has left or was acknowledged."""
        if self._drained and not self._drained.done() and self._idle():
            self._drained.set_result(None)

    def _detach(self) -> None:
        self._connection = None
        self._up = False
        self._held.clear()
        self._went_down()

    # -- receiving ------------------------------------------------------------------------------------------

    def pause(self) -> None:
        self._paused = True
        if self._up and self._connection:
            self._connection.hold()

    def resume(self) -> None:
        self._paused = False
        if self._up and self._connection:
            self._connection.release()
            asyncio.get_running_loop().call_soon(self._connection.guard, self._deliver)

    def _deliver(self) -> None:
        if self._held and self._up and not self._paused:
            messages, self._held = self._held, []
            self.on_messages(messages)

    # -- subscriptions --------------------------------------------------------------------------------------

    async def subscribe(self, filters: Sequence[str]) -> None:
        self._filters.update(dict.fromkeys(filters))
        if self._connection is None or not filters:
            return
        try:
            await self._subscribe(self._connection, filters)
        except ConnectionError:
            return  # repeated by the next connection
        except BusError:
            self._drop(filters)
            raise

    async def unsubscribe(self, filters: Sequence[str]) -> None:
        self._drop(filters)
        if self._connection and filters:
            with suppress(ConnectionError):
                await self._unsubscribe(self._connection, filters)

    def _drop(self, filters: Sequence[str]) -> None:
        for topic_filter in filters:
            self._filters.pop(topic_filter, None)

    def _refused_subscription(self, refused: Sequence[str]) -> BusError:
        user = self.session.username or "(anonymous)"
        return BusError(
            f"MQTT broker {self.endpoint} refuses the subscription {', '.join(refused)}; let user {user} read it"
        )


def _raise(error: BusError) -> None:
    raise error


def _ignore(*_: object) -> None:
    """The callbacks' default."""
