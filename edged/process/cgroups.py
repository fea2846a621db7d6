"""Limits by control groups, of either version, where this process may make some below its own.

Kernel documentation: admin-guide/cgroup-v1/{memory,cpuacct}.rst, scheduler/sched-bwc.rst, admin-guide/cgroup-v2.rst.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

__all__ = ["Cgroups", "Limits", "join", "killed_for_memory", "members", "remove", "usage"]

PERIOD = 100_000
"""Microseconds in which a processor limit is kept."""
CONTROLLERS = ("memory", "cpu", "cpuacct", "pids")


class Limits(NamedTuple):
    """Of one container."""

    cpu: float | None
    """Cores."""
    memory: int | None
    """Bytes."""
    shares: int | None


class Cgroups:
    """Where groups may be made: for version 1 a directory for each controller, for version 2 one."""

    def __init__(self) -> None:
        self.unified = False
        self.controllers = _version_1()
        """Controller to directory; empty where nothing is permitted."""
        if "memory" not in self.controllers and (own := _version_2()):
            self.controllers, self.unified = own, True

    def paths(self, name: str) -> tuple[str, ...]:
        """The directories of a group of this name."""
        return tuple(sorted({str(base / name) for base in self.controllers.values()}))

    def make(self, name: str, limits: Limits) -> tuple[str, ...]:
        """A group of this name with these limits; its directories. OSError."""
        directories = {controller: base / name for controller, base in self.controllers.items()}
        for directory in directories.values():
            directory.mkdir(parents=True, exist_ok=True)
        try:
            for controller, file, value in _settings(limits, unified=self.unified):
                if controller in directories:
                    (directories[controller] / file).write_text(value)
        except OSError:
            remove(self.paths(name))
            raise
        return self.paths(name)


def _settings(limits: Limits, *, unified: bool) -> list[tuple[str, str, str]]:
    made = []
    if limits.memory is not None:
        made.append(("memory", "memory.max" if unified else "memory.limit_in_bytes", str(limits.memory)))
    if limits.cpu is not None:
        quota = max(int(limits.cpu * PERIOD), 1000)
        if unified:
            made.append(("cpu", "cpu.max", f"{quota} {PERIOD}"))
        else:
            made += [("cpu", "cpu.cfs_period_us", str(PERIOD)), ("cpu", "cpu.cfs_quota_us", str(quota))]
    if limits.shares is not None:
        shares = min(max(limits.shares, 2), 262_144)
        weight = 1 + (shares - 2) * 9999 // 262_142  # the map that Kubernetes has for it
        made.append(("cpu", "cpu.weight", str(weight)) if unified else ("cpu", "cpu.shares", str(shares)))
    return made


def join(directories: Sequence[str]) -> None:
    """Put this process into a group."""
    for directory in directories:
        Path(directory, "cgroup.procs").write_text(str(os.getpid()))


def members(directories: Sequence[str]) -> set[int]:
    """The processes in a group."""
    found: set[int] = set()
    for directory in directories:
        with suppress(OSError):
            found.update(int(line) for line in Path(directory, "cgroup.procs").read_text().split())
    return found


def remove(directories: Sequence[str]) -> None:
    """A group in which nothing runs any more."""
    for directory in directories:
        with suppress(OSError):
            Path(directory).rmdir()


def killed_for_memory(directories: Sequence[str]) -> bool:
    """The kernel ended something in it for using too much memory."""
    return any(
        _field(Path(directory, file), "oom_kill") > 0
        for directory in directories
        for file in ("memory.events", "memory.oom_control")
    )


def usage(directories: Sequence[str]) -> tuple[float | None, int | None]:
    """Processor seconds and bytes; None where the group does not count it."""
    seconds: float | None = None
    memory: int | None = None
    for directory in map(Path, directories):
        with suppress(OSError, ValueError):
            seconds = int((directory / "cpuacct.usage").read_text()) / 1e9
        if (directory / "cpu.stat").exists() and (used := _field(directory / "cpu.stat", "usage_usec")) >= 0:
            seconds = used / 1e6
        for file in ("memory.current", "memory.usage_in_bytes"):
            with suppress(OSError, ValueError):
                memory = int((directory / file).read_text())
    return seconds, memory


def _field(path: Path, name: str) -> int:
    with suppress(OSError, ValueError):
        for line in path.read_text().splitlines():
            key, _, value = line.partition(" ")
            if key == name:
                return int(value)
    return -1


def _version_1() -> dict[str, Path]:
    own = _own()
    found = {}
    for mount, kind, options in _mounts():
        if kind == "cgroup":
            for controller in set(CONTROLLERS) & set(options.split(",")):
                base = Path(mount + own.get(controller, "/"), "twinhub")
                if _may_make(base):
                    found[controller] = base
    return found


def _version_2() -> dict[str, Path] | None:
    for mount, kind, _ in _mounts():
        if kind == "cgroup2":
            parent = Path(mount + _own().get("", "/"))
            base = parent / "twinhub"
            with suppress(OSError):
                (parent / "cgroup.subtree_control").write_text("+memory +cpu +pids")
                base.mkdir(exist_ok=True)
                (base / "cgroup.subtree_control").write_text("+memory +cpu +pids")
                return dict.fromkeys(("memory", "cpu", "pids"), base)
    return None


def _may_make(directory: Path) -> bool:
    try:
        directory.mkdir(exist_ok=True)
    except OSError:
        return False
    return os.access(directory, os.W_OK)


def _own() -> dict[str, str]:
    """Controller (empty: version 2) to this process's group."""
    found = {}
    with suppress(OSError):
        for line in Path("/proc/self/cgroup").read_text().splitlines():
            _, controllers, path = line.split(":", 2)
            found.update(dict.fromkeys(controllers.split(","), "" if path == "/" else path))
    return found


def _mounts() -> list[tuple[str, str, str]]:
    with suppress(OSError):
        lines = [line.split(" ") for line in Path("/proc/self/mounts").read_text().splitlines()]
        return [(line[1], line[2], line[3]) for line in lines]
    return []
