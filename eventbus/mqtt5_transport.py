"""The fast transport: MQTT 5 with the Rust codec `mqtt5`, on an asyncio Protocol.

What makes it fast: all packets of one read are given to `on_messages` in one call, all publishes and
acknowledgements of one turn of the event loop leave in one write, and no message costs a task or a future.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Sequence
from contextlib import suppress
from typing import Any, TypeVar

import mqtt5

from eventbus.endpoint import CONNECT_TIMEOUT
from eventbus.mqtt5_connection import WRITE_HIGH_WATER, Mqtt5Connection
from eventbus.reconnecting import ReconnectingTransport
from eventbus.session_state import HIGHEST_PUBLISH_ID, MAX_QUEUED, MAX_QUEUED_BYTES, SessionState
from eventbus.transport import BusError, Message, Session, Statistics

log = logging.getLogger("eventbus")

MAX_PACKET_SIZE = 1 << 20
"""Bytes of one received packet; stated to the broker, which keeps larger messages from us."""
FLUSH_TIMEOUT = 2.0
REFUSED = 0x80
"""Reason codes from here on are failures."""

T = TypeVar("T")

_AT_LEAST_ONCE = mqtt5.QoS.AT_LEAST_ONCE
_SUCCESS = mqtt5.PubAckReasonCode.SUCCESS
_ADVICE = {
    "BAD_USER_NAME_OR_PASSWORD": "check the user name and the password",
    "NOT_AUTHORIZED": "check the user name, the password and what the broker lets that user do",
    "CLIENT_ID_NOT_VALID": "choose another client id",
    "BANNED": "ask whoever runs the broker",
}
_PASSING = {"SERVER_UNAVAILABLE", "SERVER_BUSY", "CONNECTION_RATE_EXCEEDED", "QUOTA_EXCEEDED"}
"""Refusals that may be over at the next attempt."""


class ProtocolRefusedError(BusError):
    """The broker does not speak MQTT 5."""


class Mqtt5Transport(ReconnectingTransport):
    """`Transport` over MQTT 5; see there for what each method promises."""

    def __init__(
        self,
        session: Session,
        *,
        max_packet_size: int = MAX_PACKET_SIZE,
        max_queued: int = MAX_QUEUED,
        max_queued_bytes: int = MAX_QUEUED_BYTES,
    ) -> None:
        super().__init__(session)
        self._max_packet_size = max_packet_size
        self._state = SessionState(max_queued=max_queued, max_queued_bytes=max_queued_bytes)
        self._filters = dict.fromkeys(session.subscriptions)
        self._connection: Mqtt5Connection | None = None
        """Set from CONNACK until the loss."""
        self._up = False
        self._paused = False
        self._flush_scheduled = False
        self._held: list[Message] = []
        """Received, not yet delivered; grows before `on_up` and after `pause` only, by what is on its way."""
        self._connack: asyncio.Future[mqtt5.ConnAckPacket]
        self._replies: dict[int, asyncio.Future[mqtt5.SubAckPacket | mqtt5.UnsubAckPacket]] = {}
        self._last_control_id = HIGHEST_PUBLISH_ID
        self._drained: asyncio.Future[None] | None = None
        self._refusals = 0

    # -- sending --------------------------------------------------------------------------------------------

    def publish(self, topic: str, payload: bytes, *, qos: int = 1, retain: bool = False) -> bool:
        accepted = self._state.publish(topic, payload, qos=qos, retain=retain)
        self._flush_soon()
        return accepted

    def acknowledge(self, receipts: Sequence[int]) -> None:
        self._state.acknowledge(receipts)
        self._flush_soon()

    def statistics(self) -> Statistics:
        state = self._state
        return Statistics(state.queued, state.queued_bytes, state.dropped, self._up)

    def _flush_soon(self) -> None:
        if not self._flush_scheduled and self._up:
            self._flush_scheduled = True
            asyncio.get_running_loop().call_soon(self._flush)

    def _flush(self) -> None:
        self._flush_scheduled = False
        if self._connection is None or not self._connection.writable:
            return
        packets = self._state.take(WRITE_HIGH_WATER)
        if packets:
            self._connection.write(b"".join(packets))
        if self._state.sendable:
            self._flush_soon()
        self._check_drained()

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

    def _receive(self, packets: list[mqtt5.Packet]) -> None:
        state = self._state
        messages: list[Message] = []
        for packet in packets:
            match packet:
                case mqtt5.PublishPacket():
                    packet_id = packet.packet_id
                    receipt = 0 if packet_id is None else state.receipt(packet_id)
                    messages.append(Message(packet.topic, packet.payload, receipt, packet.duplicate, packet.retain))
                case mqtt5.PubAckPacket():
                    state.acknowledged(packet.packet_id)
                    if packet.reason_code is not _SUCCESS and packet.reason_code.value >= REFUSED:
                        self._count_refusal(packet)
                case _:
                    self._control(packet)
        if messages:
            self._held += messages
            self._deliver()
        if state.sendable:
            self._flush_soon()
        self._check_drained()

    def _deliver(self) -> None:
        if self._held and self._up and not self._paused:
            messages, self._held = self._held, []
            self.on_messages(messages)

    def _control(self, packet: mqtt5.Packet) -> None:
        match packet:
            case mqtt5.SubAckPacket() | mqtt5.UnsubAckPacket():
                reply = self._replies.pop(packet.packet_id, None)
                if reply and not reply.done():
                    reply.set_result(packet)
            case mqtt5.ConnAckPacket():
                if not self._connack.done():
                    self._connack.set_result(packet)
            case mqtt5.DisconnectPacket() if self._connection:
                self._connection.abort(_parting(packet))

    def _count_refusal(self, packet: mqtt5.PubAckPacket) -> None:
        self._refusals += 1
        self._state.dropped += 1
        if self._refusals == 1:
            log.warning(
                "MQTT broker %s refuses a message (%s); later ones are only counted",
                self.endpoint,
                packet.reason_str or packet.reason_code.name,
            )

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
            self._forget(filters)
            raise

    async def unsubscribe(self, filters: Sequence[str]) -> None:
        self._forget(filters)
        if self._connection is None or not filters:
            return
        packet_id = self._next_control_id()
        with suppress(ConnectionError):
            await self._request(
                self._connection, packet_id, mqtt5.UnsubscribePacket(packet_id, list(filters)).write()
            )

    async def _subscribe(self, connection: Mqtt5Connection, filters: Sequence[str]) -> None:
        packet_id = self._next_control_id()
        wanted = [mqtt5.TopicFilter(f, max_qos=_AT_LEAST_ONCE, retain_as_published=False) for f in filters]
        reply = await self._request(connection, packet_id, mqtt5.SubscribePacket(packet_id, wanted).write())
        refused = [
            f"{f} ({code.name})"
            for f, code in zip(filters, reply.reason_codes, strict=False)
            if code.value >= REFUSED
        ]
        if refused:
            raise BusError(
                f"MQTT broker {self.endpoint} refuses the subscription {', '.join(refused)};"
                f" let user {self.session.username or '(anonymous)'} read it"
            )

    async def _request(
        self, connection: Mqtt5Connection, packet_id: int, wire: bytes
    ) -> mqtt5.SubAckPacket | mqtt5.UnsubAckPacket:
        reply = self._replies[packet_id] = asyncio.get_running_loop().create_future()
        connection.write(wire)
        return await self._answer(connection, reply)

    def _next_control_id(self) -> int:
        self._last_control_id = (
            self._last_control_id + 1 if self._last_control_id < 0xFFFF else HIGHEST_PUBLISH_ID + 1
        )
        return self._last_control_id

    def _forget(self, filters: Sequence[str]) -> None:
        for topic_filter in filters:
            self._filters.pop(topic_filter, None)

    # -- the connection -------------------------------------------------------------------------------------

    async def _connect(self) -> None:
        connection = Mqtt5Connection(self._receive, self._flush_soon, self._max_packet_size)
        await self.endpoint.open(connection)
        try:
            async with asyncio.timeout(CONNECT_TIMEOUT):
                await self._open_session(connection)
        except BaseException:
            connection.abort("given up")
            self._detach()
            raise

    async def _open_session(self, connection: Mqtt5Connection) -> None:
        self._connack = asyncio.get_running_loop().create_future()
        connection.write(_connect_packet(self.session, self._max_packet_size))
        connack = await self._answer(connection, self._connack)
        if connack.reason_code.value >= REFUSED:
            raise self._refusal(connack)
        self._connection = connection
        self._refusals = 0
        self._state.connected(
            session_present=connack.session_present,
            receive_maximum=connack.receive_max,
            max_packet_size=connack.max_packet_size,
        )
        connection.keep_alive(connack.server_keep_alive or self.session.keepalive)
        if self._filters:
            await self._subscribe(connection, list(self._filters))
        self._stand(connection, session_present=connack.session_present)

    def _stand(self, connection: Mqtt5Connection, *, session_present: bool) -> None:
        self._up = True
        self.on_up(session_present)
        if self._paused:
            connection.hold()
        self._deliver()
        self._flush_soon()

    async def _answer(self, connection: Mqtt5Connection, reply: asyncio.Future[T]) -> T:
        await _first_of(connection.lost, reply)
        if reply.done():
            return reply.result()
        reason = connection.lost.result()
        if connection.tls_error:
            raise self.endpoint.refusal(connection.tls_error)
        if connection.refused_by_protocol:
            raise ProtocolRefusedError(
                f"the broker at {self.endpoint} does not speak MQTT 5; use the paho transport (MQTT 3.1.1)"
            )
        raise ConnectionError(reason)

    def _refusal(self, connack: mqtt5.ConnAckPacket) -> OSError | BusError:
        code = connack.reason_code.name
        text = f"MQTT broker {self.endpoint} refuses the session {self.session.client_id!r}: {code}"
        if code in _PASSING:
            return ConnectionError(text)
        if code == "UNSUPPORTED_PROTOCOL_VERSION":
            return ProtocolRefusedError(f"{text}; use the paho transport (MQTT 3.1.1)")
        return BusError(f"{text}; {_ADVICE.get(code, connack.reason_str or 'see the log of the broker')}")

    async def _lost(self) -> str:
        connection = self._connection
        assert connection is not None
        await _first_of(connection.lost)
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
            await _first_of(self._drained, connection.lost, within=FLUSH_TIMEOUT)
            connection.write(mqtt5.DisconnectPacket().write())
            await connection.close()
        finally:
            connection.abort("closed")
            self._detach()

    def _check_drained(self) -> None:
        if self._drained and self._state.idle and not self._drained.done():
            self._drained.set_result(None)

    def _detach(self) -> None:
        self._connection = None
        self._up = False
        self._held.clear()
        self._replies.clear()
        self._state.disconnected()


async def _first_of(*futures: asyncio.Future[Any], within: float | None = None) -> None:
    """Wait for one of them (or `within` seconds), without cancelling any."""
    await asyncio.wait(futures, timeout=within, return_when=asyncio.FIRST_COMPLETED)


def _connect_packet(session: Session, max_packet_size: int) -> bytes:
    return mqtt5.ConnectPacket(
        session.client_id,
        username=session.username,
        password=None if session.password is None else session.password.encode(),
        clean_start=session.expiry == 0,
        keep_alive=session.keepalive,
        session_expiry_interval=session.expiry,
        receive_max=session.receive_maximum,
        max_packet_size=max_packet_size,
    ).write()


def _parting(packet: mqtt5.DisconnectPacket) -> str:
    if packet.reason_code is mqtt5.DisconnectReasonCode.SESSION_TAKEN_OVER:
        return "another client connected with the same client id"
    return f"it said {packet.reason_str or packet.reason_code.name}"
