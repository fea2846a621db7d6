"""Notices that files of a folder changed: told by the kernel where it can, else by looking once a second.

What counts is what the files look like; the kernel's word only says when to look.
"""

from __future__ import annotations

import asyncio
import logging
import math
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Self

from twinhub.folder_notice import FolderNotice, NoNotice

__all__ = ["FolderWatch", "Signature", "signature"]

logger = logging.getLogger("twinhub")

Signature = Mapping[str, tuple[int, int, int]]
"""Path → inode, size, time of the last change in ns."""

PERIOD = 1.0
"""Seconds between two looks, where the kernel does not tell."""
ROUND = 10.0
"""Seconds between two looks, where it does: it is silent about some mounts, and links to links."""
REST = 0.02
SETTLING = 0.1
"""Seconds a changed folder must stay as it is, so that nobody reads a file that is half written; where the kernel
tells, and where it does not."""
LONGEST = 5.0
"""Seconds after which a folder that is never at rest is read all the same."""


def signature(folder: Path) -> Signature:
    """What the files below `folder` look like from outside; names that begin with a dot are left out."""
    seen: dict[str, tuple[int, int, int]] = {}
    for path, folders, names in os.walk(folder):
        folders[:] = [name for name in folders if not name.startswith(".")]
        for name in names:
            if not name.startswith("."):
                file = os.path.join(path, name)  # noqa: PTH118 - this runs over every file, after every edit
                try:
                    status = os.stat(file)  # noqa: PTH116
                except OSError:
                    continue  # went away while we looked: the next look sees that
                seen[file] = (status.st_ino, status.st_size, status.st_mtime_ns)
    return seen


class FolderWatch:
    """`with` watches. It is silent about how `folder` was when it looked like `known`."""

    def __init__(self, folder: Path, known: Signature) -> None:
        self._folder = folder
        self._known = known
        self._notice: FolderNotice | None = None

    def __enter__(self) -> Self:
        try:
            self._notice = FolderNotice(self._folder)
        except NoNotice as why:
            self._without(why)
        return self

    def __exit__(self, *exc: object) -> None:
        if self._notice:
            self._notice.close()

    async def change(self, within: float = math.inf) -> Signature | None:
        """What the folder looks like, once that is another than before and stays so; None: it did not change within
        so many seconds."""
        now = asyncio.get_running_loop().time
        end = now() + within
        while True:
            seen = await self._at_rest()
            if seen != self._known:
                self._known = seen
                return seen
            if now() >= end:
                return None
            await self._stirs(end - now())

    async def _at_rest(self) -> Signature:
        now = asyncio.get_running_loop().time
        end = now() + LONGEST
        seen = await self._look()
        while seen != self._known and now() < end:
            await self._rests(end - now())
            if seen == (again := await self._look()):
                break
            seen = again
        return seen

    async def _stirs(self, within: float) -> None:
        if self._notice:
            await self._notice.stirs(min(within, ROUND))
        else:
            await asyncio.sleep(min(within, PERIOD))

    async def _rests(self, within: float) -> None:
        if self._notice:
            await self._notice.rests(REST, within)
        else:
            await asyncio.sleep(SETTLING)

    async def _look(self) -> Signature:
        if self._notice:
            try:
                await asyncio.to_thread(self._notice.renew)
            except NoNotice as why:
                self._without(why)
        return await asyncio.to_thread(signature, self._folder)

    def _without(self, why: NoNotice) -> None:
        self._notice = None
        logger.warning("%s is looked at every second: %s", self._folder, why)
