"""podman for tests: with storage of its own below a temporary directory, and nothing of it left at the end."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import busybox_image
import pytest

from edged.podman import PodmanRuntime
from edged.podman.private import LIMIT, PrivatePodman, private_podman


class PodmanEngine:
    """As `runtime_contract.Engine` wants it."""

    def __init__(self, podman: PrivatePodman) -> None:
        self.directory = podman.directory
        self.socket = podman.socket
        self.podman = podman.call
        self.pid = podman.service

    def runtime(self) -> PodmanRuntime:
        return PodmanRuntime(None, self.directory)

    async def kill(self) -> None:
        if pid := self.pid():
            os.kill(pid, signal.SIGKILL)
            async with asyncio.timeout(LIMIT):
                while self.pid() == pid:
                    await asyncio.sleep(0.02)

    async def revive(self) -> None:
        """Who speaks to it next starts it."""

    @contextmanager
    def forgetting(self) -> Iterator[None]:
        """podman's data base knows nothing of what is made meanwhile; its storage does."""
        [base] = [one for one in ("libpod/bolt_state.db", "db.sql") if (self.directory / "root" / one).exists()]
        before = (self.directory / "root" / base).read_bytes()
        yield
        (self.directory / "root" / base).write_bytes(before)


@contextmanager
def podman_engine(directory: Path) -> Iterator[PodmanEngine]:
    """An engine in this directory, which is removed with it. Skips where podman is not installed or cannot run."""
    with pytest.MonkeyPatch.context() as patch, private_podman(directory) as podman:
        patch.delenv("CONTAINER_HOST", raising=False)
        patch.setattr("edged.podman.runtime.SYSTEM_SOCKET", directory / "absent.sock")
        if why := _why_not(podman):
            pytest.skip(why)
        yield PodmanEngine(podman)


_reasons: dict[str, str] = {}


def _why_not(podman: PrivatePodman) -> str:
    """Why podman cannot be tested here, found out once; empty: it can."""
    if not busybox_image.busybox():
        return busybox_image.MISSING
    if "podman" not in _reasons:
        _reasons["podman"] = podman.why_not(busybox_image.docker_archive(podman.directory / "busybox.tar"))
    return _reasons["podman"]
