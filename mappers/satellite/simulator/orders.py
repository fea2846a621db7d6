"""Orders on standard input: break something now, or mend it."""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager

from mappers.satellite.simulator.faults import Fault
from mappers.satellite.simulator.spacecraft import Spacecraft

__all__ = ["orders"]

STDIN = 0
LONGEST = 1000
"""Bytes of a line."""


@contextmanager
def orders(spacecraft: Spacecraft) -> Iterator[None]:
    """Hear them in this context. A file on standard input, or nothing, gives no orders."""
    loop = asyncio.get_running_loop()
    lines = _Lines(spacecraft)

    def hear() -> None:
        data = os.read(STDIN, LONGEST)
        if not data:
            loop.remove_reader(STDIN)
        lines.feed(data)

    try:
        loop.add_reader(STDIN, hear)
    except OSError:  # epoll takes no files
        yield
        return
    try:
        yield
    finally:
        loop.remove_reader(STDIN)


class _Lines:
    """Orders as they come."""

    def __init__(self, spacecraft: Spacecraft) -> None:
        self._spacecraft = spacecraft
        self._rest = b""

    def feed(self, data: bytes) -> None:
        *lines, rest = (self._rest + data).split(b"\n")
        self._rest = rest[-LONGEST:]
        for line in lines:
            try:
                self._obey(line.decode("utf-8", "replace").strip())
            except ValueError as error:
                print(error, file=sys.stderr)

    def _obey(self, line: str) -> None:
        word, _, name = line.partition(" ")
        if word == "clear":
            self._spacecraft.faults.clear(name.strip())
        elif line:
            self._spacecraft.plan(Fault.parse(line)._replace(after=0.0))
