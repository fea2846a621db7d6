"""The wire of engines' streaming servers."""

import zlib

from hypothesis import given
from hypothesis import strategies as st

from edged.cri.spdy import Ended, Ping, Said, Spdy

NUMBERS = st.integers(1, 9)


def control(kind: int, body: bytes) -> bytes:
    return b"\x80\x03" + kind.to_bytes(2, "big") + b"\0" + len(body).to_bytes(3, "big") + body


@given(st.lists(st.tuples(NUMBERS, st.binary(min_size=1, max_size=30), st.booleans())), st.integers(1, 20))
def test_what_one_end_says_the_other_hears(said: list[tuple[int, bytes, bool]], size: int) -> None:
    ours = Spdy()
    wire = b"".join(ours.say(number, data, last=last) for number, data, last in said)
    theirs = Spdy()
    heard = [one for at in range(0, len(wire), size) for one in theirs.feed(wire[at : at + size])]
    expected: list[object] = []
    for number, data, last in said:
        expected += [Said(number, data), *([Ended(number)] if last else [])]
    assert heard == expected


def test_streams_have_odd_numbers_and_headers_that_any_inflater_reads() -> None:
    spdy, inflater = Spdy(), zlib.decompressobj()
    for number, kind in ((1, b"error"), (3, b"stdout")):
        given_number, frame = spdy.open({"streamtype": kind.decode()})
        assert given_number == number == int.from_bytes(frame[8:12], "big")
        assert frame[:4] == b"\x80\x03\0\x01"
        assert int.from_bytes(frame[5:8], "big") == len(frame) - 8
        headers = inflater.decompress(frame[18:])
        assert headers == b"\0\0\0\x01\0\0\0\x0astreamtype" + len(kind).to_bytes(4, "big") + kind


def test_a_ping_is_sent_back_and_other_things_are_passed_over() -> None:
    ping = control(6, b"\0\0\0\x02")
    wire = (
        control(2, bytes(8))
        + ping
        + control(3, b"\0\0\0\x05\0\0\0\x01")
        + control(4, bytes(4))
        + control(7, bytes(8))
    )
    assert list(Spdy().feed(wire)) == [Ping(ping), Ended(5), Ended(0)]


@given(st.binary(max_size=200))
def test_any_bytes_are_heard(wire: bytes) -> None:
    list(Spdy().feed(wire))
