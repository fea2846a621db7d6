"""The sending half of an MQTT session, as pure code: queue, packet identifiers, in-flight window, resending.

One line of packets leaves in the order in which it was filled: publishes, and between them the acknowledgements of
received messages, so that an acknowledgement never overtakes what was published before it.
"""

from __future__ import annotations

import logging
from collections import deque
from collections.abc import Sequence

import mqtt5

log = logging.getLogger("eventbus")

MAX_QUEUED = 20_000
MAX_QUEUED_BYTES = 16 << 20
HIGHEST_PUBLISH_ID = 0xFF00
"""Packet identifiers above are left to SUBSCRIBE and UNSUBSCRIBE."""

_QOS_0 = 0
_ACKNOWLEDGEMENT = -1
_DUPLICATE = 0x08
_AT_MOST_ONCE = mqtt5.QoS.AT_MOST_ONCE
_AT_LEAST_ONCE = mqtt5.QoS.AT_LEAST_ONCE


class SessionState:
    """What one session still has to send, over any number of connections."""

    def __init__(self, *, max_queued: int = MAX_QUEUED, max_queued_bytes: int = MAX_QUEUED_BYTES) -> None:
        """`max_queued` (below 65,000, since each message holds a packet identifier) and `max_queued_bytes` bound
        the messages that are waiting or not yet acknowledged by the broker."""
        assert 0 < max_queued < HIGHEST_PUBLISH_ID
        self.max_queued = max_queued
        self.max_queued_bytes = max_queued_bytes
        self.queued_bytes = 0
        self.dropped = 0
        self._generation = 0
        self._connected = False
        self._window = 0
        self._max_packet_size = 0
        self._last_id = 0
        self._unacknowledged: dict[int, bytes] = {}
        """QoS 1, waiting or in flight, in the order of `publish`."""
        self._in_flight: set[int] = set()
        self._sent: set[int] = set()
        """Of the unacknowledged: what the broker's session may have seen on an earlier connection."""
        self._line: deque[tuple[int, bytes]] = deque()
        """(packet id, encoded packet), not yet written on this connection."""
        self._queued_qos0 = 0

    # -- the connection -------------------------------------------------------------------------------------

    def connected(self, *, session_present: bool, receive_maximum: int, max_packet_size: int | None) -> None:
        """The broker accepted us. What it has not acknowledged goes first and in its old order: again under its
        old identifiers and marked as duplicate when the broker kept the session, else as new."""
        self._generation += 1
        self._connected = True
        self._window = receive_maximum
        self._max_packet_size = max_packet_size or 0xFFFFFFFF
        if not session_present:
            self._sent.clear()
        self._line = deque(
            (packet_id, _as_duplicate(wire) if packet_id in self._sent else wire)
            for packet_id, wire in self._unacknowledged.items()
        )

    def disconnected(self) -> None:
        """The connection is gone, and with it the QoS 0 messages and acknowledgements that had not left."""
        self._connected = False
        self._sent |= self._in_flight
        self._in_flight.clear()
        lost = [wire for packet_id, wire in self._line if packet_id == _QOS_0]
        self._line.clear()
        self._forget_qos0(lost)
        self.dropped += len(lost)

    # -- what the house wants to send -----------------------------------------------------------------------

    def publish(self, topic: str, payload: bytes, *, qos: int, retain: bool) -> bool:
        """Line up a message; False and counted as dropped when it cannot be (see `Transport.publish`)."""
        packet_id = self._free_id() if qos else _QOS_0
        try:
            wire = _encode(topic, payload, packet_id, retain)
        except ValueError as error:
            log.warning("a message is dropped, %.80r cannot be its topic: %s", topic, error)
            self.dropped += 1
            return False
        if not self._has_room(len(wire)) or not (qos or self._connected):
            self.dropped += 1
            return False
        if qos:
            self._last_id = packet_id
            self._unacknowledged[packet_id] = wire
        else:
            self._queued_qos0 += 1
        self.queued_bytes += len(wire)
        if self._connected:
            self._line.append((packet_id, wire))
        return True

    def receipt(self, packet_id: int) -> int:
        """What stands for a received message until it is acknowledged: its identifier and its connection."""
        return self._generation << 16 | packet_id

    def acknowledge(self, receipts: Sequence[int]) -> None:
        """Line up the acknowledgements of received messages; receipts of earlier connections and 0 are ignored."""
        generation = self._generation if self._connected else -1
        wire = b"".join(mqtt5.PubAckPacket(r & 0xFFFF).write() for r in receipts if r >> 16 == generation)
        if wire:
            self._line.append((_ACKNOWLEDGEMENT, wire))

    # -- what goes out, what comes back ---------------------------------------------------------------------

    def take(self, max_bytes: int) -> list[bytes]:
        """Encoded packets to write now: as many as the broker's window admits, and not many more bytes than asked."""
        out: list[bytes] = []
        size, room = 0, self._window - len(self._in_flight)
        while self._line and size < max_bytes:
            packet_id, wire = self._line[0]
            if packet_id > 0:
                if room <= 0:
                    break
                room -= 1
                self._in_flight.add(packet_id)
            self._line.popleft()
            if packet_id == _QOS_0:
                self._forget_qos0([wire])
            if len(wire) > self._max_packet_size and packet_id != _ACKNOWLEDGEMENT:
                self._drop_oversized(packet_id, len(wire))
                room += packet_id > 0
                continue
            out.append(wire)
            size += len(wire)
        return out

    def acknowledged(self, packet_id: int) -> None:
        """The broker has the message. An identifier that is not in flight is ignored."""
        if packet_id in self._in_flight:
            self._in_flight.remove(packet_id)
            self._sent.discard(packet_id)
            self.queued_bytes -= len(self._unacknowledged.pop(packet_id))

    # -- what is there --------------------------------------------------------------------------------------

    @property
    def queued(self) -> int:
        """Messages waiting or in flight."""
        return len(self._unacknowledged) + self._queued_qos0

    @property
    def idle(self) -> bool:
        """Nothing waits, and the broker has acknowledged everything."""
        return not self._line and not self._unacknowledged

    @property
    def sendable(self) -> bool:
        """Whether `take` would give something."""
        if not self._line:
            return False
        return self._line[0][0] <= 0 or len(self._in_flight) < self._window

    def _has_room(self, size: int) -> bool:
        return self.queued_bytes + size <= self.max_queued_bytes and self.queued < self.max_queued

    def _free_id(self) -> int:
        packet_id = self._last_id % HIGHEST_PUBLISH_ID + 1
        while packet_id in self._unacknowledged:
            packet_id = packet_id % HIGHEST_PUBLISH_ID + 1
        return packet_id

    def _forget_qos0(self, wires: Sequence[bytes]) -> None:
        self._queued_qos0 -= len(wires)
        self.queued_bytes -= sum(map(len, wires))

    def _drop_oversized(self, packet_id: int, size: int) -> None:
        log.warning("a message of %d bytes is dropped: the broker takes %d", size, self._max_packet_size)
        self.dropped += 1
        self.acknowledged(packet_id)


def checked_topic(topic: str) -> str:
    """ValueError for what client libraries let pass and brokers answer with the end of the connection."""
    if "\0" in topic:
        raise ValueError("it holds U+0000")
    return topic


def _encode(topic: str, payload: bytes, packet_id: int, retain: bool) -> bytes:
    qos = _AT_LEAST_ONCE if packet_id else _AT_MOST_ONCE
    return mqtt5.PublishPacket(
        checked_topic(topic), payload, qos=qos, packet_id=packet_id or None, retain=retain
    ).write()


def _as_duplicate(wire: bytes) -> bytes:
    return bytes((wire[0] | _DUPLICATE,)) + wire[1:]
