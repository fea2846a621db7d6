"""The terminal a command was called on: its size, its way of passing on keys, and what is put right again."""

from __future__ import annotations

import os
import signal
import sys
import termios
import tty
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from types import FrameType
from typing import NoReturn

from edged.session import Size

__all__ = ["ended_by_signals", "raw", "resized", "size"]

_ENDING = (signal.SIGTERM, signal.SIGHUP)


def size() -> Size:
    """Of the terminal that is our input or output; 24 by 80 where there is none."""
    for descriptor in (0, 1):
        with suppress(OSError):
            columns, rows = os.get_terminal_size(descriptor)
            return Size(rows, columns)
    return Size(24, 80)


@contextmanager
def raw() -> Iterator[None]:
    """Every key is passed on as it is, Ctrl-C too; afterwards the terminal is as it was, however that comes about."""
    before = termios.tcgetattr(0)
    try:
        tty.setraw(0, termios.TCSADRAIN)  # what was typed meanwhile is for the command
        yield
    finally:
        termios.tcsetattr(0, termios.TCSADRAIN, before)


@contextmanager
def ended_by_signals() -> Iterator[None]:
    """What would end the process at once ends it in order."""

    def end(number: int, _: FrameType | None) -> NoReturn:
        sys.exit(128 + number)

    before = [(one, signal.signal(one, end)) for one in _ENDING]
    try:
        yield
    finally:
        for one, handler in before:
            signal.signal(one, handler)


@contextmanager
def resized() -> Iterator[int]:
    """A descriptor that can be read when the size has changed."""
    read, write = os.pipe()
    os.set_blocking(read, False)
    os.set_blocking(write, False)
    before, handler = signal.set_wakeup_fd(write, warn_on_full_buffer=False), signal.getsignal(signal.SIGWINCH)
    signal.signal(signal.SIGWINCH, lambda *_: None)
    try:
        yield read
    finally:
        signal.signal(signal.SIGWINCH, handler)
        signal.set_wakeup_fd(before)
        os.close(read)
        os.close(write)
