"""What the pod of the demo runs on: podman with a storage of its own where that works, else processes of the machine.

Nothing is left of it at the end: no container, no process, no image.
"""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from typing import NamedTuple

from edged.choice import choose
from edged.podman.private import PrivatePodman, private_podman
from edged.runtime import RuntimeUnavailable

REMOVED_WITHIN = 10.0


class Engine(NamedTuple):
    runtime: str
    """As `pods: {runtime: …}` has it."""
    why: str


@contextmanager
def engine(scratch: Path, image: Callable[[Path], None]) -> Iterator[Engine]:
    """Ready to run the image that `image` writes into a file."""
    folder = scratch / "engine"
    folder.mkdir()
    with private_podman(folder) as podman:
        try:
            os.environ["CONTAINER_HOST"] = _serve(podman, image)  # where the hub finds it
        except RuntimeUnavailable as error:
            yield Engine("process", str(error))
        else:
            yield Engine("podman", "in a storage of the demo's own")


def _serve(podman: PrivatePodman, image: Callable[[Path], None]) -> str:
    """The address of its service, which has the image. RuntimeUnavailable: it cannot run it."""
    if not find_spec("aiohttp"):
        raise RuntimeUnavailable("`pip install 'twinhub[podman]'` is missing")
    archive = podman.directory / "image.tar"
    try:
        image(archive)
    except (OSError, subprocess.SubprocessError) as error:
        raise RuntimeUnavailable(f"an image cannot be made here: {error}") from None
    if why := podman.why_not(archive, network="host"):
        raise RuntimeUnavailable(why)
    archive.unlink()
    return asyncio.run(podman.serve())


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
