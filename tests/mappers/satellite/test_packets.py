"""Space packets out of any stream, and what a general library says of them."""

from __future__ import annotations

from itertools import islice, pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st
from spacepackets.ccsds.time import CdsShortTimestamp
from spacepackets.ecss.tm import PusTm

from mappers.satellite.packets import LAST_COUNT, Framer, GarbageError, header_of, read_telemetry


def packet(
    data: bytes = b"\x00\x01abcd", *, apid: int = 100, count: int = 0, service: int = 3, subtype: int = 25
) -> bytes:
    stamp = CdsShortTimestamp(17707, 68_101_250).pack()  # 2006-06-25T18:55:01.250Z
    made = PusTm(service, subtype, timestamp=stamp, source_data=data, apid=apid, seq_count=count)
    return bytes(made.pack())


PACKETS = st.lists(
    st.builds(
        packet,
        st.binary(max_size=80),
        apid=st.integers(0, 2046),
        count=st.integers(0, LAST_COUNT),
        service=st.integers(0, 255),
        subtype=st.integers(0, 255),
    ),
    max_size=6,
)


def chunks(stream: bytes, cuts: list[int]) -> list[bytes]:
    at = sorted({0, len(stream), *(cut % (len(stream) + 1) for cut in cuts)})
    return [stream[a:b] for a, b in pairwise(at)]


@given(PACKETS, st.lists(st.integers(0, 10_000), max_size=20))
def test_packets_come_out_as_they_went_in_however_they_are_cut(packets: list[bytes], cuts: list[int]) -> None:
    framer = Framer()
    found = [each for chunk in chunks(b"".join(packets), cuts) for each in framer.feed(chunk)]
    assert found == packets


@given(PACKETS, st.binary(min_size=1, max_size=50).filter(lambda noise: noise[0] & 0xF0 != 0))
def test_what_came_before_garbage_is_whole(packets: list[bytes], noise: bytes) -> None:
    found = Framer().feed(b"".join(packets) + noise)
    assert list(islice(found, len(packets))) == packets
    with pytest.raises(GarbageError, match="no space packet"):
        next(found)


@given(st.lists(st.binary(max_size=200), max_size=20))
def test_noise_is_never_more_than_garbage(pieces: list[bytes]) -> None:
    framer = Framer(4096)
    try:
        for piece in pieces:
            for each in framer.feed(piece):
                read_telemetry(each)
                read_telemetry(each, checksum=False)
    except ValueError:
        pass


@given(
    st.binary(max_size=80), st.integers(0, 2046), st.integers(0, LAST_COUNT), st.integers(0, 255), st.integers(0, 255)
)
def test_a_library_reads_the_same(data: bytes, apid: int, count: int, service: int, subtype: int) -> None:
    raw = packet(data, apid=apid, count=count, service=service, subtype=subtype)
    theirs = PusTm.unpack(raw, CdsShortTimestamp.TIMESTAMP_SIZE)
    header, ours = header_of(raw), read_telemetry(raw)
    assert ours is not None
    assert (header.apid, header.number) == (theirs.apid, theirs.seq_count)
    assert (ours.service, ours.subservice, ours.data) == (theirs.service, theirs.message_subtype, theirs.source_data)
    assert ours.time == 1151261701250


def test_a_broken_checksum_is_garbage_unless_there_is_none() -> None:
    raw = bytearray(packet(b"\x00\x01\x00\x00"))
    raw[-3] ^= 1
    with pytest.raises(GarbageError, match="checksum"):
        read_telemetry(bytes(raw))
    without = read_telemetry(bytes(raw), checksum=False)
    assert without is not None
    assert len(without.data) == 6


@pytest.mark.parametrize(
    ("at", "bits"),
    [(0, 0x08), (2, 0x40), (13 - 7, 0x30)],
    ids=["no secondary header", "a segment", "another version of PUS"],
)
def test_what_is_no_pus_telemetry_is_left_out(at: int, bits: int) -> None:
    raw = bytearray(packet())
    raw[at] ^= bits
    assert read_telemetry(bytes(raw)) is None


def test_a_packet_that_claims_too_much_is_garbage() -> None:
    with pytest.raises(GarbageError, match="a packet of more than 100 bytes"):
        list(Framer(100).feed(b"\x08\x64\xc0\x00\x03\xe8"))


def test_telecommands_are_no_telemetry() -> None:
    with pytest.raises(GarbageError):
        list(Framer(telecommands=True).feed(packet()))
