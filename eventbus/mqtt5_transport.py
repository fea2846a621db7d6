"""The fast transport: MQTT 5 with the Rust codec `mqtt5`, on an asyncio Protocol.

What makes it fast: all packets of one read are given to `on_messages` in one call, all publishes and
acknowledgements of one turn of the event loop leave in one write, and no message costs a task or a future.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Sequence

import mqtt5

from eventbus.mqtt5_connection import WRITE_HIGH_WATER, Mqtt5Connection
from eventbus.reconnecting import ReconnectingTransport
from eventbus.refusal import REFUSED, refusal
from eventbus.session_state import HIGHEST_PUBLISH_ID, MAX_QUEUED, MAX_QUEUED_BYTES, SessionState
from eventbus.transport import Message, Session, Statistics

log = logging.getLogger("eventbus")

MAX_PACKET_SIZE = 1 << 20
"""Bytes of one received packet; stated to the broker, which keeps larger messages from us."""

Reply = asyncio.Future[mqtt5.SubAckPacket | mqtt5.UnsubAckPacket]

_AT_LEAST_ONCE = mqtt5.QoS.AT_LEAST_ONCE
_SUCCESS = mqtt5.PubAckReasonCode.SUCCESS


class Mqtt5Transport(ReconnectingTransport[Mqtt5Connection]):
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
        self._flush_scheduled = False
        self._connack: asyncio.Future[mqtt5.ConnAckPacket]
        self._replies: dict[int, Reply] = {}
        self._last_control_id = HIGHEST_PUBLISH_ID
        self._told_of_refusal = False

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

    def _idle(self) -> bool:
        return self._state.idle

    # -- receiving ------------------------------------------------------------------------------------------

    def _receive(self, packets: list[mqtt5.Packet]) -> None:
        state, messages = self._state, self._held
        for packet in packets:
            match packet:
                case mqtt5.PublishPacket():
                    packet_id = packet.packet_id
                    receipt = 0 if packet_id is None else state.receipt(packet_id)
                    messages.append(Message(packet.topic, packet.payload, receipt, packet.duplicate, packet.retain))
                case mqtt5.PubAckPacket():
                    self._acknowledged(packet)
                case _:
                    self._control(packet)
        self._deliver()
        if state.sendable:
            self._flush_soon()
        self._check_drained()

    def _acknowledged(self, packet: mqtt5.PubAckPacket) -> None:
        self._state.acknowledged(packet.packet_id)
        if packet.reason_code is _SUCCESS or packet.reason_code.value < REFUSED:
            return
        self._state.dropped += 1
        if not self._told_of_refusal:
            self._told_of_refusal = True
            reason = packet.reason_str or packet.reason_code.name
            log.warning("MQTT broker %s refuses a message (%s); more are only counted", self.endpoint, reason)

    def _control(self, packet: mqtt5.Packet) -> None:
        match packet:
            case mqtt5.SubAckPacket() | mqtt5.UnsubAckPacket():
                reply = self._replies.pop(packet.packet_id, None)
                if reply and not reply.done():
                    reply.set_result(packet)
            case mqtt5.ConnAckPacket():
                self._accepted(packet)
            case mqtt5.DisconnectPacket() if self._connection:
                self._connection.abort(_parting(packet))

    def _accepted(self, connack: mqtt5.ConnAckPacket) -> None:
        """At once, because messages may follow in the same read."""
        if self._connack.done():
            return
        self._connack.set_result(connack)
        self._told_of_refusal = False
        self._state.connected(
            session_present=connack.session_present,
            receive_maximum=connack.receive_max,
            max_packet_size=connack.max_packet_size,
        )

    # -- subscriptions --------------------------------------------------------------------------------------

    async def _subscribe(self, connection: Mqtt5Connection, filters: Sequence[str]) -> None:
        packet_id = self._next_control_id()
        wanted = [mqtt5.TopicFilter(f, max_qos=_AT_LEAST_ONCE, retain_as_published=False) for f in filters]
        reply = await self._request(connection, packet_id, mqtt5.SubscribePacket(packet_id, wanted).write())
        answers = zip(filters, reply.reason_codes, strict=False)
        refused = [f"{topic_filter} ({code.name})" for topic_filter, code in answers if code.value >= REFUSED]
        if refused:
            raise self._refused_subscription(refused)

    async def _unsubscribe(self, connection: Mqtt5Connection, filters: Sequence[str]) -> None:
        packet_id = self._next_control_id()
        await self._request(connection, packet_id, mqtt5.UnsubscribePacket(packet_id, list(filters)).write())

    async def _request(
        self, connection: Mqtt5Connection, packet_id: int, wire: bytes
    ) -> mqtt5.SubAckPacket | mqtt5.UnsubAckPacket:
        reply: Reply = asyncio.get_running_loop().create_future()
        self._replies[packet_id] = reply
        connection.write(wire)
        return await connection.answer(reply)

    def _next_control_id(self) -> int:
        self._last_control_id = max(self._last_control_id % 0xFFFF, HIGHEST_PUBLISH_ID) + 1
        return self._last_control_id

    # -- the connection -------------------------------------------------------------------------------------

    async def _open(self) -> Mqtt5Connection:
        connection = Mqtt5Connection(self._receive, self._flush_soon, self.endpoint, self._max_packet_size)
        return await self.endpoint.open(connection)

    async def _introduce(self, connection: Mqtt5Connection) -> bool:
        self._connack = asyncio.get_running_loop().create_future()
        connection.write(_connect_packet(self.session, self._max_packet_size))
        connack = await connection.answer(self._connack)
        if connack.reason_code.value >= REFUSED:
            reason = connack.reason_str or connack.reason_code.name
            raise refusal(self.endpoint, self.session, connack.reason_code.value, reason)
        connection.keep_alive(connack.server_keep_alive or self.session.keepalive)
        return connack.session_present

    def _went_down(self) -> None:
        self._replies.clear()
        self._state.disconnected()


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
