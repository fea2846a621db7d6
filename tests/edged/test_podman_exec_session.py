from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from edged.podman.exec_session import Output
from edged.runtime import MOST_OUTPUT


def frame(text: bytes, stream: int) -> bytes:
    return bytes([stream, 0, 0, 0]) + len(text).to_bytes(4, "big") + text


@given(st.lists(st.binary(max_size=40)), st.integers(1, 20))
def test_frames_come_in_any_pieces(texts: list[bytes], size: int) -> None:
    wire = b"".join(frame(text, 1 + number % 2) for number, text in enumerate(texts))
    output = Output()
    for at in range(0, len(wire), size):
        output.feed(wire[at : at + size])
    assert bytes(output) == b"".join(texts)


def test_only_the_last_of_much_is_kept() -> None:
    output = Output()
    for number in range(10):
        output.feed(frame(bytes([number]) * MOST_OUTPUT, 1))
    output.feed(frame(b"end", 2))
    assert len(bytes(output)) == MOST_OUTPUT
    assert bytes(output).endswith(b"\x09end")
