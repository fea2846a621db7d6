"""What /proc tells of processes (proc(5)); nothing of one that is gone."""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

__all__ = ["Process", "all_processes", "descendants"]

TICKS = os.sysconf("SC_CLK_TCK")
PAGE = os.sysconf("SC_PAGE_SIZE")


class Process(NamedTuple):
    """One of them."""

    pid: int
    parent: int
    session: int
    cpu_seconds: float
    memory: int
    """Bytes in memory."""


def all_processes() -> list[Process]:
    """Those of the node."""
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdecimal():
            with suppress(OSError, ValueError, IndexError):
                fields = (entry / "stat").read_text().rpartition(")")[2].split()
                parent, session, user, system, pages = (int(fields[at]) for at in (1, 3, 11, 12, 21))
                found.append(Process(int(entry.name), parent, session, (user + system) / TICKS, pages * PAGE))
    return found


def descendants(ancestor: int) -> list[Process]:
    """Children, and theirs."""
    everyone = all_processes()
    found: list[Process] = []
    parents = {ancestor}
    while parents:
        found += (more := [one for one in everyone if one.parent in parents])
        parents = {one.pid for one in more}
    return found
