"""Frames come out of a line however it is cut, and again after noise."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mappers.serial import spelling
from mappers.serial.config import SerialConfig
from mappers.serial.framing import LONGEST, Framer, framer_of

FORMS: dict[str, dict[str, Any]] = {
    "line": {"framing": "line"},
    "line, xor": {"framing": "line", "checksum": "xor"},
    "line, crc": {"framing": {"type": "line", "end": "\n"}, "checksum": "crc16-ccitt"},
    "delimiter": {"framing": {"type": "delimiter", "end": ";;"}},
    "nmea": {"framing": "nmea"},
    "fixed, sync": {"framing": {"type": "fixed", "size": 4, "sync": "AA55"}},
    "fixed, crc": {"framing": {"type": "fixed", "size": 4}, "checksum": "crc16-modbus"},
    "length": {"framing": {"type": "length"}},
    "length, sync, crc": {
        "framing": {"type": "length", "sync": "AA55", "header": 1, "size": 2, "order": "little", "counts": "rest"},
        "checksum": "crc16-xmodem",
    },
    "length of all": {
        "framing": {"type": "length", "sync": "68", "counts": "frame"},
        "checksum": {"type": "sum", "covers": "frame"},
    },
    "slip": {"framing": "slip"},
    "slip, crc": {"framing": "slip", "checksum": "crc16-ccitt"},  # the Kermit kind does not see zeros in front
    "stx": {"framing": "stx"},
    "stx, xor": {"framing": "stx", "checksum": "xor"},
    "stx, hex": {"framing": "stx", "checksum": {"type": "sum", "written": "hex"}},
}
PROTECTED = ["line, xor", "line, crc", "nmea", "fixed, crc", "length, sync, crc", "slip, crc", "stx, xor", "stx, hex"]
"""Those whose frames are known by a checksum."""
forms = pytest.mark.parametrize("form", FORMS)


def new_framer(form: str) -> Framer:
    raw = {"serialPort": "/dev/ttyS0"} | FORMS[form]
    return framer_of(msgspec.convert(spelling.CONFIG.tidy(raw), SerialConfig, strict=False))


def payload(form: str) -> st.SearchStrategy[bytes]:
    if form.startswith("fixed"):
        return st.binary(min_size=4, max_size=4)
    text = st.text("ABCDEFGHIJ0123456789,. ", min_size=1, max_size=20).map(str.encode)
    binary = st.binary(min_size=2, max_size=40)
    return binary if form.startswith(("length", "slip")) else text


def cut(data: bytes, places: Sequence[int]) -> list[bytes]:
    at = sorted({0, len(data), *(place % (len(data) + 1) for place in places)})
    return [data[start:end] for start, end in pairwise(at)]


def fed(framer: Framer, pieces: Sequence[bytes]) -> list[bytes]:
    return [frame for piece in pieces for frame in framer.feed(piece)]


@forms
@given(data=st.data(), places=st.lists(st.integers(0, 1000), max_size=30))
@settings(max_examples=30, deadline=None)
def test_what_is_wrapped_comes_out_however_it_is_cut(form: str, data: st.DataObject, places: list[int]) -> None:
    payloads = data.draw(st.lists(payload(form), max_size=6))
    framer = new_framer(form)
    assert fed(framer, cut(b"".join(map(framer.wrap, payloads)), places)) == payloads


@forms
@given(noise=st.binary(max_size=300), places=st.lists(st.integers(0, 300), max_size=30))
@settings(max_examples=40, deadline=None)
def test_noise_never_raises_and_is_the_same_however_it_is_cut(form: str, noise: bytes, places: list[int]) -> None:
    assert fed(new_framer(form), cut(noise, places)) == new_framer(form).feed(noise)


@pytest.mark.parametrize("form", PROTECTED)
@given(data=st.data(), noise=st.binary(max_size=100))
@settings(max_examples=40, deadline=None)
def test_the_line_is_found_again_after_noise(form: str, data: st.DataObject, noise: bytes) -> None:
    """What follows noise may be swallowed by a frame that the noise seems to begin, but not for long. (A
    checksum that does not see the noise, as XOR does not see zeros, takes it for the first message's beginning.)"""
    framer = new_framer(form)
    [wanted] = data.draw(st.lists(payload(form), min_size=1, max_size=1))
    found = framer.feed(noise)
    for _ in range(LONGEST):
        found = framer.feed(framer.wrap(wanted))
        if wanted in found:
            break
    assert found[-1] == wanted
    assert framer.feed(framer.wrap(wanted))[-1] == wanted


@pytest.mark.parametrize("form", PROTECTED)
@given(data=st.data(), place=st.integers(0, 1000), flip=st.integers(1, 255))
@settings(max_examples=60, deadline=None)
def test_one_wrong_byte_is_no_frame(form: str, data: st.DataObject, place: int, flip: int) -> None:
    sent = data.draw(payload(form))
    framer = new_framer(form)
    whole = bytearray(framer.wrap(sent))
    whole[place % len(whole)] ^= flip
    found = framer.feed(bytes(whole))
    assert all(frame == sent for frame in found) or form in ("stx, hex", "line, xor", "nmea", "stx, xor")
    assert not any(len(frame) > len(sent) for frame in found)


@forms
def test_the_rest_is_bounded(form: str) -> None:
    for filling in (b"A", b"\x02", b"\xaa\x55\xff", b"$", b"h\xff"):
        framer = new_framer(form)
        for _ in range(40):
            framer.feed(filling * 1000)
        assert len(framer._rest) <= LONGEST + 1000 * len(filling)


@pytest.mark.parametrize("form", ["line", "nmea", "slip", "delimiter"])
def test_a_frame_that_is_too_long_is_left_out_and_the_next_is_found(form: str) -> None:
    framer = new_framer(form)
    assert fed(framer, cut(framer.wrap(b"A" * (LONGEST + 1)), range(0, LONGEST, 777))) == []
    assert framer.feed(framer.wrap(b"A1")) == [b"A1"]


def test_lines_end_as_they_like() -> None:
    assert new_framer("line").feed(b"a\rb\nc\r\nd\n\re\n") == [b"a", b"b", b"c", b"d", b"e"]


def test_slip_of_the_rfc() -> None:
    framer = new_framer("slip")
    assert framer.wrap(b"\xc0a\xdb") == b"\xc0\xdb\xdca\xdb\xdd\xc0"
    assert framer.feed(b"\xc0\xdb\xdca\xdb\xdd\xc0") == [b"\xc0a\xdb"]
    assert framer.feed(b"\xc0\xdb\x01\xc0ok\xc0") == [b"ok"]


def test_stx_etx_and_a_block_check_character() -> None:
    """ISO 1745: the block check covers all after STX, ETX included."""
    framer = new_framer("stx, xor")
    assert framer.wrap(b"AB") == b"\x02AB\x03" + bytes([0x41 ^ 0x42 ^ 0x03])
    assert framer.feed(b"noise\x02lost\x02AB\x03\x00") == [b"AB"]


def test_a_ubx_like_length() -> None:
    framer = new_framer("length, sync, crc")
    assert framer.wrap(b"\x07xyz")[:5] == b"\xaa\x55\x07\x05\x00"


def test_a_length_that_counts_everything() -> None:
    assert new_framer("length of all").wrap(b"xy") == bytes([0x68, 5, 0x78, 0x79, (0x68 + 5 + 0x78 + 0x79) & 0xFF])


@pytest.mark.parametrize(
    ("form", "message"),
    [
        ("line", b"a\nb"),
        ("line", b"a\rb"),
        ("delimiter", b"a;;b"),
        ("nmea", b"A*"),
        ("fixed, sync", b"12345"),
        ("length", b"x" * 300),
        ("stx", b"\x03"),
    ],
)
def test_what_cannot_be_wrapped(form: str, message: bytes) -> None:
    with pytest.raises(ValueError, match="message"):
        new_framer(form).wrap(message)


def test_a_sentence_without_a_checksum_is_taken_only_on_demand() -> None:
    raw = {"serialPort": "x", "framing": {"type": "nmea", "lenient": True}}
    lenient = framer_of(msgspec.convert(raw, SerialConfig))
    assert new_framer("nmea").feed(b"$GPHDT,1,T\r\n") == []
    assert lenient.feed(b"$GPHDT,1,T\r\n$GPHDT,2,T*00\r\n") == [b"GPHDT,1,T"]
