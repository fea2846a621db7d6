"""Directories removed with all that is in them, whatever a pod has made there."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import count
from pathlib import Path

__all__ = ["remove"]


def remove(tree: Path) -> None:
    """However deep it is, and also what was made unreadable; no link is followed. What is not there is no error.
    OSError: some of it is left. Blocking."""
    if not os.path.lexists(tree):
        return
    if not _is_directory(os.fspath(tree), None):
        tree.unlink()
        return
    with _opened(os.fspath(tree), None) as top:
        _flatten(top)
    tree.rmdir()


def _flatten(top: int) -> None:
    """Empty a directory. What is in the directories below is moved up, so that no path is too long and nothing
    recurs."""
    fresh = (f".{os.getpid()}-{number}" for number in count())
    while names := os.listdir(top):
        for name in names:
            if _is_directory(name, top):
                with _opened(name, top) as below:
                    _empty(below, top, fresh)
                os.rmdir(name, dir_fd=top)
            else:
                os.unlink(name, dir_fd=top)


def _empty(below: int, top: int, fresh: Iterator[str]) -> None:
    for name in os.listdir(below):
        if not _is_directory(name, below):
            os.unlink(name, dir_fd=below)
            continue
        with _opened(name, below):
            pass  # to be moved it must be writable
        os.rename(name, _free(top, fresh), src_dir_fd=below, dst_dir_fd=top)


def _free(top: int, fresh: Iterator[str]) -> str:
    """A name that nothing has there."""
    for name in fresh:
        try:
            os.stat(name, dir_fd=top, follow_symlinks=False)
        except FileNotFoundError:
            return name
    raise AssertionError("there are names without end")


def _is_directory(name: str, directory: int | None) -> bool:
    return stat.S_ISDIR(os.stat(name, dir_fd=directory, follow_symlinks=False).st_mode)


@contextmanager
def _opened(name: str, directory: int | None) -> Iterator[int]:
    """A directory, made readable and writable for its owner."""
    place = os.open(name, os.O_PATH | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=directory)
    try:
        os.chmod(f"/proc/self/fd/{place}", 0o700)  # noqa: PTH101 - of what is open, whoever has its name now
        opened = os.open(".", os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC, dir_fd=place)
        try:
            yield opened
        finally:
            os.close(opened)
    finally:
        os.close(place)
