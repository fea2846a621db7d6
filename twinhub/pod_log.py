"""The output of a container from its log file: lines of `<RFC 3339> stdout|stderr F|P <text>`, as CRI has them."""

from __future__ import annotations

import os
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from datetime import datetime
from itertools import chain
from pathlib import Path
from typing import BinaryIO, NamedTuple

__all__ = ["Entry", "follow", "last", "since", "stamped"]

PERIOD = 0.2
"""Seconds between two looks at a file that is followed."""
CHUNK = 1 << 16


class Entry(NamedTuple):
    """A line of the log, or one of another form as it is."""

    stamp: bytes
    text: bytes
    """What the container wrote, with the end of its line where it wrote that."""

    @classmethod
    def read(cls, line: bytes) -> Entry:
        parts = line.split(b" ", 3)
        if len(parts) < 4 or parts[1] not in (b"stdout", b"stderr"):
            return cls(b"", line)
        return cls(parts[0], parts[3].rstrip(b"\n") if parts[2].startswith(b"P") else parts[3])


def follow(path: Path, current: Callable[[], Path | None] | None) -> Iterator[Entry | None]:
    """What the file holds, then None once. With `current` it is followed, through its rotation and from one file to
    the next, until `current`, which tells where is written to at present, says None: nothing more will be."""
    first = True
    while True:
        with path.open("rb") as stream:
            yield from _lines(stream)
            if first:
                yield None
                first = False
            now = current() if current else None
            while now == path and not _replaced(path, stream):
                time.sleep(PERIOD)
                yield from _lines(stream)
                now = current() if current else None
            yield from _lines(stream)  # its last words
        if now is None:
            return
        path = now


def since(entries: Iterable[Entry | None], moment: float) -> Iterator[Entry | None]:
    """Those from this moment on, in Unix seconds."""
    seen = False
    for entry in entries:
        seen = seen or (entry is not None and _time(entry.stamp) >= moment)
        if seen or entry is None:
            yield entry


def last(entries: Iterator[Entry | None], lines: int) -> Iterator[Entry | None]:
    """Of what there is at present only so many lines, and all that comes later."""
    kept: deque[list[Entry]] = deque(maxlen=lines)
    line: list[Entry] = []
    for entry in entries:
        if entry is None:
            break
        if not line:
            kept.append(line)
        line.append(entry)
        if entry.text.endswith(b"\n"):
            line = []
    return chain(chain.from_iterable(kept), [None], entries)


def stamped(entries: Iterable[Entry | None]) -> Iterator[Entry | None]:
    """Each line with its time before it."""
    begins = True
    for entry in entries:
        if entry is None:
            yield None
            continue
        yield entry._replace(text=entry.stamp + b" " + entry.text) if begins and entry.stamp else entry
        begins = entry.text.endswith(b"\n")


def _replaced(path: Path, stream: BinaryIO) -> bool:
    """Another file has its place: it was rotated. One that is cut short is read from its beginning."""
    ours = os.fstat(stream.fileno())
    if ours.st_size < stream.tell():
        stream.seek(0)
    try:
        return not os.path.samestat(ours, path.stat())
    except FileNotFoundError:
        return False  # the next one comes in a moment


def _lines(stream: BinaryIO) -> Iterator[Entry]:
    """The whole lines from here on."""
    while line := stream.readline(CHUNK):
        if not line.endswith(b"\n") and len(line) < CHUNK:
            stream.seek(-len(line), 1)
            return
        yield Entry.read(line)


def _time(stamp: bytes) -> float:
    """Unix seconds; 0: it is none."""
    try:
        return datetime.fromisoformat(stamp.decode()).timestamp()
    except ValueError:
        return 0.0
