"""The lines of a container's log, in the form of Kubernetes' container runtime interface:
`<RFC 3339 time with nanoseconds> stdout|stderr F|P <text>`; P is a part whose line goes on."""

from __future__ import annotations

import time
from contextlib import suppress
from pathlib import Path

__all__ = ["Log", "Stream", "stamp"]

LONGEST = 16_384
"""Bytes of text in one line of the log."""
LARGEST = 10 * 1024 * 1024
"""Bytes of a log file; then it becomes `<file>.1`, in place of the one before."""


def stamp(nanoseconds: int) -> bytes:
    """Unix time, as text."""
    seconds, rest = divmod(nanoseconds, 1_000_000_000)
    return time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(seconds)).encode() + b".%09dZ" % rest


class Stream:
    """One stream's bytes, cut into lines. No I/O."""

    def __init__(self, name: bytes) -> None:
        self._name = name
        self._rest = b""

    def feed(self, data: bytes, now: bytes) -> bytes:
        """Whole log lines; a line's beginning is kept until it ends or is too long."""
        *lines, rest = (self._rest + data).split(b"\n")
        made = [part for line in lines for part in self._cut(line, b"F", now)]
        while len(rest) >= LONGEST:
            made.append(self._line(rest[:LONGEST], b"P", now))
            rest = rest[LONGEST:]
        self._rest = rest
        return b"".join(made)

    def end(self, now: bytes) -> bytes:
        """What had no end of line."""
        rest, self._rest = self._rest, b""
        return self._line(rest, b"P", now) if rest else b""

    def _cut(self, line: bytes, last: bytes, now: bytes) -> list[bytes]:
        cuts = range(0, max(len(line) - LONGEST, 0), LONGEST)
        parts = [self._line(line[at : at + LONGEST], b"P", now) for at in cuts]
        return [*parts, self._line(line[len(cuts) * LONGEST :], last, now)]

    def _line(self, text: bytes, tag: bytes, now: bytes) -> bytes:
        return b"%s %s %s %s\n" % (now, self._name, tag, text)


class Log:
    """A log file. What cannot be written (a full disk) is lost: the program goes on."""

    def __init__(self, path: str) -> None:
        self._path = Path(path)
        self._size = 0
        self._torn = False
        self._path.parent.mkdir(parents=True, exist_ok=True)
        self._file = self._path.open("ab", buffering=0)
        self._size = self._file.tell()

    def write(self, lines: bytes) -> None:
        """Append whole lines."""
        if not lines:
            return
        with suppress(OSError):
            if self._size > LARGEST:
                self._turn()
            if self._torn:
                self._torn = not self._file.write(b"\n")
            done = self._file.write(lines) or 0
            self._torn = done < len(lines) and not lines[:done].endswith(b"\n")
            self._size += done

    def _turn(self) -> None:
        self._path.replace(f"{self._path}.1")
        self._file.close()
        self._file = self._path.open("ab", buffering=0)
        self._size = 0

    def close(self) -> None:
        """It has its last line."""
        self._file.close()
