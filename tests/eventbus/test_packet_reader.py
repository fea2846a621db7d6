from __future__ import annotations

from itertools import pairwise

import mqtt5
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from eventbus.packet_reader import BUFFER_SIZE, MalformedPacketError, PacketReader, packet_size

QOS_1 = mqtt5.QoS.AT_LEAST_ONCE
NOT_UTF_8 = b"\x30\x03\x00\x01\xff"
PANIC = pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
"""Of a topic that is not UTF-8 the codec complains on stderr before it panics."""
PAYLOADS = st.binary(max_size=300)
PACKETS = st.one_of(
    st.builds(lambda payload: mqtt5.PublishPacket("a/b", payload), PAYLOADS),
    st.builds(lambda i, payload: mqtt5.PublishPacket("ä", payload, qos=QOS_1, packet_id=i),
              st.integers(1, 65535), PAYLOADS),
    st.builds(mqtt5.PubAckPacket, st.integers(1, 65535)),
    st.builds(mqtt5.PingRespPacket),
)  # fmt: skip


def feed(reader: PacketReader, data: bytes) -> list[mqtt5.Packet]:
    """As a socket does: as much as there is room for, until all is read."""
    packets = []
    while data:
        space = reader.space()
        count = min(len(space), len(data))
        space[:count] = data[:count]
        packets += reader.advance(count)
        data = data[count:]
    return packets


@given(sent=st.lists(PACKETS, max_size=20), cuts=st.lists(st.integers(0, 2000), max_size=30))
def test_packets_come_out_however_the_bytes_are_cut(sent: list[mqtt5.Packet], cuts: list[int]) -> None:
    data = b"".join(p.write() for p in sent)
    edges = sorted({0, len(data), *(c for c in cuts if c < len(data))})
    reader, received = PacketReader(1000), []
    for start, end in pairwise(edges):
        received += feed(reader, data[start:end])
    assert [p.write() for p in received] == [p.write() for p in sent]


def test_one_byte_at_a_time() -> None:
    data = mqtt5.PublishPacket("t", b"x" * 200).write() * 3
    reader = PacketReader(1000)
    received = [p for i in range(len(data)) for p in feed(reader, data[i : i + 1])]
    assert [p.payload for p in received] == [b"x" * 200] * 3


@PANIC
@settings(deadline=None)  # a panic takes its time
@given(st.lists(st.binary(max_size=60), max_size=6))
@example([NOT_UTF_8])
@example([b"\x00\x00"])
@example([b"\x40\x01\x00"])
@example([b"\xff\xff\xff\xff\xff\xff"])
@example([b"\x20\x02\x00\x01"])  # a CONNACK of MQTT 3.1.1
def test_any_bytes_give_packets_or_the_one_error(chunks: list[bytes]) -> None:
    reader = PacketReader(1000)
    try:
        for chunk in chunks:
            feed(reader, chunk)
    except MalformedPacketError:
        pass


@PANIC
@pytest.mark.parametrize("data", [NOT_UTF_8, b"\x00\x00", b"\x30\xff\xff\xff\xff\x01", b"\x20\x02\x00\x01"])
def test_malformed(data: bytes) -> None:
    with pytest.raises(MalformedPacketError):
        feed(PacketReader(1000), data)


def test_announced_size_is_enough_to_refuse() -> None:
    start = mqtt5.PublishPacket("t", b"x" * 2000).write()[:5]
    with pytest.raises(MalformedPacketError, match="2007 bytes; we take 1000"):
        feed(PacketReader(1000), start)


def test_complete_packet_over_the_limit_is_refused() -> None:
    with pytest.raises(MalformedPacketError, match="we take 1000"):
        feed(PacketReader(1000), mqtt5.PublishPacket("t", b"x" * 2000).write())


def test_largest_packet_passes() -> None:
    wire = mqtt5.PublishPacket("t", b"x" * 2000).write()
    assert len(feed(PacketReader(len(wire)), wire)) == 1


def test_large_packet_gets_room_and_the_room_is_given_back() -> None:
    reader = PacketReader(1 << 20)
    wire = mqtt5.PublishPacket("t", b"x" * 300_000).write()
    held = reader.space()  # an event loop still holds it while it tells us of the bytes
    received = feed(reader, wire + mqtt5.PingRespPacket().write() + wire)
    assert [type(p).__name__ for p in received] == ["PublishPacket", "PingRespPacket", "PublishPacket"]
    assert {len(p.payload) for p in received[::2]} == {300_000}
    assert len(reader.space()) == len(held) == BUFFER_SIZE


@given(st.binary(max_size=8))
def test_packet_size_of_any_start(start: bytes) -> None:
    try:
        size = packet_size(memoryview(start))
    except MalformedPacketError:
        assert all(byte >= 0x80 for byte in start[1:5])
    else:
        assert size is None or 2 <= size <= 5 + (1 << 28)


@pytest.mark.parametrize("wire", [b"\x40\x03\x01\x02\x95", b"\x40\x04\x01\x02\x95\x00"])
def test_unknown_reason_of_a_puback_still_acknowledges(wire: bytes) -> None:
    first, second = feed(PacketReader(1000), wire + mqtt5.PubAckPacket(7).write())
    assert (first.packet_id, first.reason_code) == (0x102, mqtt5.PubAckReasonCode.UNSPECIFIED_ERROR)
    assert second.packet_id == 7
