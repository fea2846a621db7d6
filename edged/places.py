"""Where the files of a pod lie on the node: its volumes and its logs, apart for each uid."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path
from typing import NamedTuple

from edged.pod import Volume

__all__ = ["Places", "Room", "room_in"]

_TMPFS = Path("/dev/shm")  # noqa: S108 - what is made in it is for its owner alone
_KINDS = ("config-map", "empty-dir", "memory", "secret")


class Places(NamedTuple):
    """Of one pod."""

    disk: Path
    memory: Path | None

    def volume(self, volume: Volume) -> Path:
        """What is mounted. A volume of another kind is another one, whatever its name."""
        if volume.host_path:
            return Path(volume.host_path.path)
        if volume.config_map:
            return self.disk / "config-map" / volume.name
        if volume.secret:
            return (self.memory or self.disk) / "secret" / volume.name
        if volume.empty_dir and volume.empty_dir.medium == "Memory":
            return (self.memory or self.disk) / "memory" / volume.name
        return self.disk / "empty-dir" / volume.name

    def made(self) -> set[Path]:
        """The volumes that were made here, on behalf of a manifest as it is or as it was."""
        roots = [root for root in (self.disk, self.memory) if root]
        return {place for root in roots for kind in _KINDS for place in (root / kind).glob("*")}

    def log(self, container: str) -> Path:
        """A file in a directory of its own."""
        return self.disk / "log" / container / "0.log"


class Room(NamedTuple):
    """Of all pods of one edged."""

    disk: Path
    memory: Path | None
    """What lies here never reaches a disk; None: there is no tmpfs."""

    def of(self, pod_id: str, uid: str) -> Places:
        """The places of a pod."""
        return Places(self.disk / pod_id / uid, self.memory / pod_id / uid if self.memory else None)


def room_in(directory: Path, tmpfs: Path = _TMPFS) -> Room:
    """Room below a directory, and on the node's tmpfs where it has one. Nothing is made yet."""
    directory = directory.absolute()
    there = tmpfs.is_dir() and os.access(tmpfs, os.W_OK)
    name = hashlib.blake2b(os.fsencode(directory), digest_size=8).hexdigest()
    return Room(directory / "pods", tmpfs / f"twinhub-{os.geteuid()}-{name}" if there else None)
