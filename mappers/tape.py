"""Writes a recording, line by line, while its device speaks."""

from __future__ import annotations

import asyncio
import json
import os
import time
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, BinaryIO, Self

import msgspec

from mappers.recording import MOST_BYTES, Header, encoded


class Tape:
    """`with Tape(file, header) as tape`, then `say` and `silent`, from one thread.

    What was said is with the operating system when the call returns: no end of this process loses it. Never raises:
    when the file is full, or cannot be written, `stopped` is set and `problem` says why. OSError on entering, if the
    file is there already, among other things.
    """

    def __init__(self, file: Path, header: Header) -> None:
        self.file = file
        self.header = header
        self.spoken = 0
        """Lines with values so far."""
        self.stopped = asyncio.Event()
        self.problem = ""
        self._out: BinaryIO | None = None
        self._size = 0
        self._started = self._length = 0.0

    def __enter__(self) -> Self:
        self._started = time.monotonic()
        self._out = self.file.open("xb", buffering=0)
        self._write(msgspec.to_builtins(self.header))
        return self

    def __exit__(self, *_: object) -> None:
        """What is said from now on is not noted."""
        assert self._out is not None
        self._length = self.length
        self._write({"at": self._length, "end": True})
        with self._out as out:
            self._out = None
            os.fsync(out.fileno())

    @property
    def length(self) -> float:
        """Seconds since the start, until the end."""
        return self._length if self._out is None else round(time.monotonic() - self._started, 6)

    def say(self, values: Mapping[str, Any]) -> None:
        """These values came, by property; whatever is no raw value counts as a failure."""
        self.spoken += self._out is not None
        self._write({"at": self.length, "said": {name: encoded(raw) for name, raw in values.items()}})

    def silent(self, reason: str, of: Iterable[str] = ()) -> None:
        """The device could not be heard; as in `Silent`."""
        self._write({"at": self.length, "silent": reason, **({"of": list(of)} if of else {})})

    def _write(self, line: Mapping[str, Any]) -> None:
        if self._out is None or self.stopped.is_set():
            return
        data = json.dumps(line, allow_nan=False).encode() + b"\n"
        if self._size + len(data) > MOST_BYTES:
            self._stop(f"{self.file} is full: a recording has at most {MOST_BYTES >> 20} MiB")
            return
        try:
            written = self._out.write(data)
        except OSError as error:
            self._stop(f"{self.file} cannot be written: {error.strerror}")
            return
        self._size += written
        if written < len(data):
            self._stop(f"{self.file} cannot be written: no space is left")

    def _stop(self, problem: str) -> None:
        self.problem = problem
        self.stopped.set()
