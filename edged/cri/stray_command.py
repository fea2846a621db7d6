"""Finds a command that runs in a container, to end it: the Container Runtime Interface has no call for that.

The command is the new process in the container's cgroup with its very words that no process of the container began.
"""

from __future__ import annotations

import json
import os
import signal
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Self

from cri_api.v1 import api_pb2 as cri

from edged.cri.api import Api

__all__ = ["CommandHunt"]

PROC = Path("/proc")


class CommandHunt:
    """What was there before the command is not it."""

    def __init__(self, cgroup: str, words: bytes) -> None:
        """`words`: as /proc has them."""
        self._cgroup = cgroup
        self._words = words
        self._before = self._candidates()

    @classmethod
    async def begin(cls, api: Api, container: str, command: Sequence[str]) -> Self:
        """Before it is run."""
        request = cri.ContainerStatusRequest(container_id=container, verbose=True)
        answer = await api.call(request, cri.ContainerStatusResponse)
        words = b"".join(os.fsencode(word) + b"\0" for word in command)
        return cls(_cgroup(_pid(answer.info.get("info", ""))), words)

    async def end(self) -> None:
        """Kill it, if it is there."""
        for pid in self._candidates() - self._before:
            with suppress(OSError):
                os.kill(pid, signal.SIGKILL)

    def _candidates(self) -> set[int]:
        inside = self._inside()
        return {pid for pid in inside if _parent(pid) not in inside and _read(pid, "cmdline") == self._words}

    def _inside(self) -> set[int]:
        if not self._cgroup:
            return set()
        pids = (int(one.name) for one in PROC.iterdir() if one.name.isdecimal())
        return {pid for pid in pids if _cgroup(pid) == self._cgroup}


def _pid(info: str) -> int:
    with suppress(ValueError, KeyError, TypeError):
        return int(json.loads(info)["pid"])
    return 0


def _cgroup(pid: int) -> str:
    return _read(pid, "cgroup").decode(errors="replace") if pid > 1 else ""


def _parent(pid: int) -> int:
    fields = _read(pid, "stat").rpartition(b")")[2].split()
    return int(fields[1]) if fields else 0


def _read(pid: int, name: str) -> bytes:
    with suppress(OSError):
        return (PROC / str(pid) / name).read_bytes()
    return b""
