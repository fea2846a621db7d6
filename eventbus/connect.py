"""Which MQTT library a session gets."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from typing import Literal, Self

from eventbus.mqtt5_transport import Mqtt5Transport
from eventbus.paho_transport import PahoTransport
from eventbus.refusal import ProtocolRefusedError
from eventbus.transport import Message, Session, Statistics, Transport

log = logging.getLogger("eventbus")


def transport(session: Session, kind: Literal["auto", "mqtt5", "paho"] = "auto") -> Transport:
    """A transport for `session`, to be entered with `async with`: the fast one where the broker speaks MQTT 5, else
    the portable one, or the one that is asked for. BusError when the session's address cannot be used."""
    match kind:
        case "mqtt5":
            return Mqtt5Transport(session)
        case "paho":
            return PahoTransport(session)
        case "auto":
            return AutoTransport(session)


class AutoTransport:
    """`Mqtt5Transport`, or `PahoTransport` when the broker refuses MQTT 5 on the first connection."""

    on_messages: Callable[[Sequence[Message]], None]
    on_up: Callable[[bool], None]
    on_down: Callable[[], None]

    def __init__(self, session: Session) -> None:
        self._session = session
        self._chosen: Mqtt5Transport | PahoTransport = Mqtt5Transport(session)
        self.on_messages = self._chosen.on_messages
        self.on_up = self._chosen.on_up
        self.on_down = self._chosen.on_down

    async def __aenter__(self) -> Self:
        try:
            await self._enter()
        except ProtocolRefusedError as error:
            log.info("%s; using MQTT 3.1.1", error)
            self._chosen = PahoTransport(self._session)
            await self._enter()
        return self

    async def _enter(self) -> None:
        self._chosen.on_messages = self.on_messages
        self._chosen.on_up = self.on_up
        self._chosen.on_down = self.on_down
        await self._chosen.__aenter__()

    async def __aexit__(self, *exc: object) -> None:
        await self._chosen.__aexit__(*exc)

    def publish(self, topic: str, payload: bytes, *, qos: int = 1, retain: bool = False) -> bool:
        return self._chosen.publish(topic, payload, qos=qos, retain=retain)

    def acknowledge(self, receipts: Sequence[int]) -> None:
        self._chosen.acknowledge(receipts)

    async def subscribe(self, filters: Sequence[str]) -> None:
        await self._chosen.subscribe(filters)

    async def unsubscribe(self, filters: Sequence[str]) -> None:
        await self._chosen.unsubscribe(filters)

    def pause(self) -> None:
        self._chosen.pause()

    def resume(self) -> None:
        self._chosen.resume()

    def statistics(self) -> Statistics:
        return self._chosen.statistics()
