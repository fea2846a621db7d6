"""Notices that files of a folder changed, by looking at their size and times: works on every file system."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator, Mapping
from pathlib import Path

__all__ = ["Signature", "changes", "signature"]

Signature = Mapping[str, tuple[int, int, int]]
"""Path → inode, size, time of the last change in ns."""

PERIOD = 1.0
"""Seconds between two looks."""
SETTLING = 0.1
"""Seconds a changed folder must stay as it is, so that nobody reads a file that is half written."""


def signature(folder: Path) -> Signature:
    """What the files below `folder` look like from outside; names that begin with a dot are left out."""
    seen: dict[str, tuple[int, int, int]] = {}
    for path, folders, names in os.walk(folder):
        folders[:] = [name for name in folders if not name.startswith(".")]
        for name in names:
            if not name.startswith("."):
                file = os.path.join(path, name)  # noqa: PTH118 - this runs every second over every file
                try:
                    status = os.stat(file)  # noqa: PTH116
                except OSError:
                    continue  # went away while we looked: the next look sees that
                seen[file] = (status.st_ino, status.st_size, status.st_mtime_ns)
    return seen


async def changes(folder: Path, known: Signature) -> AsyncIterator[Signature]:
    """Each new state of `folder` that differs from `known` and from the one before."""
    while True:
        await asyncio.sleep(PERIOD)
        seen = await asyncio.to_thread(signature, folder)
        if seen == known:
            continue
        while seen != (again := await _look_again(folder)):
            seen = again
        known = seen
        yield seen


async def _look_again(folder: Path) -> Signature:
    await asyncio.sleep(SETTLING)
    return await asyncio.to_thread(signature, folder)
