"""The frames between a command line and a running command."""

from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edged.channels import LONGEST, Channel, FrameError, Frames, frame


@given(st.lists(st.tuples(st.sampled_from(Channel), st.binary(max_size=40))), st.integers(1, 20))
def test_frames_come_in_any_pieces(said: list[tuple[Channel, bytes]], size: int) -> None:
    wire = b"".join(frame(*one) for one in said)
    frames = Frames()
    assert [one for at in range(0, len(wire), size) for one in frames.feed(wire[at : at + size])] == said


@given(st.binary(max_size=200))
def test_whatever_comes_is_frames_or_an_error(wire: bytes) -> None:
    with suppress(FrameError):
        assert all(len(data) <= LONGEST for _, data in Frames().feed(wire))


@pytest.mark.parametrize("wire", [b"\x05\0\0\0\0", b"\x00\xff\xff\xff\xff", frame(Channel.STDIN, bytes(LONGEST + 1))])
def test_what_is_no_frame_is_refused(wire: bytes) -> None:
    with pytest.raises(FrameError):
        list(Frames().feed(wire))
