"""What running processes cost, as /proc tells it."""

from __future__ import annotations

import os
import time
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

_TICKS = os.sysconf("SC_CLK_TCK")
_PAGE = os.sysconf("SC_PAGE_SIZE")


class Cost(NamedTuple):
    """Of one process and its descendants, over the measured time."""

    cores: float
    """Processor seconds per second."""
    rss_mb: float
    """Resident megabytes (10⁶) at the end."""


class Meter:
    """`start()` and `stop()` around what is measured. A process that ended in between costs nothing."""

    def __init__(self, pids: Mapping[str, int]) -> None:
        self._pids = dict(pids)
        self._since = 0.0
        self._before: dict[str, float] = {}

    def start(self) -> None:
        self._since = time.perf_counter()
        self._before = {name: cpu_seconds(pid) for name, pid in self._pids.items()}

    def stop(self) -> dict[str, Cost]:
        passed = time.perf_counter() - self._since
        return {
            name: Cost(round((cpu_seconds(pid) - self._before[name]) / passed, 3), round(rss(pid) / 1e6, 1))
            for name, pid in self._pids.items()
        }


def cpu_seconds(pid: int) -> float:
    """User and system time of a process, its living descendants and those it has waited for."""
    return sum(sum(int(ticks) for ticks in _stat(p)[11:15]) for p in _family(pid)) / _TICKS


def rss(pid: int) -> int:
    """Resident bytes of a process and its living descendants; pages they share count for each."""
    return sum(int((_stat(p) or ["0"] * 22)[21]) for p in _family(pid)) * _PAGE


def _family(pid: int) -> list[int]:
    members, found = [pid], {pid}
    parents = {
        child: _parent(child)
        for child in map(int, filter(str.isdigit, (path.name for path in Path("/proc").iterdir())))
    }
    for member in members:
        for child, parent in parents.items():
            if parent == member and child not in found:
                found.add(child)
                members.append(child)
    return members


def _parent(pid: int) -> int:
    stat = _stat(pid)
    return int(stat[1]) if stat else 0


def _stat(pid: int) -> list[str]:
    """The fields of /proc/PID/stat after the name, the state first; empty when the process is gone."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return []


def parse_pids(arguments: list[str]) -> dict[str, int]:
    """`["hub=123"]` → `{"hub": 123}`."""
    return {name: int(pid) for name, _, pid in (argument.partition("=") for argument in arguments)}
