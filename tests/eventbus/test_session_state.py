"""The sending half of a session against a model of a broker, without a socket."""

from __future__ import annotations

from itertools import pairwise

import mqtt5
import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from eventbus.session_state import HIGHEST_PUBLISH_ID, SessionState

MAX_QUEUED = 12
MAX_QUEUED_BYTES = 600


def packets(wires: list[bytes]) -> list[mqtt5.Packet]:
    data, at, out = b"".join(wires), 0, []
    while at < len(data):
        packet, size = mqtt5.read(memoryview(data)[at:])
        out.append(packet)
        at += size
    return out


def wire(topic: str, payload: bytes, qos: int) -> bytes:
    if qos:
        return mqtt5.PublishPacket(topic, payload, qos=mqtt5.QoS.AT_LEAST_ONCE, packet_id=1).write()
    return mqtt5.PublishPacket(topic, payload).write()


def connected(**options: object) -> SessionState:
    state = SessionState(**options)
    state.connected(session_present=False, receive_maximum=1000, max_packet_size=None)
    return state


class Session(RuleBasedStateMachine):
    """Messages are numbered as they are accepted; the broker of the model records what it sees."""

    def __init__(self) -> None:
        super().__init__()
        self.state = SessionState(max_queued=MAX_QUEUED, max_queued_bytes=MAX_QUEUED_BYTES)
        self.is_connected = False
        self.window = 0
        self.number = 0
        self.accepted: list[int] = []
        """QoS 1, not yet acknowledged by the broker."""
        self.broker: dict[int, int] = {}
        """Packet identifier to number, of what the broker's session has received and not acknowledged."""
        self.flight: dict[int, int] = {}
        """The same of this connection."""
        self.seen: list[int] = []
        """Numbers in the order of arrival on this connection."""
        self.ever_seen: set[int] = set()
        self.line: list[tuple[str, int]] = []
        """What has to leave on this connection, in this order."""
        self.receipts = 0

    @initialize()
    def start(self) -> None:
        self.connect(session_present=False, window=3)

    @precondition(lambda self: not self.is_connected)
    @rule(session_present=st.booleans(), window=st.integers(1, 6))
    def connect(self, session_present: bool, window: int) -> None:
        if not session_present:
            self.broker.clear()
        self.state.connected(session_present=session_present, receive_maximum=window, max_packet_size=None)
        self.is_connected, self.window = True, window
        self.flight, self.seen = {}, []
        self.line = [("publish", n) for n in self.accepted]

    @precondition(lambda self: self.is_connected)
    @rule()
    def disconnect(self) -> None:
        self.state.disconnected()
        self.is_connected = False
        self.flight = {}

    @rule(qos=st.integers(0, 1), padding=st.integers(0, 150))
    def publish(self, qos: int, padding: int) -> None:
        self.number += 1
        payload = b"%d," % self.number + b"x" * padding
        dropped = self.state.dropped
        if self.state.publish("t", payload, qos=qos, retain=False):
            if qos:
                self.accepted.append(self.number)
            self.line.append(("publish", self.number))
            assert self.state.dropped == dropped
        else:
            assert self.state.dropped == dropped + 1
            size = len(wire("t", payload, qos))
            full = self.state.queued >= MAX_QUEUED or self.state.queued_bytes + size > MAX_QUEUED_BYTES
            assert full or not (qos or self.is_connected)

    @precondition(lambda self: self.is_connected)
    @rule(count=st.integers(1, 3))
    def acknowledge(self, count: int) -> None:
        ids = [self.receipts + i + 1 for i in range(count)]
        self.receipts += count
        self.state.acknowledge([0, *(self.state.receipt(i) for i in ids)])
        self.line += [("acknowledge", i) for i in ids]

    @rule(packet_id=st.integers(1, 9))
    def acknowledge_an_earlier_connection(self, packet_id: int) -> None:
        if self.is_connected:
            self.state.acknowledge([self.state.receipt(packet_id) - (1 << 16)])
        else:
            self.state.acknowledge([self.state.receipt(packet_id)])

    @precondition(lambda self: self.is_connected)
    @rule(max_bytes=st.integers(1, 400))
    def take(self, max_bytes: int) -> None:
        expected = self.state.sendable
        taken = packets(self.state.take(max_bytes))
        assert bool(taken) == expected
        for packet in taken:
            kind, number = self.line.pop(0)
            if isinstance(packet, mqtt5.PubAckPacket):
                assert (kind, number) == ("acknowledge", packet.packet_id)
            else:
                assert isinstance(packet, mqtt5.PublishPacket)
                assert (kind, number) == ("publish", int(packet.payload.split(b",")[0]))
                self.arrive(packet, number)

    def arrive(self, packet: mqtt5.PublishPacket, number: int) -> None:
        self.seen.append(number)
        if packet.packet_id is None:
            assert not packet.duplicate
            return
        assert packet.packet_id not in self.flight
        assert packet.duplicate == (self.broker.get(packet.packet_id) == number)
        assert self.broker.get(packet.packet_id, number) == number
        self.broker[packet.packet_id] = self.flight[packet.packet_id] = number
        self.ever_seen.add(number)

    @precondition(lambda self: self.flight)
    @rule(data=st.data())
    def broker_acknowledges(self, data: st.DataObject) -> None:
        packet_id = data.draw(st.sampled_from(sorted(self.flight)))
        number = self.flight.pop(packet_id)
        del self.broker[packet_id]
        self.accepted.remove(number)
        self.state.acknowledged(packet_id)

    @rule(packet_id=st.integers(0, 65535))
    def broker_acknowledges_what_it_never_got(self, packet_id: int) -> None:
        if packet_id not in self.flight:
            before = self.state.queued
            self.state.acknowledged(packet_id)
            assert self.state.queued == before

    @invariant()
    def window_and_bounds_hold(self) -> None:
        assert len(self.flight) <= self.window
        assert self.state.queued <= MAX_QUEUED
        assert 0 <= self.state.queued_bytes <= MAX_QUEUED_BYTES
        assert (self.state.queued == 0) == (self.state.queued_bytes == 0)

    @invariant()
    def order_is_kept_on_each_connection(self) -> None:
        assert all(a < b for a, b in pairwise(self.seen))

    @invariant()
    def idle_means_that_everything_has_arrived(self) -> None:
        if self.is_connected and self.state.idle:
            assert not self.accepted
            assert not self.line

    def teardown(self) -> None:
        """In the end, with a broker that answers, everything that was accepted arrives."""
        if not self.is_connected:
            self.connect(session_present=True, window=2)
        for _ in range(2 * MAX_QUEUED):
            self.take(1000)
            for packet_id in list(self.flight):
                number = self.flight.pop(packet_id)
                self.accepted.remove(number)
                self.state.acknowledged(packet_id)
        assert (self.accepted, self.line) == ([], [])
        assert self.state.idle
        assert (self.state.queued, self.state.queued_bytes) == (0, 0)


TestSession = Session.TestCase
TestSession.settings = settings(max_examples=150, stateful_step_count=40, deadline=None)


def test_identifier_in_use_is_skipped_when_they_wrap() -> None:
    state = connected(max_queued=10)
    assert state.publish("t", b"slow", qos=1, retain=False)
    (slow,) = packets(state.take(1000))
    for _ in range(HIGHEST_PUBLISH_ID + 5):
        assert state.publish("t", b"fast", qos=1, retain=False)
        (fast,) = packets(state.take(1000))
        assert 1 <= fast.packet_id <= HIGHEST_PUBLISH_ID
        assert fast.packet_id != slow.packet_id
        state.acknowledged(fast.packet_id)
    assert state.queued == 1


def test_message_that_the_broker_does_not_take_is_dropped_with_a_word(caplog: pytest.LogCaptureFixture) -> None:
    state = SessionState()
    assert state.publish("t", b"x" * 500, qos=1, retain=False)
    assert state.publish("t", b"small", qos=1, retain=False)
    state.connected(session_present=False, receive_maximum=1, max_packet_size=100)
    (packet,) = packets(state.take(10_000))
    assert packet.payload == b"small"
    assert (state.queued, state.dropped) == (1, 1)
    assert "the broker takes 100" in caplog.text


def test_retain_reaches_the_broker() -> None:
    state = connected()
    for qos in (0, 1):
        assert state.publish("t", b"x", qos=qos, retain=True)
    assert [p.retain for p in packets(state.take(1000))] == [True, True]


def test_message_sent_two_connections_ago_is_still_a_duplicate() -> None:
    state = connected()
    assert state.publish("t", b"x", qos=1, retain=False)
    state.take(1000)
    for _ in range(2):
        state.disconnected()
        state.connected(session_present=True, receive_maximum=10, max_packet_size=None)
    (packet,) = packets(state.take(1000))
    assert packet.duplicate
