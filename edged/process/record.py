"""What a keeper writes down of its container, so that anybody finds it: that it was started, and how it ended.

The file `started` is locked by the keeper as long as it lives: the kernel lets go of the lock when the keeper ends,
however that happens. So a number that another process has now is never taken for ours, after a restart of the machine
neither.
"""

from __future__ import annotations

import fcntl
import json
import os
import signal
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple, TypeVar

__all__ = ["Ended", "Started", "alive", "begin", "end", "ended", "ring", "send", "started", "write"]

RESERVED = 512
"""Bytes kept for how it ends: it can be told on a full disk too."""


class Started(NamedTuple):
    """It was started, whatever came of it."""

    at: float
    """Unix seconds."""
    keeper: int
    program: int


class Ended(NamedTuple):
    at: float
    exit_code: int
    reason: str


Record = TypeVar("Record", Started, Ended)


def begin(room: Path, program: int) -> int | None:
    """Claim the start of what is in this room; the lock's descriptor, or None: somebody was first. OSError: the room
    is gone."""
    path = room / f".started-{os.getpid()}"
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600)
    fcntl.flock(descriptor, fcntl.LOCK_EX)
    os.write(descriptor, json.dumps(Started(time.time(), os.getpid(), program)._asdict()).encode())
    (room / ".ended").write_bytes(b" " * RESERVED)
    try:
        os.link(path, room / "started")
    except FileExistsError:
        os.close(descriptor)
        return None
    finally:
        path.unlink()
    return descriptor


def end(room: Path, exit_code: int, reason: str) -> None:
    """Write down how it ended, once. OSError: the room is gone."""
    with (room / ".ended").open("r+b") as file:
        file.write(json.dumps(Ended(time.time(), exit_code, reason)._asdict()).encode().ljust(RESERVED))
    (room / ".ended").rename(room / "ended")


def started(room: Path) -> Started | None:
    """None: it was not."""
    return _read(room / "started", Started)


def ended(room: Path) -> Ended | None:
    """None: nothing is written of it."""
    return _read(room / "ended", Ended)


def alive(room: Path) -> bool:
    """The keeper is."""
    with suppress(OSError), (room / "started").open("rb") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
    return False


def send(room: Path, what: signal.Signals) -> bool:
    """A signal to the keeper; False: it is gone. The descriptor is of this very process, if the lock is still held
    afterwards."""
    record = started(room)
    if not record or not alive(room):
        return False
    try:
        descriptor = os.pidfd_open(record.keeper)
    except ProcessLookupError:
        return False
    try:
        if alive(room):
            signal.pidfd_send_signal(descriptor, what)
    except ProcessLookupError:
        return False
    finally:
        os.close(descriptor)
    return True


def ring(bell: Path) -> None:
    """Tell who looks that something changed."""
    with suppress(OSError):
        now = time.time_ns()  # exact: the kernel's own stamp is the same for some milliseconds
        os.utime(bell, ns=(now, now))


def write(path: Path, content: bytes) -> None:
    """A whole file, or none."""
    beside = path.with_name(f".{path.name}-{os.getpid()}-{time.monotonic_ns()}")
    beside.write_bytes(content)
    beside.rename(path)


def _read(path: Path, kind: Callable[..., Record]) -> Record | None:
    with suppress(OSError, ValueError, TypeError):
        return kind(**json.loads(path.read_bytes()))
    return None
