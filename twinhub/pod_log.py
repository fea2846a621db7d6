"""The output of a container from its log file: lines of `<RFC 3339> stdout|stderr F|P <text>`, as CRI has them."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import BinaryIO

__all__ = ["follow", "text_of"]

PERIOD = 0.2
"""Seconds between two looks at a file that is followed."""
CHUNK = 1 << 16


def text_of(line: bytes) -> bytes:
    """What the container wrote, with the end of its line where it wrote that; a line of another form as it is."""
    parts = line.split(b" ", 3)
    if len(parts) < 4 or parts[1] not in (b"stdout", b"stderr"):
        return line
    return parts[3].rstrip(b"\n") if parts[2].startswith(b"P") else parts[3]


def follow(path: Path, current: Callable[[], Path | None] | None) -> Iterator[bytes]:
    """What the file holds, text by text. With `current` it is followed for ever, and from one file to the next: it
    tells which is written to at present."""
    while True:
        with path.open("rb") as stream:
            yield from _lines(stream)
            while current and (current() or path) == path:
                time.sleep(PERIOD)
                yield from _lines(stream)
            yield from _lines(stream)
        following = current() if current else None
        if following is None:
            return
        path = following


def _lines(stream: BinaryIO) -> Iterator[bytes]:
    """The whole lines from here on."""
    while line := stream.readline(CHUNK):
        if not line.endswith(b"\n") and len(line) < CHUNK:
            stream.seek(-len(line), 1)
            return
        yield text_of(line)
