"""Images from files. The Container Runtime Interface has no call for it: containerd's own program `ctr` does it."""

from __future__ import annotations

import asyncio
import json
import shutil
import tarfile
from asyncio.subprocess import DEVNULL, PIPE, STDOUT
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from edged.runtime import RuntimeRefused

__all__ = ["import_archive", "names_in"]

IMPORT_TIMEOUT = 1800.0
"""Seconds; large images and slow disks."""
MOST_INDEX = 4 * 1024 * 1024
"""Bytes."""
NAMESPACE = "k8s.io"
"""containerd's, of all that has to do with the Container Runtime Interface."""
_NAMES = ("io.containerd.image.name", "org.opencontainers.image.ref.name")
"""Annotations, the first that is there counts."""


def names_in(archive: str) -> tuple[str, ...]:
    """The names of the images in a docker or OCI archive. RuntimeRefused: it is none, or they have no names."""
    try:
        with tarfile.open(archive) as tar:
            found = tuple(dict.fromkeys(name for name in _names(tar) if isinstance(name, str) and name))
    except (OSError, tarfile.TarError, EOFError) as error:
        raise RuntimeRefused("", f"{archive} is no archive of images: {error}") from None
    except (ValueError, TypeError, LookupError, AttributeError, RecursionError):
        raise RuntimeRefused("", f"{archive} is no archive of images: its index cannot be read") from None
    if not found:
        raise RuntimeRefused("", f"{archive} has no image with a name: save it as `docker save NAME:TAG` does")
    return found


def _names(tar: tarfile.TarFile) -> Iterator[object]:
    members = {member.name.removeprefix("./"): member for member in tar}
    if "manifest.json" in members:
        for one in _json(tar, members["manifest.json"]):
            yield from one.get("RepoTags") or ()
    elif "index.json" in members:
        for one in _json(tar, members["index.json"])["manifests"]:
            notes = one.get("annotations") or {}
            yield from [notes[key] for key in _NAMES if notes.get(key)][:1]


def _json(tar: tarfile.TarFile, member: tarfile.TarInfo) -> Any:
    file = tar.extractfile(member)
    if file is None or member.size > MOST_INDEX:
        raise ValueError
    return json.loads(file.read())


async def import_archive(archive: str, socket: Path) -> None:
    """Into the containerd that listens at `socket`. RuntimeRefused: there is no `ctr`, or it will not."""
    ctr = shutil.which("ctr")
    if ctr is None:
        raise RuntimeRefused("", "containerd takes images from files by its program ctr, which is not installed")
    words = ("--address", str(socket), "--namespace", NAMESPACE, "images", "import", archive)
    process = await asyncio.create_subprocess_exec(ctr, *words, stdin=DEVNULL, stdout=PIPE, stderr=STDOUT)
    try:
        async with asyncio.timeout(IMPORT_TIMEOUT):
            output, _ = await process.communicate()
    except TimeoutError:
        raise RuntimeRefused("", f"{archive} was not loaded within {IMPORT_TIMEOUT:.0f} s") from None
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    if process.returncode:
        raise RuntimeRefused("", f"{archive} cannot be loaded: {_last_line(output)}")


def _last_line(output: bytes) -> str:
    lines = output.decode(errors="replace").strip().splitlines()
    return lines[-1].removeprefix("ctr: ")[:500] if lines else "ctr does not say why"
