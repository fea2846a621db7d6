"""Which container engine runs the pods of this node."""

from __future__ import annotations

import logging
import shutil
import subprocess
from importlib.util import find_spec
from pathlib import Path
from typing import Literal

from edged.engines import NAMES, engine
from edged.former_engines import note, unnote
from edged.runtime import Runtime

__all__ = ["RuntimeName", "choose"]

logger = logging.getLogger("edged")

RuntimeName = Literal["auto", "podman", "cri", "process", "none"]
PATIENCE = 30.0
"""Seconds for podman to say what it is."""
_REMEMBERED = "runtime"
"""The file in edged's directory with the name of the engine that was used last."""


def choose(wanted: RuntimeName, directory: Path) -> Runtime:
    """The engine, not entered yet. `directory`: edged's own; it remembers the choice, because what one engine runs
    another one does not see: `auto` stays with the one that was used before, and what runs on one that was is ended
    there (`former_engines`)."""
    before = _last(directory)
    name = wanted if wanted != "auto" else before or ("podman" if _podman_works() else "process")
    if before and before != name != "none":
        logger.info("pods run on %s from now on, and not on %s any more", name, before)
    elif before and before != name:
        logger.warning("pods are not looked after any more; what still runs on %s goes on", before)
    elif wanted == "auto" and not before:
        logger.info("pods run on %s; `pods: {runtime: ...}` in twinhub.yaml chooses another engine", name)
    if name != "none":
        directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        if before and before != name:
            note(directory, before)
        (directory / _REMEMBERED).write_text(f"{name}\n")
        unnote(directory, name)
    return engine(name, directory)


def _last(directory: Path) -> str:
    try:
        name = (directory / _REMEMBERED).read_text().strip()
    except (OSError, UnicodeDecodeError):
        return ""
    return name if name in NAMES else ""


def _podman_works() -> bool:
    podman = shutil.which("podman")
    if podman is None:
        return False
    if find_spec("aiohttp") is None:
        logger.warning("podman is here, but not what speaks to it: `pip install twinhub[podman]` brings it")
        return False
    try:
        done = subprocess.run([podman, "info"], capture_output=True, text=True, timeout=PATIENCE, check=False)
    except (OSError, subprocess.TimeoutExpired) as error:
        logger.warning("podman is here, but does not work: %s", error)
        return False
    if done.returncode:
        logger.warning("podman is here, but does not work: %.300s", done.stderr.strip())
    return done.returncode == 0
