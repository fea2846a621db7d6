"""The files of pods: their volumes are made, kept up to date and removed; blocking, so to be called in a thread.

What is secret lies on a tmpfs where the node has one. All that is made here is below directories that only their
owner can enter; containers see what is mounted into them.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Callable, Collection
from pathlib import Path

from edged import tree
from edged.live_files import publish
from edged.places import Places, Room
from edged.pod import Container, HostPath, Pod, Volume
from edged.sources import Sources
from edged.volume_files import files_of
from edged.wanted import CannotPlan

__all__ = ["Volumes"]

_KINDS: dict[str, tuple[Callable[[int], bool], str]] = {
    "Directory": (stat.S_ISDIR, "directory"),
    "DirectoryOrCreate": (stat.S_ISDIR, "directory"),
    "File": (stat.S_ISREG, "file"),
    "FileOrCreate": (stat.S_ISREG, "file"),
    "Socket": (stat.S_ISSOCK, "socket"),
    "CharDevice": (stat.S_ISCHR, "character device"),
    "BlockDevice": (stat.S_ISBLK, "block device"),
}


class Volumes:
    """Of all pods of one edged. Only one works on a pod at a time."""

    def __init__(self, room: Room) -> None:
        self._room = room

    def prepare(self, pod: Pod, uid: str, sources: Sources) -> None:
        """Bring about all volumes of a pod, or bring them up to date; what a former pod of this name left, or
        a former manifest, is removed. CannotPlan FailedMount: it cannot be."""
        places = self._room.of(pod.id, uid)
        try:
            for root in filter(None, self._room):
                _private(root)
                self._remove_former(root, pod.id, uid)
            for former in places.made() - {places.volume(volume) for volume in pod.spec.volumes}:
                tree.remove(former)
            for volume in pod.spec.volumes:
                _bring_about(volume, pod, places, sources)
            for container in (*pod.spec.init_containers, *pod.spec.containers):
                _bring_about_parts(container, pod, places)
        except OSError as error:
            raise _failed(f"{error.filename or pod.id}: {error.strerror}") from None

    def forget(self, pod_id: str) -> None:
        """Remove all files of a pod that is gone. OSError: some are left."""
        for root in filter(None, self._room):
            tree.remove(root / pod_id)

    def left(self) -> Collection[str]:
        """The ids of all pods that have files."""
        pods = (pod for root in self._room if root for pod in root.glob("*/*"))
        return {f"{pod.parent.name}/{pod.name}" for pod in pods}

    def _remove_former(self, root: Path, pod_id: str, uid: str) -> None:
        for former in (root / pod_id).glob("*"):
            if former.name != uid:
                tree.remove(former)


def _bring_about(volume: Volume, pod: Pod, places: Places, sources: Sources) -> None:
    place, group = places.volume(volume), pod.spec.security_context.fs_group
    files = files_of(volume, pod.metadata.namespace, sources)
    if volume.host_path:
        _host_path(volume.host_path)
    elif files is not None:
        _directory(place, 0o755, group)
        publish(place, files, group)
    else:
        _empty_dir(volume, place, places, group)


def _empty_dir(volume: Volume, place: Path, places: Places, group: int | None) -> None:
    """It outlives containers: once made, it is left as it is."""
    if volume.empty_dir and volume.empty_dir.medium == "Memory" and places.memory is None:
        raise _failed(f"volume {volume.name}: this node has no tmpfs at /dev/shm")
    if not place.is_dir():
        _directory(place, 0o777, group)


def _directory(place: Path, mode: int, group: int | None) -> None:
    place.mkdir(parents=True, exist_ok=True)
    if group is not None:
        os.chown(place, -1, group)
        mode |= stat.S_ISGID
    place.chmod(mode)


def _host_path(host_path: HostPath) -> None:
    path = Path(host_path.path)
    if host_path.type in ("", "DirectoryOrCreate") and not path.exists():
        path.mkdir(mode=0o755, parents=True, exist_ok=True)
    elif host_path.type == "FileOrCreate" and not path.exists():
        path.touch(mode=0o644)
    if host_path.type:
        is_it, name = _KINDS[host_path.type]
        if not path.exists():
            raise _failed(f"hostPath {path} is not there")
        if not is_it(path.stat().st_mode):
            raise _failed(f"hostPath {path} is no {name}")


def _bring_about_parts(container: Container, pod: Pod, places: Places) -> None:
    """A `subPath` that is not there becomes a directory. One that leads out of its volume, by a link that a
    container left there, is refused."""
    volumes = {volume.name: volume for volume in pod.spec.volumes}
    for mount in container.volume_mounts:
        volume = volumes[mount.name]
        if not mount.sub_path:
            continue
        whole = Path(os.path.realpath(places.volume(volume)))
        part = Path(os.path.realpath(whole / mount.sub_path))
        if not part.is_relative_to(whole):
            raise _failed(f"volume {volume.name}: subPath {mount.sub_path} leads out of it")
        if not part.exists():
            if volume.config_map or volume.secret:
                raise _failed(f"volume {volume.name} has no file {mount.sub_path}")
            part.mkdir(parents=True)
            part.chmod(whole.stat().st_mode & 0o7777)


def _private(root: Path) -> None:
    """A directory that nobody else can enter; one that somebody else has put there is not used."""
    root.parent.mkdir(parents=True, exist_ok=True)
    try:
        root.mkdir(mode=0o700)
    except FileExistsError:
        found = root.lstat()
        if not stat.S_ISDIR(found.st_mode) or found.st_uid != os.geteuid():
            raise _failed(f"{root} belongs to somebody else; remove it") from None
        root.chmod(0o700)


def _failed(message: str) -> CannotPlan:
    return CannotPlan("FailedMount", message)
