"""The kernel's word that something in a folder happens (inotify(7)): at once, and for nothing while nothing does."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from asyncinotify import Event, Inotify

__all__ = ["FolderNotice", "NoNotice", "mount_kind"]

LONGEST_QUIET = 0.5
"""Seconds of quiet that are asked for after a long burst."""
_REMOTE = ("9p", "afs", "ceph", "cifs", "fuse", "lustre", "nfs", "prl_fs", "smb", "vboxsf", "virtiofs")
"""File systems that others may write to, of which the kernel here hears nothing; beginnings of their names."""


class NoNotice(Exception):
    """The kernel will not tell of this folder; says why."""


class FolderNotice:
    """Of one folder: the folders below it, those that its links lead to, and its own place, so that another one may
    take it. Names that begin with a dot are left out below it."""

    def __init__(self, folder: Path) -> None:
        """NoNotice."""
        self._folder = folder.absolute()
        self._places: Mapping[str, int] = {}
        self._writing: set[Path] = set()
        self._inotify: Inotify | None = None
        kind = mount_kind(self._folder)
        if kind.startswith(_REMOTE):
            raise NoNotice(f"the kernel does not tell of changes on {kind}")
        self.renew()

    def close(self) -> None:
        """It tells nothing more."""
        if self._inotify:
            self._inotify.close()
        self._inotify, self._places = None, {}

    def renew(self) -> None:
        """Listen to the folders that are there now. Whoever looks at them afterwards misses nothing. NoNotice."""
        places = _places(self._folder)
        if places != self._places:
            self.close()
            self._writing.clear()
            self._inotify = _listening(places)
            self._places = places

    async def stirs(self, within: float) -> bool:
        """Something happens within so many seconds. What happens in the very moment of the end may go unheard."""
        assert self._inotify
        with suppress(TimeoutError):
            async with asyncio.timeout(within):
                while not self._concerns(await self._inotify.get()):
                    pass
                return True
        return False

    async def rests(self, quiet: float, within: float) -> None:
        """Wait until nothing happened for `quiet` seconds, or for longer after a burst, and what was written to was
        closed; or until `within` seconds are over."""
        now = asyncio.get_running_loop().time
        begun = now()
        while (past := now() - begun) < within:
            if not await self.stirs(min(max(quiet, past / 2), LONGEST_QUIET)) and not self._writing:
                return

    def _concerns(self, event: Event) -> bool:
        from asyncinotify import Mask  # noqa: PLC0415 - it is there, or this is never asked

        path = event.path
        if path is None:
            return True  # more happened than the kernel keeps
        if path.parent == self._folder.parent and path != self._folder:
            return False
        if Mask.MODIFY in event.mask:
            self._writing.add(path)
        elif event.mask & (Mask.CLOSE_WRITE | Mask.DELETE | Mask.MOVED_FROM | Mask.MOVED_TO):
            self._writing.discard(path)
        return True


def _places(folder: Path) -> Mapping[str, int]:
    """The directories to listen to, each with its inode: another one of the same name is another place."""
    found = {str(folder.parent)}
    for path, folders, names in os.walk(folder):
        found.add(path)
        folders[:] = [name for name in folders if not name.startswith(".")]
        links = (os.path.join(path, name) for name in names if not name.startswith("."))  # noqa: PTH118 - quicker
        found |= {os.path.dirname(os.path.realpath(link)) for link in links if os.path.islink(link)}  # noqa: PTH114, PTH120
    inodes = {}
    for place in found:
        with suppress(OSError):
            inodes[place] = os.stat(place).st_ino  # noqa: PTH116
    return inodes


def _listening(places: Mapping[str, int]) -> Inotify:
    try:
        from asyncinotify import Inotify, Mask  # noqa: PLC0415 - may be missing, and does not load everywhere
    except (ImportError, RuntimeError, AttributeError) as error:
        raise NoNotice(f"asyncinotify does not load ({error}): pip install asyncinotify") from None
    mask = Mask.CREATE | Mask.MODIFY | Mask.ATTRIB | Mask.CLOSE_WRITE | Mask.DELETE | Mask.MOVE
    try:
        inotify = Inotify(cache_size=64)
    except OSError as error:
        raise NoNotice(f"{error.strerror}: raise fs.inotify.max_user_instances by sysctl") from None
    try:
        for place in places:
            with suppress(FileNotFoundError, NotADirectoryError, PermissionError):  # gone again, or closed to us
                inotify.add_watch(place, mask | Mask.ONLYDIR)
    except OSError as error:
        inotify.close()
        raise NoNotice(f"{error.strerror}: raise fs.inotify.max_user_watches by sysctl") from None
    return inotify


def mount_kind(path: Path) -> str:
    """The kind of file system this path lies on, as proc_pid_mountinfo(5) names it; empty: nobody knows."""
    real, best, kind = os.path.realpath(path), -1, ""
    with suppress(OSError, ValueError):
        for line in Path("/proc/self/mountinfo").read_text().splitlines():
            fields, _, source = line.partition(" - ")
            point = fields.split(" ")[4].encode().decode("unicode_escape").rstrip("/")
            if (real == point or real.startswith(f"{point}/")) and len(point) >= best:
                best, kind = len(point), source.split(" ")[0]
    return kind
