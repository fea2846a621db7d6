"""What holds secrets is for its owner alone, also where an earlier version or somebody else left it open."""

from __future__ import annotations

import logging
import os
import stat
from pathlib import Path

__all__ = ["DIRECTORY", "FILE", "keep", "make"]

FILE, DIRECTORY = 0o600, 0o700
"""Permissions."""

log = logging.getLogger("twin")


def make(file: Path) -> None:
    """Make sure that there is such a file, and that only its owner can use it. Raises `OSError`."""
    os.close(os.open(file, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, FILE))
    keep(file, FILE)


def keep(path: Path, mode: int) -> None:
    """Take from everybody but the owner what `mode` does not give, if there is such a file or directory. A directory
    that is everybody's, as /tmp is, stays so. Where it cannot be (another owner, a file system without permissions)
    it is said."""
    try:
        now = stat.S_IMODE(path.stat().st_mode)
        if now & ~mode & 0o077 and not now & stat.S_ISVTX:
            path.chmod(now & mode)
    except FileNotFoundError:
        return
    except OSError as error:
        log.warning("others can read %s, and that cannot be changed: %s; keep it elsewhere", path, error.strerror)
