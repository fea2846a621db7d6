"""How a running command is spoken with over one socket: frames of channel, length and data. No I/O.

The channels are those of Kubernetes' remotecommand (`v4.channel.k8s.io`): a byte of channel, here with 4 bytes of
length (big endian), since a socket knows no messages.
"""

from __future__ import annotations

from collections.abc import Iterator
from enum import IntEnum

__all__ = ["HEAD", "LONGEST", "Channel", "FrameError", "Frames", "frame", "head"]

HEAD = 5
"""Bytes before the data."""
LONGEST = 1 << 16
"""Bytes of data in a frame."""


class Channel(IntEnum):
    """Input is sent piece by piece: the next one after the hub has said, by an empty frame, that it passed on the one
    before; an empty piece is its end."""

    STDIN = 0
    STDOUT = 1
    STDERR = 2
    END = 3
    """The last frame: how it ended."""
    RESIZE = 4


class FrameError(ValueError):
    """This is no frame."""


def frame(channel: Channel, data: bytes = b"") -> bytes:
    """`data` has at most `LONGEST` bytes."""
    return bytes([channel]) + len(data).to_bytes(4, "big") + data


def head(text: bytes | bytearray) -> tuple[Channel, int]:
    """Channel and length of data of what begins with these `HEAD` bytes. FrameError."""
    size = int.from_bytes(text[1:HEAD], "big")
    if text[0] > Channel.RESIZE or size > LONGEST:
        raise FrameError(f"channel {text[0]}, {size} bytes")
    return Channel(text[0]), size


class Frames:
    """Out of bytes that come in any pieces."""

    def __init__(self) -> None:
        self._rest = bytearray()

    def feed(self, data: bytes) -> Iterator[tuple[Channel, bytes]]:
        """Those that are whole now. FrameError."""
        self._rest += data
        while len(self._rest) >= HEAD:
            channel, size = head(self._rest)
            if len(self._rest) < HEAD + size:
                return
            text = bytes(self._rest[HEAD : HEAD + size])
            del self._rest[: HEAD + size]
            yield channel, text
