"""The directory in which one hub keeps what it remembers; one hub at a time.

While a hub runs it holds a lock on `lock`, and `broker-url` names the broker it uses, so that a command started
beside it finds it. The lock dies with the process, so a killed hub leaves nothing to clear away.
"""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from twin import owner_only
from twinhub.errors import CommandError

__all__ = ["NAME", "announce", "found", "locked", "running_broker"]

NAME = ".twinhub"


@contextmanager
def locked(directory: Path) -> Iterator[Path]:
    """Make the directory (readable by its owner only) and hold it against every other hub."""
    try:
        directory.mkdir(mode=owner_only.DIRECTORY, parents=True, exist_ok=True)
        owner_only.keep(directory, owner_only.DIRECTORY)
        descriptor = os.open(directory / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    except OSError as error:
        raise CommandError(f"cannot use {directory}: {error.strerror}; choose another with --state-dir") from None
    try:
        if not _lock(descriptor):
            raise CommandError(f"another hub runs on {directory}; stop it, or choose another with --state-dir")
        yield directory
    finally:
        os.close(descriptor)


def announce(directory: Path, broker: str) -> None:
    """Say which broker the hub of this directory uses, to its owner alone: a password may be in it."""
    file = directory / "broker-url"
    owner_only.make(file)
    file.write_text(f"{broker}\n")


def running_broker(directory: Path) -> str | None:
    """The address of the broker of the hub that runs on this directory; None when none does."""
    try:
        with (directory / "lock").open("r+") as lock:
            if _lock(lock.fileno()):
                return None
        return (directory / "broker-url").read_text().strip() or None
    except OSError:
        return None


def found() -> Path:
    """The directory of the hub that runs here: in the current directory, or else in the one folder of it whose hub
    runs, as after `twinhub run FOLDER`."""
    here = Path(NAME)
    beside = () if running_broker(here) else tuple(filter(running_broker, Path().glob(f"*/{NAME}")))
    return beside[0] if len(beside) == 1 else here


def _lock(descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
