"""What podman must be told on this machine to work at all; asked of the machine, not guessed."""

from __future__ import annotations

import os
import resource
import shutil
from collections.abc import Mapping
from pathlib import Path

__all__ = ["containers_conf", "service_environment"]

PODMANS_LIMIT = 1_048_576
"""Open files and processes that podman asks for when it is told nothing (RLIMIT_NOFILE, RLIMIT_NPROC)."""
EXEC_REMEMBERED = 2
"""Seconds for which podman keeps the end of a command in a container, and a process for it, which delays the removal
of its pod by some seconds. It would be 300, and probes run such commands for ever."""
_CAP_SYS_RESOURCE = 24
_ADMINISTRATORS = Path("/etc/containers/containers.conf")


def service_environment(directory: Path) -> dict[str, str]:
    """The environment for podman's service. What an administrator wrote is left as it is; else the settings are
    written to a file in `directory`."""
    environment = {name: value for name, value in os.environ.items() if name != "NOTIFY_SOCKET"}
    if "CONTAINERS_CONF" not in environment and not _ADMINISTRATORS.exists():
        path = directory / "containers.conf"
        path.write_text(containers_conf())
        environment["CONTAINERS_CONF"] = str(path)
    return environment


def containers_conf() -> str:
    """The text of containers.conf(5) for this machine."""
    engine = {"exit_command_delay": str(EXEC_REMEMBERED)}
    if not Path("/run/systemd/system").exists():
        engine |= {"cgroup_manager": '"cgroupfs"', "events_logger": '"file"'}
    if Path("/sys/fs/cgroup/unified").exists() and shutil.which("runc"):
        engine |= {"runtime": '"runc"'}  # crun refuses cgroups in hybrid mode
    sections: dict[str, Mapping[str, str]] = {"engine": engine}
    if limits := _limits():
        sections["containers"] = {"default_ulimits": f"[{', '.join(limits)}]"}
    return "\n".join(f"[{name}]\n{_lines(section)}" for name, section in sections.items())


def _lines(section: Mapping[str, str]) -> str:
    return "".join(f"{key} = {value}\n" for key, value in section.items())


def _limits() -> list[str]:
    """Those that podman would ask for in vain: without CAP_SYS_RESOURCE nobody gets above a hard limit."""
    if _may_raise_limits():
        return []
    pids = int(Path("/proc/sys/kernel/pid_max").read_text())  # podman lowers its own limit to this
    most = {
        "nofile": _hard(resource.RLIMIT_NOFILE),
        "nproc": min(_hard(resource.RLIMIT_NPROC), pids),
    }
    return [f'"{name}={limit}:{limit}"' for name, limit in most.items() if limit < PODMANS_LIMIT]


def _hard(kind: int) -> int:
    limit = resource.getrlimit(kind)[1]
    return PODMANS_LIMIT if limit == resource.RLIM_INFINITY else limit


def _may_raise_limits() -> bool:
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith("CapEff:"):
            return bool(int(line.split()[1], 16) >> _CAP_SYS_RESOURCE & 1)
    return False
