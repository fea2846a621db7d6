"""A file replaced whole: after a crash at any moment it is the old one or the new one, and durable."""

from __future__ import annotations

import os
import stat
from pathlib import Path

__all__ = ["replace"]


def replace(path: Path, content: bytes, *, mode: int | None = None) -> None:
    """Put `content` in place of the file. Its permissions are `mode`, from the first byte on; None = those of the
    file replaced, or else the usual ones. One writer at a time. Raises `OSError`; then the old file stands."""
    if mode is None and path.exists():
        mode = stat.S_IMODE(path.stat().st_mode)
    new = path.with_name(f".{path.name}.new")
    with os.fdopen(os.open(new, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, mode or 0o666), "wb") as file:
        if mode is not None:
            os.fchmod(file.fileno(), mode)
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    new.replace(path)
    _sync(path.parent)


def _sync(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
