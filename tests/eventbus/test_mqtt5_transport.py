"""What only MQTT 5 can do, and peers that do not behave: real sockets, the peer's bytes written here."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import mqtt5
import pytest

from eventbus.mqtt5_transport import Mqtt5Transport
from eventbus.session_state import HIGHEST_PUBLISH_ID
from eventbus.transport import BusError, Session
from tests.eventbus.conftest import Ear, until

QOS_1 = mqtt5.QoS.AT_LEAST_ONCE


class Peer:
    """A broker's end of the connections, told what to do by the test."""

    def __init__(self) -> None:
        self.url = ""
        self.connack = mqtt5.ConnAckPacket()
        self.with_connack = b""
        self.on_connect: Callable[[Peer], None] | None = None
        self.received: list[mqtt5.Packet] = []
        self.connections = 0
        self._writer: asyncio.StreamWriter

    def of(self, kind: type[mqtt5.Packet]) -> list[mqtt5.Packet]:
        return [p for p in self.received if isinstance(p, kind)]

    def send(self, *data: bytes) -> None:
        self._writer.write(b"".join(data))

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._writer = writer
        self.connections += 1
        buffer = b""
        try:
            while chunk := await reader.read(65536):
                buffer += chunk
                while buffer:
                    try:
                        packet, size = mqtt5.read(memoryview(buffer))
                    except IndexError:
                        break
                    buffer = buffer[size:]
                    self.received.append(packet)
                    self.answer(packet)
        except ConnectionError:
            pass
        finally:
            writer.close()

    def answer(self, packet: mqtt5.Packet) -> None:
        if isinstance(packet, mqtt5.ConnectPacket):
            self.send(self.connack.write(), self.with_connack)
        elif isinstance(packet, mqtt5.SubscribePacket):
            codes = [mqtt5.SubAckReasonCode.GRANTED_QOS_AT_LEAST_ONCE] * len(packet.topic_filters)
            self.send(mqtt5.SubAckPacket(packet.packet_id, codes).write())


@asynccontextmanager
async def listening() -> AsyncIterator[Peer]:
    peer = Peer()
    server = await asyncio.start_server(peer.serve, "127.0.0.1", 0)
    peer.url = f"mqtt://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    async with server:
        yield peer


@pytest.fixture
async def peer() -> AsyncIterator[Peer]:
    async with listening() as peer:
        yield peer


def message(number: int, packet_id: int | None = None) -> bytes:
    qos = mqtt5.QoS.AT_MOST_ONCE if packet_id is None else QOS_1
    return mqtt5.PublishPacket("t/a", b"%d" % number, qos=qos, packet_id=packet_id).write()


@pytest.mark.parametrize(
    "garbage",
    [
        b"\x00\x00",
        b"\x30\xff\xff\xff\xff\x01",
        b"\x20\x02\x00\x01",
        mqtt5.PublishPacket("t", b"x" * 5000).write(),
        mqtt5.PublishPacket("t", b"x" * 5000).write()[:4],
    ],
)
async def test_garbage_ends_the_connection_and_nothing_else(
    peer: Peer, garbage: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    hub = Mqtt5Transport(Session(peer.url, "hub"), max_packet_size=1000)
    ear = Ear(hub)
    async with hub:
        peer.send(garbage)
        await until(lambda: len(ear.ups) == 2)
        peer.send(message(1))
        await ear.heard(1)
    assert "it sent what we cannot take" in caplog.text


async def test_limits_are_stated(peer: Peer) -> None:
    session = Session(peer.url, "hub", receive_maximum=77, keepalive=9, expiry=60, username="u", password="p")
    async with Mqtt5Transport(session, max_packet_size=1234):
        pass
    (connect,) = peer.of(mqtt5.ConnectPacket)
    assert (connect.receive_max, connect.max_packet_size, connect.keep_alive) == (77, 1234, 9)
    assert (connect.session_expiry_interval, connect.clean_start) == (60, False)
    assert (connect.username, connect.password) == ("u", b"p")
    assert "'p'" not in repr(session)


async def test_messages_that_come_with_the_connack_wait_for_on_up_and_can_be_acknowledged(peer: Peer) -> None:
    peer.connack = mqtt5.ConnAckPacket(session_present=True)
    peer.with_connack = message(1, 11) + message(2, 12)
    hub = Mqtt5Transport(Session(peer.url, "hub", subscriptions=["t/+"], expiry=60))
    heard_before_up: list[int] = []
    ear = Ear(hub)
    hub.on_up = lambda present: heard_before_up.append(len(ear.messages))
    async with hub:
        await ear.heard(2)
        await until(lambda: len(peer.of(mqtt5.PubAckPacket)) == 2)
    assert heard_before_up == [0]
    assert [p.packet_id for p in peer.of(mqtt5.PubAckPacket)] == [11, 12]


async def test_one_read_is_one_call_and_one_turn_is_one_write(peer: Peer) -> None:
    hub = Mqtt5Transport(Session(peer.url, "hub"))
    ear = Ear(hub)
    async with hub:
        peer.send(*(message(i, i + 1) for i in range(200)))
        await ear.heard(200)
        assert ear.calls == 1


async def test_acknowledgements_follow_what_was_published_before_them(peer: Peer) -> None:
    """Even when the broker's window keeps the publishes back."""
    peer.connack = mqtt5.ConnAckPacket(receive_max=2)
    hub = Mqtt5Transport(Session(peer.url, "hub"))
    ear = Ear(hub, acknowledge=False)
    async with hub:
        peer.send(message(1, 7))
        await ear.heard(1)
        for i in range(4):
            assert hub.publish("result", b"%d" % i)
        hub.acknowledge([ear.messages[0].receipt])
        await until(lambda: len(peer.of(mqtt5.PublishPacket)) == 2)
        await asyncio.sleep(0.05)
        assert len(peer.of(mqtt5.PublishPacket)) == 2
        assert not peer.of(mqtt5.PubAckPacket)
        peer.send(mqtt5.PubAckPacket(1).write(), mqtt5.PubAckPacket(2).write())
        await until(lambda: peer.of(mqtt5.PubAckPacket))
        sent = [p for p in peer.received if isinstance(p, mqtt5.PublishPacket | mqtt5.PubAckPacket)]
        assert [p.packet_id for p in sent] == [1, 2, 3, 4, 7]
        peer.send(mqtt5.PubAckPacket(3).write(), mqtt5.PubAckPacket(4).write())


@pytest.mark.parametrize("session_present", [True, False])
async def test_unacknowledged_publishes_are_sent_again(peer: Peer, session_present: bool) -> None:
    hub = Mqtt5Transport(Session(peer.url, "hub"))
    ear = Ear(hub)
    async with hub:
        for i in range(3):
            hub.publish("t", b"%d" % i)
        await until(lambda: len(peer.of(mqtt5.PublishPacket)) == 3)
        peer.connack = mqtt5.ConnAckPacket(session_present=session_present)
        peer.send(mqtt5.PubAckPacket(2).write(), mqtt5.DisconnectPacket().write())
        await until(lambda: len(ear.ups) == 2)
        await until(lambda: len(peer.of(mqtt5.PublishPacket)) == 5)
        peer.send(mqtt5.PubAckPacket(1).write(), mqtt5.PubAckPacket(3).write())
        await until(lambda: not hub.statistics().queued)
    again = peer.of(mqtt5.PublishPacket)[3:]
    assert [(p.packet_id, p.payload, p.duplicate) for p in again] == [
        (1, b"0", session_present),
        (3, b"2", session_present),
    ]


async def test_refused_message_is_counted_told_once_and_not_sent_again(
    peer: Peer, caplog: pytest.LogCaptureFixture
) -> None:
    hub = Mqtt5Transport(Session(peer.url, "hub"))
    async with hub:
        for _ in range(2):
            hub.publish("t", b"x")
        await until(lambda: len(peer.of(mqtt5.PublishPacket)) == 2)
        peer.send(
            b"\x40\x03\x00\x01\x87", b"\x40\x03\x00\x02\x95"
        )  # not authorized; too large, which is no reason here
        await until(lambda: not hub.statistics().queued)
        assert hub.statistics().dropped == 2
        assert hub.statistics().connected
    assert caplog.text.count("refuses a message (NOT_AUTHORIZED)") == 1


async def test_broker_that_accepts_and_then_says_nothing_is_left(
    peer: Peer, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("eventbus.reconnecting.CONNECT_TIMEOUT", 0.2)
    monkeypatch.setattr(Peer, "answer", lambda self, packet: None)
    hub = Mqtt5Transport(Session(peer.url, "hub"))
    entering = asyncio.create_task(hub.__aenter__())
    await until(lambda: peer.connections >= 2)
    assert "cannot be reached yet" in caplog.text
    monkeypatch.undo()
    await asyncio.wait_for(entering, 10)
    await hub.__aexit__()


async def test_silent_broker_is_left_even_when_our_writes_are_stuck(peer: Peer) -> None:
    hub = Mqtt5Transport(Session(peer.url, "hub", keepalive=1))
    ear = Ear(hub)
    async with hub:
        for _ in range(15):
            hub.publish("t", b"x" * 1_000_000)
        await until(lambda: ear.downs, within=2)


async def test_pause_does_not_count_as_silence(peer: Peer) -> None:
    hub = Mqtt5Transport(Session(peer.url, "hub", keepalive=1))
    ear = Ear(hub)
    async with hub:
        hub.pause()
        await asyncio.sleep(1.5)
        assert ear.downs == 0
        assert len(peer.of(mqtt5.PingReqPacket)) >= 3
        peer.send(message(1))
        hub.resume()
        await ear.heard(1)


async def test_credentials_that_stop_working_are_told_once_and_tried_on(
    peer: Peer, caplog: pytest.LogCaptureFixture
) -> None:
    hub = Mqtt5Transport(Session(peer.url, "hub", username="u", password="s3cret"))
    ear = Ear(hub)
    async with hub:
        peer.connack = mqtt5.ConnAckPacket(reason_code=mqtt5.ConnAckReasonCode.NOT_AUTHORIZED)
        peer.send(mqtt5.DisconnectPacket().write())
        await until(lambda: peer.connections >= 4)
        peer.connack = mqtt5.ConnAckPacket()
        await until(lambda: len(ear.ups) == 2)
    assert caplog.text.count("NOT_AUTHORIZED; check the user name and the password") == 1
    assert "s3cret" not in caplog.text


async def test_busy_broker_is_waited_for(peer: Peer) -> None:
    peer.connack = mqtt5.ConnAckPacket(reason_code=mqtt5.ConnAckReasonCode.SERVER_BUSY)
    hub = Mqtt5Transport(Session(peer.url, "hub"))
    entering = asyncio.create_task(hub.__aenter__())
    await until(lambda: peer.connections >= 2)
    peer.connack = mqtt5.ConnAckPacket()
    await asyncio.wait_for(entering, 10)
    await hub.__aexit__()


async def test_refused_subscription_is_an_error_that_names_it(peer: Peer, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(self: Peer, packet: mqtt5.Packet) -> None:
        if isinstance(packet, mqtt5.ConnectPacket):
            self.send(self.connack.write())
        elif isinstance(packet, mqtt5.SubscribePacket):
            code = mqtt5.SubAckReasonCode
            self.send(
                mqtt5.SubAckPacket(packet.packet_id, [code.GRANTED_QOS_AT_LEAST_ONCE, code.NOT_AUTHORIZED]).write()
            )

    monkeypatch.setattr(Peer, "answer", refuse)
    with pytest.raises(BusError, match=r"refuses the subscription b \(NOT_AUTHORIZED\); let user u read it"):
        async with Mqtt5Transport(Session(peer.url, "hub", subscriptions=["a", "b"], username="u")):
            pass
    hub = Mqtt5Transport(Session(peer.url, "hub", username="u"))
    async with hub:
        with pytest.raises(BusError, match="refuses the subscription"):
            await hub.subscribe(["a", "b"])


async def test_subscribing_ends_when_the_connection_does(peer: Peer, monkeypatch: pytest.MonkeyPatch) -> None:
    hub = Mqtt5Transport(Session(peer.url, "hub"))
    ear = Ear(hub)
    async with hub:
        with monkeypatch.context() as deaf:
            deaf.setattr(Peer, "answer", lambda self, packet: None)
            subscribing = asyncio.create_task(hub.subscribe(["t/+"]))
            await until(lambda: peer.of(mqtt5.SubscribePacket))
        peer.send(mqtt5.DisconnectPacket().write())
        await asyncio.wait_for(subscribing, 2)
        await until(lambda: len(ear.ups) == 2)
        assert len(peer.of(mqtt5.SubscribePacket)) == 2


async def test_identifiers_of_subscriptions_stay_clear_of_those_of_messages(peer: Peer) -> None:
    async with Mqtt5Transport(Session(peer.url, "hub")) as hub:
        for _ in range(300):
            await hub.subscribe(["t/+"])
    ids = [p.packet_id for p in peer.of(mqtt5.SubscribePacket)]
    assert HIGHEST_PUBLISH_ID < min(ids) <= max(ids) <= 65535


async def test_second_client_with_the_same_id_is_named_as_the_reason(
    peer: Peer, caplog: pytest.LogCaptureFixture
) -> None:
    hub = Mqtt5Transport(Session(peer.url, "hub"))
    ear = Ear(hub)
    async with hub:
        peer.send(mqtt5.DisconnectPacket(reason_code=mqtt5.DisconnectReasonCode.SESSION_TAKEN_OVER).write())
        await until(lambda: ear.downs)
    assert "another client connected with the same client id" in caplog.text
