"""What the pod of the demo runs on: podman with a storage of its own where that works, else processes of the machine.

Nothing is left of it at the end: no container, no process, no image.
"""

from __future__ import annotations

import asyncio
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from importlib.util import find_spec
from pathlib import Path
from typing import NamedTuple

from edged.choice import choose
from edged.podman.settings import service_environment
from edged.runtime import RuntimeUnavailable

LIMIT = 30.0
"""Seconds for a command of podman's."""
REMOVED_WITHIN = ENDED_WITHIN = 10.0


class Engine(NamedTuple):
    runtime: str
    """As `pods: {runtime: …}` has it."""
    why: str


@contextmanager
def engine(scratch: Path, image: Callable[[Path], None]) -> Iterator[Engine]:
    """Ready to run the image that `image` writes into a file."""
    folder = scratch / "engine"
    folder.mkdir()
    podman = Podman(folder)
    try:
        if why := podman.why_not(image):
            yield Engine("process", why)
        else:
            with podman.service() as address:
                os.environ["CONTAINER_HOST"] = address  # where the hub finds it
                yield Engine("podman", "in a storage of the demo's own")
    finally:
        podman.clear()


def remove_pods(directory: Path, node: str) -> None:
    """All that a hub has left running on this node when it ended; `directory` is its edged's."""

    async def remove() -> None:
        async with asyncio.timeout(REMOVED_WITHIN), choose("auto", directory) as runtime:
            for sandbox in (await runtime.found(node)).sandboxes:
                await runtime.remove_sandbox(sandbox.id)

    try:
        if directory.exists():
            asyncio.run(remove())
    except (RuntimeUnavailable, TimeoutError) as error:
        print(f"the pod of the demo could not be removed: {error}", file=sys.stderr)


class Podman:
    """podman, with all that it keeps in one folder."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        settings = folder / "storage.conf"
        driver = "overlay" if os.geteuid() == 0 else "vfs"
        settings.write_text(
            f'[storage]\ndriver = "{driver}"\ngraphroot = "{folder}/root"\nrunroot = "{folder}/run"\n'
        )
        self._environment = {**service_environment(folder), "CONTAINERS_STORAGE_CONF": str(settings)}
        self._used = False

    def why_not(self, image: Callable[[Path], None]) -> str:
        """Why it cannot run this image; empty: it can, and has it."""
        if not shutil.which("podman"):
            return "podman is not installed"
        if not find_spec("aiohttp"):
            return "podman is here, but not `pip install 'twinhub[podman]'`"
        archive = self._folder / "image.tar"
        try:
            image(archive)
            self._used = True
            name = self._call("load", "--quiet", "--input", str(archive)).split()[-1]
            self._call("rm", "--force", self._call("run", "--detach", "--network=host", name).strip(), "--time=0")
        except subprocess.CalledProcessError as error:
            return f"podman cannot run containers here: {' '.join(str(error.stderr).split())[-160:]}"
        except (OSError, subprocess.SubprocessError) as error:
            return f"podman cannot be used here: {error}"
        finally:
            archive.unlink(missing_ok=True)
        return ""

    @contextmanager
    def service(self) -> Iterator[str]:
        """It listens at this address."""
        address = f"unix://{self._folder}/podman.sock"
        command = ("podman", "--log-level=error", "system", "service", "--time=0", address)
        with (
            (self._folder / "service.log").open("wb") as log,
            subprocess.Popen(
                command, env=self._environment, stdout=log, stderr=log, start_new_session=True
            ) as started,
        ):
            try:
                yield address
            finally:
                started.terminate()
                try:
                    started.wait(ENDED_WITHIN)
                except subprocess.TimeoutExpired:
                    started.kill()

    def clear(self) -> None:
        """Nothing is left of it."""
        if self._used:
            with suppress(subprocess.SubprocessError):
                self._call("rm", "--all", "--force", "--time=0")
            mounts = [line.split()[1] for line in Path("/proc/self/mounts").read_text().splitlines()]
            for mount in reversed([one for one in mounts if one.startswith(f"{self._folder}/")]):
                subprocess.run(["umount", "--lazy", mount], check=False, timeout=LIMIT)
        shutil.rmtree(self._folder, ignore_errors=True)

    def _call(self, *words: str) -> str:
        command = ("podman", *words)
        done = subprocess.run(
            command, env=self._environment, check=True, capture_output=True, text=True, timeout=LIMIT
        )
        return done.stdout
