"""What a node has and how it is, in the words of Kubernetes' `NodeStatus`: parsing is pure, `look` reads."""

from __future__ import annotations

import os
import platform
import socket
from collections.abc import Mapping
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Literal, NamedTuple

from msgspec import Struct

from edged.runtime import Info

__all__ = [
    "Address",
    "Around",
    "ConditionType",
    "Gauges",
    "NodeCondition",
    "NodeStatus",
    "address_of",
    "look",
    "meminfo",
    "status_of",
]

MOST_PODS = 110
"""As many as a kubelet takes by default."""
LEAST_MEMORY = 100 * 2**20
"""Bytes; the kubelet's `memory.available`."""
LEAST_DISK, LEAST_INODES = 0.10, 0.05
"""Shares; the kubelet's `nodefs.available` and `nodefs.inodesFree`."""
LEAST_PIDS = 0.05


ConditionType = Literal["Ready", "MemoryPressure", "DiskPressure", "PIDPressure", "CloudLink"]


class Around(NamedTuple):
    """What others know of the node."""

    info: Info | None = None
    """Its container engine; None: it was not reached yet."""
    absence: str = ""
    """Why that cannot be reached at present."""
    idle: bool = False
    """None was started, because there never was a pod."""
    link: bool | None = None
    """Whether it has its cloud; None: it has joined none."""


class Gauges(NamedTuple):
    """What was read."""

    cores: int
    memory: int
    """Bytes, as are the next three."""
    memory_available: int
    disk: int
    disk_available: int
    inodes: int
    inodes_free: int
    """Both 0 where the file system does not count them."""
    pids: int
    pids_limit: int


class Address(Struct, frozen=True):
    type: Literal["InternalIP", "Hostname"]
    address: str


class NodeCondition(Struct, frozen=True):
    type: ConditionType
    status: Literal["True", "False", "Unknown"]
    reason: str
    message: str = ""


class NodeStatus(Struct, frozen=True, rename="camel", kw_only=True):
    capacity: Mapping[str, str]
    allocatable: Mapping[str, str]
    """The same: nothing is set aside for the system."""
    conditions: tuple[NodeCondition, ...]
    addresses: tuple[Address, ...]
    node_info: Mapping[str, str]
    """Versions."""

    @property
    def ready(self) -> bool:
        """Pods can run."""
        return any(one.type == "Ready" and one.status == "True" for one in self.conditions)


def look(directory: Path, node: str, around: Around) -> NodeStatus:
    """The node now. `directory`: on the file system that pods use."""
    memory = meminfo(Path("/proc/meminfo").read_text(encoding="ascii"))
    disk = os.statvfs(directory)
    gauges = Gauges(
        cores=os.cpu_count() or 1,
        memory=memory.get("MemTotal", 0),
        memory_available=memory.get("MemAvailable", 0),
        disk=disk.f_blocks * disk.f_frsize,
        disk_available=disk.f_bavail * disk.f_frsize,
        inodes=disk.f_files,
        inodes_free=disk.f_favail,
        pids=_pids(Path("/proc/loadavg").read_text(encoding="ascii")),
        pids_limit=int(Path("/proc/sys/kernel/pid_max").read_text(encoding="ascii")),
    )
    return status_of(gauges, node, address_of(), around)


def status_of(gauges: Gauges, node: str, address: str, around: Around) -> NodeStatus:
    """What these readings say."""
    capacity = {
        "cpu": str(gauges.cores),
        "memory": f"{gauges.memory // 1024}Ki",
        "ephemeral-storage": f"{gauges.disk // 1024}Ki",
        "pods": str(MOST_PODS),
    }
    own = (Address("InternalIP", address),) if address else ()
    return NodeStatus(
        capacity=capacity,
        allocatable=capacity,
        conditions=(_ready(around), *_pressures(gauges), _link(around.link)),
        addresses=(*own, Address("Hostname", node)),
        node_info=_versions(around.info),
    )


def meminfo(text: str) -> dict[str, int]:
    """The lines of /proc/meminfo that have a size, in bytes."""
    words = (line.split() for line in text.splitlines())
    return {
        line[0].rstrip(":"): int(line[1]) * 1024
        for line in words
        if len(line) == 3 and line[2] == "kB" and line[1].isdecimal()
    }


def address_of() -> str:
    """The node's address towards others; empty where it has none. Nothing is sent."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.connect(("192.0.2.1", 9))  # a documentation address: only the way to it is looked up
            return str(probe.getsockname()[0])
        except OSError:
            return ""


def _ready(around: Around) -> NodeCondition:
    info = around.info
    if around.absence:
        return NodeCondition("Ready", "False", "RuntimeUnavailable", around.absence)
    if around.idle:
        return NodeCondition("Ready", "Unknown", "NoPods", "no container engine was started: there is no pod")
    if info is None:
        return NodeCondition("Ready", "False", "RuntimeStarting", "the container engine has not answered yet")
    lacks = f"; it lacks: {'; '.join(info.lacks)}" if info.lacks else ""
    return NodeCondition("Ready", "True", "RuntimeReady", f"{info.name} {info.version}{lacks}")


def _link(link: bool | None) -> NodeCondition:
    if link is None:
        return NodeCondition("CloudLink", "Unknown", "NotJoined", "this node has joined no cloud")
    return NodeCondition("CloudLink", "True", "Connected") if link else NodeCondition("CloudLink", "False", "Away")


def _pressures(gauges: Gauges) -> tuple[NodeCondition, ...]:
    disk = gauges.disk_available < gauges.disk * LEAST_DISK or gauges.inodes_free < gauges.inodes * LEAST_INODES
    pids = gauges.pids_limit - gauges.pids < gauges.pids_limit * LEAST_PIDS
    return (
        _pressure("MemoryPressure", "Memory", short=gauges.memory_available < LEAST_MEMORY),
        _pressure("DiskPressure", "Disk", short=disk),
        _pressure("PIDPressure", "PID", short=pids),
    )


def _pressure(
    type_: Literal["MemoryPressure", "DiskPressure", "PIDPressure"], what: str, *, short: bool
) -> NodeCondition:
    if short:
        return NodeCondition(type_, "True", f"NodeHasInsufficient{what}")
    return NodeCondition(type_, "False", f"NodeHasSufficient{what}" if what != "Disk" else "NodeHasNoDiskPressure")


def _versions(info: Info | None) -> dict[str, str]:
    system = platform.uname()
    runtime = f"{info.name}://{info.version}" if info else ""
    found = {
        "kernelVersion": system.release,
        "operatingSystem": system.system.lower(),
        "architecture": system.machine,
        "osImage": _os_image(),
        "containerRuntimeVersion": runtime,
        "twinhubVersion": _own_version(),
        "pythonVersion": platform.python_version(),
    }
    return {name: text for name, text in found.items() if text}


@cache
def _own_version() -> str:
    try:
        return version("twinhub")
    except PackageNotFoundError:
        return ""


@cache
def _os_image() -> str:
    try:
        return platform.freedesktop_os_release()["PRETTY_NAME"]
    except (OSError, KeyError):
        return ""


def _pids(loadavg: str) -> int:
    """The second number of `running/all` in /proc/loadavg."""
    return int(loadavg.split()[3].partition("/")[2])
