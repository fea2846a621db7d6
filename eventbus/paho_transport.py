"""The portable transport: MQTT 3.1.1 with paho-mqtt, for brokers that do not speak MQTT 5.

Two things MQTT 3.1.1 cannot say: how many unacknowledged messages we take (`Session.receive_maximum`) and how large
a packet may be. Both are bounded by the broker's own configuration only.
"""

from __future__ import annotations

import asyncio
import logging
import ssl
from collections import deque
from collections.abc import Sequence
from typing import NamedTuple

from paho.mqtt.client import Client, MQTTMessage
from paho.mqtt.enums import CallbackAPIVersion, MQTTErrorCode, MQTTProtocolVersion
from paho.mqtt.reasoncodes import ReasonCode

from eventbus.paho_connection import CONNECT_TIMEOUT, PahoConnection
from eventbus.reconnecting import ReconnectingTransport
from eventbus.refusal import REFUSED, refusal
from eventbus.session_state import MAX_QUEUED, MAX_QUEUED_BYTES, checked_topic
from eventbus.transport import Message, Session, Statistics

log = logging.getLogger("eventbus")

OVERHEAD = 16
"""Bytes that a queued message is counted as, besides its topic and payload."""


class _Waiting(NamedTuple):
    topic: str
    payload: bytes
    retain: bool
    size: int


class PahoTransport(ReconnectingTransport[PahoConnection]):
    """`Transport` over MQTT 3.1.1; see there for what each method promises.

    paho keeps what it was given and was not acknowledged, and sends it again after a reconnect, in order. What is
    published while no connection stands waits here, behind it.
    """

    def __init__(
        self, session: Session, *, max_queued: int = MAX_QUEUED, max_queued_bytes: int = MAX_QUEUED_BYTES
    ) -> None:
        super().__init__(session)
        self.max_queued = max_queued
        self.max_queued_bytes = max_queued_bytes
        self._client = self._make_client()
        self._generation = 0
        self._reading: PahoConnection | None = None
        """From its opening on; `_connection` only after its CONNACK."""
        self._waiting: deque[_Waiting] = deque()
        self._unacknowledged: dict[int, int] = {}
        """Size by packet id, of the messages of QoS 1 that paho has."""
        self._unwritten: dict[int, int] = {}
        """The same of QoS 0."""
        self._queued_bytes = 0
        self._dropped = 0
        self._connack: asyncio.Future[tuple[bool, ReasonCode]]
        self._replies: dict[int, asyncio.Future[Sequence[ReasonCode]]] = {}

    def _make_client(self) -> Client:
        session, endpoint = self.session, self.endpoint
        client = Client(
            CallbackAPIVersion.VERSION2,
            session.client_id,
            clean_session=session.expiry == 0,
            protocol=MQTTProtocolVersion.MQTTv311,
            transport="unix" if endpoint.scheme == "unix" else "tcp",
            reconnect_on_failure=False,
            manual_ack=True,
        )
        if session.username is not None:
            client.username_pw_set(session.username, session.password)
        if endpoint.tls:
            client.tls_set_context(endpoint.tls)
        client.connect_timeout = CONNECT_TIMEOUT
        client.max_inflight_messages_set(0)  # MQTT 3.1.1 knows no window, and acknowledgements must not overtake
        # paho asks for a sign of life after its keepalive, and waits as long again for it
        client.connect_async(endpoint.host, endpoint.port or 1883, max(1, session.keepalive * 2 // 3))
        client.on_connect = lambda _c, _u, flags, code, _p: self._on_connack(flags.session_present, code)
        client.on_subscribe = lambda _c, _u, packet_id, codes, _p: self._on_reply(packet_id, codes)
        client.on_unsubscribe = lambda _c, _u, packet_id, codes, _p: self._on_reply(packet_id, codes)
        client.on_publish = lambda _c, _u, packet_id, _r, _p: self._on_published(packet_id)
        client.on_message = lambda _c, _u, message: self._on_message(message)
        return client

    # -- sending --------------------------------------------------------------------------------------------

    def publish(self, topic: str, payload: bytes, *, qos: int = 1, retain: bool = False) -> bool:
        size = len(topic) + len(payload) + OVERHEAD
        full = self._queued() >= self.max_queued or self._queued_bytes + size > self.max_queued_bytes
        accepted = not full and self._accept(_Waiting(topic, payload, retain, size), qos)
        if not accepted:
            self._dropped += 1
        return accepted

    def _accept(self, message: _Waiting, qos: int) -> bool:
        if self._up and not self._waiting:
            return self._hand_over(message, qos)
        if qos == 0:
            return False
        self._waiting.append(message)
        self._queued_bytes += message.size
        return True

    def _hand_over(self, message: _Waiting, qos: int) -> bool:
        try:
            info = self._client.publish(checked_topic(message.topic), message.payload, qos, message.retain)
        except ValueError as error:
            log.warning("a message is dropped, %.80r cannot be its topic: %s", message.topic, error)
            return False
        if info.rc == MQTTErrorCode.MQTT_ERR_QUEUE_SIZE or (qos == 0 and info.rc != MQTTErrorCode.MQTT_ERR_SUCCESS):
            return False
        (self._unacknowledged if qos else self._unwritten)[info.mid] = message.size
        self._queued_bytes += message.size
        return True

    def acknowledge(self, receipts: Sequence[int]) -> None:
        for receipt in receipts:
            if self._up and receipt >> 16 == self._generation:
                self._client.ack(receipt & 0xFFFF, 1)

    def statistics(self) -> Statistics:
        return Statistics(self._queued(), self._queued_bytes, self._dropped, self._up)

    def _queued(self) -> int:
        return len(self._waiting) + len(self._unacknowledged) + len(self._unwritten)

    def _flush_soon(self) -> None:
        while self._up and self._waiting:
            message = self._waiting.popleft()
            self._queued_bytes -= message.size
            if not self._hand_over(message, qos=1):
                self._dropped += 1

    def _idle(self) -> bool:
        return not self._queued() and not self._client.want_write()

    def _on_published(self, packet_id: int) -> None:
        size = self._unacknowledged.pop(packet_id, None) or self._unwritten.pop(packet_id, 0)
        self._queued_bytes -= size
        if self._reading:
            self._reading.received = True

    # -- receiving ------------------------------------------------------------------------------------------

    def _on_message(self, message: MQTTMessage) -> None:
        assert self._reading is not None
        self._reading.received = True
        try:
            topic = message.topic
        except UnicodeDecodeError:
            abort = self._reading.abort
            asyncio.get_running_loop().call_soon(abort, "it sent a topic that is not UTF-8")
            return
        receipt = self._generation << 16 | message.mid if message.qos else 0
        self._held.append(Message(topic, bytes(message.payload), receipt, message.dup, message.retain))

    def _on_reply(self, packet_id: int, codes: Sequence[ReasonCode]) -> None:
        reply = self._replies.pop(packet_id, None)
        if reply and not reply.done():
            reply.set_result(codes)

    def _after_read(self) -> None:
        self._deliver()
        self._check_drained()

    # -- subscriptions --------------------------------------------------------------------------------------

    async def _subscribe(self, connection: PahoConnection, filters: Sequence[str]) -> None:
        codes = await self._request(connection, self._client.subscribe([(f, 1) for f in filters])[1])
        answers = zip(filters, codes, strict=False)
        refused = [f"{topic_filter} ({code})" for topic_filter, code in answers if code.value >= REFUSED]
        if refused:
            raise self._refused_subscription(refused)

    async def _unsubscribe(self, connection: PahoConnection, filters: Sequence[str]) -> None:
        await self._request(connection, self._client.unsubscribe(list(filters))[1])

    async def _request(self, connection: PahoConnection, packet_id: int | None) -> Sequence[ReasonCode]:
        if packet_id is None:
            raise ConnectionError("the connection is gone")
        reply: asyncio.Future[Sequence[ReasonCode]] = asyncio.get_running_loop().create_future()
        self._replies[packet_id] = reply
        return await connection.answer(reply)

    # -- the connection -------------------------------------------------------------------------------------

    async def _open(self) -> PahoConnection:
        self._connack = asyncio.get_running_loop().create_future()
        self._generation += 1
        self._reading = PahoConnection(self._client, self._after_read)
        try:
            await self._reading.open(self.session.keepalive)
        except ssl.SSLError as error:
            raise self.endpoint.tls_failure(error) from None
        return self._reading

    async def _introduce(self, connection: PahoConnection) -> bool:
        session_present, code = await connection.answer(self._connack)
        if code.value >= REFUSED:
            raise refusal(self.endpoint, self.session, code.value, str(code))
        return session_present

    def _on_connack(self, session_present: bool, code: ReasonCode) -> None:
        if not self._connack.done():
            self._connack.set_result((session_present, code))

    def _went_down(self) -> None:
        self._replies.clear()
        self._dropped += len(self._unwritten)
        self._queued_bytes -= sum(self._unwritten.values())
        self._unwritten.clear()
