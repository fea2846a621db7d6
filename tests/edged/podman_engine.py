"""podman for tests: with storage of its own below a temporary directory, and nothing of it left at the end."""

from __future__ import annotations

import asyncio
import os
import shutil
import signal
import socket
import struct
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import busybox_image
import pytest

from edged.podman import PodmanRuntime
from edged.podman.settings import service_environment

LIMIT = 60
"""Seconds for a command of podman's."""


class PodmanEngine:
    """As `runtime_contract.Engine` wants it."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.socket = directory / "podman.sock"

    def runtime(self) -> PodmanRuntime:
        return PodmanRuntime(None, self.directory)

    def pid(self) -> int:
        """Of the service: who listens at its socket. 0: nobody."""
        with socket.socket(socket.AF_UNIX) as one, suppress(OSError):
            one.connect(str(self.socket))
            pid, _, _ = struct.unpack("3i", one.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, 12))
            return int(pid)
        return 0

    async def kill(self) -> None:
        if pid := self.pid():
            os.kill(pid, signal.SIGKILL)
            async with asyncio.timeout(LIMIT):
                while self.pid() == pid:
                    await asyncio.sleep(0.02)

    async def revive(self) -> None:
        """Who speaks to it next starts it."""

    def podman(self, *words: str) -> str:
        """What the command line says, on the same storage."""
        done = subprocess.run(
            ["podman", *words],
            env=service_environment(self.directory),
            check=True,
            capture_output=True,
            text=True,
            timeout=LIMIT,
        )
        return done.stdout

    @contextmanager
    def forgetting(self) -> Iterator[None]:
        """podman's data base knows nothing of what is made meanwhile; its storage does."""
        [base] = [one for one in ("libpod/bolt_state.db", "db.sql") if (self.directory / "root" / one).exists()]
        before = (self.directory / "root" / base).read_bytes()
        yield
        (self.directory / "root" / base).write_bytes(before)

    def clear(self) -> None:
        """All that was made, and the service."""
        for words in (("pod", "rm", "--all", "--force", "--time=0"), ("rm", "--all", "--force", "--time=0")):
            with suppress(subprocess.SubprocessError):
                self.podman(*words)
        if pid := self.pid():
            os.kill(pid, signal.SIGKILL)
        mounts = [line.split()[1] for line in Path("/proc/self/mounts").read_text().splitlines()]
        for mount in reversed([one for one in mounts if one.startswith(f"{self.directory}/")]):
            subprocess.run(["umount", "--lazy", mount], check=False, timeout=LIMIT)
        shutil.rmtree(self.directory, ignore_errors=True)


@contextmanager
def podman_engine(directory: Path) -> Iterator[PodmanEngine]:
    """An engine in this directory, which is removed with it. Skips where podman is not installed or cannot run."""
    engine = PodmanEngine(directory)
    with pytest.MonkeyPatch.context() as patch:
        patch.delenv("CONTAINER_HOST", raising=False)
        patch.setattr("edged.podman.runtime.SYSTEM_SOCKET", directory / "absent.sock")
        patch.setenv("CONTAINERS_STORAGE_CONF", str(_storage_conf(directory)))
        try:
            if why := _why_not(engine):
                pytest.skip(why)
            yield engine
        finally:
            engine.clear()


def _storage_conf(directory: Path) -> Path:
    path = directory / "storage.conf"
    driver = "overlay" if os.geteuid() == 0 else "vfs"
    path.write_text(f'[storage]\ndriver = "{driver}"\ngraphroot = "{directory}/root"\nrunroot = "{directory}/run"\n')
    return path


_reasons: dict[str, str] = {}


def _why_not(engine: PodmanEngine) -> str:
    """Why podman cannot be tested here, found out once; empty: it can."""
    if "podman" not in _reasons:
        _reasons["podman"] = _try(engine)
    return _reasons["podman"]


def _try(engine: PodmanEngine) -> str:
    if not shutil.which("podman"):
        return "podman is not installed: apt-get install podman runc netavark catatonit"
    if not busybox_image.busybox():
        return busybox_image.MISSING
    image = busybox_image.docker_archive(engine.directory / "busybox.tar")
    try:
        engine.podman("load", "--quiet", "--input", str(image))
        engine.podman("run", "--detach", "--pod=new:trial", busybox_image.NAME, "true")
        engine.podman("pod", "rm", "--force", "--time=0", "trial")
    except subprocess.CalledProcessError as error:
        return f"podman cannot run containers here: {' '.join(error.stderr.split())[:300]}"
    except subprocess.TimeoutExpired:
        return f"podman cannot run containers here: no answer in {LIMIT} s"
    return ""
