"""The frames of podman's output."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from edged.podman.exec_session import Pieces


def frame(text: bytes, stream: int) -> bytes:
    return bytes([stream, 0, 0, 0]) + len(text).to_bytes(4, "big") + text


@given(st.lists(st.binary(max_size=40)), st.integers(1, 20))
def test_frames_come_in_any_pieces(texts: list[bytes], size: int) -> None:
    wire = b"".join(frame(text, 1 + number % 2) for number, text in enumerate(texts))
    pieces = Pieces()
    said = [one for at in range(0, len(wire), size) for one in pieces.feed(wire[at : at + size])]
    for number, stream in enumerate(("stdout", "stderr")):
        assert b"".join(text for one, text in said if one == stream) == b"".join(texts[number::2])


def test_a_terminal_has_no_frames() -> None:
    assert list(Pieces(framed=False).feed(b"text")) == [("stdout", b"text")]


def test_a_piece_is_told_before_its_frame_is_whole() -> None:
    assert list(Pieces().feed(frame(b"half and half", 2)[:12])) == [("stderr", b"half")]
