"""The part of SPDY/3.1 that container engines' streaming servers speak: one connection, a few streams of our own.

After the draft of SPDY/3.1 (chromium.org). Headers need no dictionary: a compressor may do without. What the server
answers in headers is not needed, and flow control is not spoken by these servers. No I/O.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterator, Mapping
from typing import NamedTuple

__all__ = ["Ended", "Ping", "Said", "Spdy"]

_CONTROL, _VERSION, _FIN = 0x80, 3, 1
_SYN_STREAM, _RST_STREAM, _PING, _GOAWAY = 1, 3, 6, 7
_HEAD = 8
"""Bytes before each frame's body: kind or stream, a byte of flags, three of length."""


class Said(NamedTuple):
    """On a stream, in order."""

    stream: int
    data: bytes


class Ended(NamedTuple):
    """Nothing more comes on this stream; 0: on none."""

    stream: int


class Ping(NamedTuple):
    """To be sent back as it is."""

    frame: bytes


class Spdy:
    """The client's end."""

    def __init__(self) -> None:
        self._compressor = zlib.compressobj()
        self._rest = bytearray()
        self._next = 1

    def open(self, headers: Mapping[str, str]) -> tuple[int, bytes]:
        """Another stream: its number, and what to send for it."""
        number, self._next = self._next, self._next + 2
        pairs = [part.encode() for pair in headers.items() for part in pair]
        text = len(headers).to_bytes(4, "big") + b"".join(len(one).to_bytes(4, "big") + one for one in pairs)
        packed = self._compressor.compress(text) + self._compressor.flush(zlib.Z_SYNC_FLUSH)
        return number, _control(_SYN_STREAM, number.to_bytes(4, "big") + bytes(6) + packed)

    def say(self, stream: int, data: bytes, *, last: bool = False) -> bytes:
        """What to send for it; `data` is shorter than 16 MB."""
        return stream.to_bytes(4, "big") + bytes([_FIN * last]) + len(data).to_bytes(3, "big") + data

    def feed(self, data: bytes) -> Iterator[Said | Ended | Ping]:
        """What the other end did, out of bytes that come in any pieces."""
        self._rest += data
        while len(self._rest) >= _HEAD:
            end = _HEAD + int.from_bytes(self._rest[5:_HEAD], "big")
            if len(self._rest) < end:
                return
            frame = bytes(self._rest[:end])
            del self._rest[:end]
            yield from _events(frame)


def _control(kind: int, body: bytes) -> bytes:
    return bytes([_CONTROL, _VERSION]) + kind.to_bytes(2, "big") + b"\0" + len(body).to_bytes(3, "big") + body


def _events(frame: bytes) -> Iterator[Said | Ended | Ping]:
    number, body = int.from_bytes(frame[:4], "big"), frame[_HEAD:]
    if not frame[0] & _CONTROL:
        if body:
            yield Said(number, body)
        if frame[4] & _FIN:
            yield Ended(number)
        return
    kind = int.from_bytes(frame[2:4], "big")
    if kind == _PING:
        yield Ping(frame)
    elif kind == _RST_STREAM:
        yield Ended(int.from_bytes(body[:4], "big"))
    elif kind == _GOAWAY:
        yield Ended(0)
