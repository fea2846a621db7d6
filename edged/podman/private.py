"""podman with all that it keeps in one directory, for what comes and goes with it: a demonstration, a measurement, a
test. Nothing of it is left at the end: no container, no process, no image."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from edged.podman.processes import listener
from edged.podman.service import Service
from edged.podman.settings import service_environment

__all__ = ["PrivatePodman", "private_podman"]

LIMIT = 60.0
"""Seconds for a command of podman's."""
_STORAGE = "CONTAINERS_STORAGE_CONF"


class PrivatePodman:
    """What `private_podman` gives."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.socket = directory / "podman.sock"

    def call(self, *words: str) -> str:
        """What the command line says, on the same storage. subprocess.SubprocessError, OSError."""
        done = subprocess.run(
            ["podman", *words],
            env=service_environment(self.directory),
            cwd=self.directory,
            check=True,
            capture_output=True,
            text=True,
            timeout=LIMIT,
        )
        return done.stdout

    def why_not(self, archive: Path, network: str = "bridge") -> str:
        """Why it cannot run the image in this archive in a pod with this network; empty: it can, and has it."""
        if not shutil.which("podman"):
            return "podman is not installed: apt-get install podman runc netavark catatonit"
        try:
            image = self.call("load", "--quiet", "--input", str(archive)).split()[-1]
            self.call("pod", "create", "--name=trial", f"--network={network}")
            self.call("run", "--detach", "--pod=trial", image)
            self.call("pod", "rm", "--force", "--time=0", "trial")
        except subprocess.CalledProcessError as error:
            return f"podman cannot run containers here: {' '.join(error.stderr.split())[-300:]}"
        except subprocess.TimeoutExpired:
            return f"podman cannot run containers here: no answer in {LIMIT:g} s"
        return ""

    async def serve(self) -> str:
        """Its address, once the service listens: for $CONTAINER_HOST. RuntimeUnavailable: it does not."""
        await Service(self.directory).ensure()
        return f"unix://{self.socket}"

    def service(self) -> int:
        """The process that listens at its socket; 0: nobody does."""
        return listener(self.socket)

    def clear(self) -> None:
        """All that was made, and the service."""
        for words in (("pod", "rm", "--all", "--force", "--time=0"), ("rm", "--all", "--force", "--time=0")):
            with suppress(OSError, subprocess.SubprocessError):
                self.call(*words)
        if pid := self.service():
            os.kill(pid, signal.SIGKILL)
        mounts = [line.split()[1] for line in Path("/proc/self/mounts").read_text().splitlines()]
        for mount in reversed([one for one in mounts if one.startswith(f"{self.directory}/")]):
            subprocess.run(["umount", "--lazy", mount], check=False, timeout=LIMIT)
        shutil.rmtree(self.directory, ignore_errors=True)


@contextmanager
def private_podman(directory: Path) -> Iterator[PrivatePodman]:
    """In this directory, which is there and is removed at the end. Meanwhile it is the podman of this process and of
    those that it starts; where a service listens already, only by `serve`."""
    podman, before = PrivatePodman(directory), os.environ.get(_STORAGE)
    os.environ[_STORAGE] = str(_storage(directory))
    try:
        yield podman
    finally:
        podman.clear()
        del os.environ[_STORAGE]
        if before is not None:
            os.environ[_STORAGE] = before


def _storage(directory: Path) -> Path:
    path = directory / "storage.conf"
    driver = "overlay" if os.geteuid() == 0 else "vfs"
    path.write_text(f'[storage]\ndriver = "{driver}"\ngraphroot = "{directory}/root"\nrunroot = "{directory}/run"\n')
    return path
