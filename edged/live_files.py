"""Files that change all at once under the eyes of their readers, as the kubelet publishes ConfigMaps and Secrets.

The files lie in a directory with a name of its own, to which `..data` points; each path of the volume is a link
through `..data`. A new set is written beside the old one, and then `..data` is replaced by one rename.
"""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Mapping
from pathlib import Path

from edged.volume_files import File

__all__ = ["publish"]

_DATA = "..data"
_NEXT = "..data_next"


def publish(directory: Path, files: Mapping[str, File], group: int | None = None) -> None:
    """Let an existing directory show these files, by relative paths, and no others. A group may read them all.
    OSError: it cannot; what was shown before still is."""
    wanted = {
        path: File(file.content, file.mode | (0o440 if group is not None else 0)) for path, file in files.items()
    }
    if not (directory / _DATA).exists() or _shown(directory, group) != wanted:
        fresh = _written(directory, wanted, group)
        _point(directory / _NEXT, fresh.name)
        os.replace(directory / _NEXT, directory / _DATA)  # noqa: PTH105 - of the link itself
    _link(directory, {path.split("/")[0] for path in files})
    _clear(directory)


def _shown(directory: Path, group: int | None) -> Mapping[str, File]:
    """What is there now, as far as it belongs to the group."""
    data = directory / _DATA
    files = [Path(folder, name) for folder, _, names in os.walk(f"{data}/") for name in names]
    return {
        str(file.relative_to(data)): File(file.read_bytes(), file.stat().st_mode & 0o777)
        for file in files
        if group is None or file.stat().st_gid == group
    }


def _written(directory: Path, files: Mapping[str, File], group: int | None) -> Path:
    fresh = Path(tempfile.mkdtemp(prefix="..", dir=directory))
    try:
        _write(fresh, files, group)
    except OSError as error:
        shutil.rmtree(fresh)
        raise OSError(error.errno, error.strerror, str(directory)) from None
    return fresh


def _write(fresh: Path, files: Mapping[str, File], group: int | None) -> None:
    for path, file in files.items():
        target = fresh / path
        target.parent.mkdir(mode=0o755, parents=True, exist_ok=True)
        target.write_bytes(file.content)
        if group is not None:
            os.chown(target, -1, group)
        target.chmod(file.mode)
    fresh.chmod(0o755)  # only now can somebody look into it


def _point(link: Path, target: str) -> None:
    link.unlink(missing_ok=True)
    link.symlink_to(target)


def _link(directory: Path, names: set[str]) -> None:
    """The visible names, and no others."""
    there = {entry.name for entry in directory.iterdir() if not entry.name.startswith("..")}
    for name in there - names:
        (directory / name).unlink()
    for name in names - there:
        (directory / name).symlink_to(f"{_DATA}/{name}")


def _clear(directory: Path) -> None:
    """Former sets, and what was left half written."""
    keep = {_DATA, str((directory / _DATA).readlink())}
    for entry in directory.iterdir():
        if entry.name.startswith("..") and entry.name not in keep:
            entry.unlink() if entry.is_symlink() else shutil.rmtree(entry)
