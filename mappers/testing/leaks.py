"""What a process has open: tasks of its event loop, and file descriptors with the sockets among them."""

from __future__ import annotations

import asyncio
import gc
from collections.abc import Set as AbstractSet
from pathlib import Path
from typing import NamedTuple, Self

LOOK = 0.01
"""Seconds between two looks."""


class Holdings(NamedTuple):
    """At one moment."""

    tasks: AbstractSet[asyncio.Task[object]]
    files: AbstractSet[str]
    """`4 → socket:[4711]`; a file that is opened again is another one."""

    @classmethod
    def now(cls) -> Self:
        """Look."""
        return cls(frozenset(asyncio.all_tasks()), frozenset(_files()))

    async def leaks(self, patience: float) -> str:
        """What is held since then, and still is after so many seconds, in words; empty when nothing is. What comes
        and goes is no leak."""
        gc.collect()
        loop = asyncio.get_running_loop()
        end = loop.time() + patience
        tasks, files = asyncio.all_tasks() - self.tasks, _files() - self.files
        while (tasks or files) and loop.time() < end:
            await asyncio.sleep(LOOK)
            tasks &= asyncio.all_tasks()
            files &= _files()
        return _words(tasks, files)


def _files() -> set[str]:
    found = set()
    for link in Path("/proc/self/fd").iterdir():
        try:
            found.add(f"{link.name} → {link.readlink()}")
        except FileNotFoundError:
            continue  # the directory itself, as it was read
    return found


def _words(tasks: AbstractSet[asyncio.Task[object]], files: AbstractSet[str]) -> str:
    of_tasks = [f"the task {task.get_name()!r} ({task.get_coro()})" for task in tasks]
    return ", ".join([*of_tasks, *(f"the file descriptor {file}" for file in sorted(files))])
