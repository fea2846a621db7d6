"""Which container engine runs the pods of this node."""

from __future__ import annotations

import logging
import shutil
from importlib.util import find_spec
from pathlib import Path
from typing import Literal

from edged.no_runtime import NoRuntime
from edged.runtime import Runtime

__all__ = ["RuntimeName", "choose"]

logger = logging.getLogger("edged")

RuntimeName = Literal["auto", "podman", "cri", "process", "none"]
_REMEMBERED = "runtime"
"""The file in edged's directory with the name of the engine that was used last."""


def choose(wanted: RuntimeName, directory: Path) -> Runtime:
    """The engine, not entered yet. `directory`: edged's own; it remembers the choice, because what one engine runs
    another one does not see: `auto` stays with the one that was used before."""
    before = _last(directory)
    name = wanted if wanted != "auto" else before or ("podman" if _has_podman() else "process")
    if before and before != name:
        logger.warning("pods run on %s from now on; what still runs on %s is not looked after any more", name, before)
    elif wanted == "auto" and not before:
        logger.info("pods run on %s; `pods: {runtime: ...}` in twinhub.yaml chooses another engine", name)
    if name != "none":
        directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        (directory / _REMEMBERED).write_text(f"{name}\n")
    return _runtime(name, directory)


def _last(directory: Path) -> str:
    try:
        name = (directory / _REMEMBERED).read_text().strip()
    except (OSError, UnicodeDecodeError):
        return ""
    return name if name in ("podman", "cri", "process") else ""


def _has_podman() -> bool:
    return shutil.which("podman") is not None and find_spec("aiohttp") is not None


def _runtime(name: str, directory: Path) -> Runtime:
    match name:
        case "podman":
            from edged.podman import PodmanRuntime  # noqa: PLC0415 - only the chosen one is imported

            return PodmanRuntime(None, directory / "podman")
        case "cri":
            from edged.cri import CriRuntime  # noqa: PLC0415

            return CriRuntime(directory / "cri")
        case "process":
            from edged.process.runtime import ProcessRuntime  # noqa: PLC0415

            return ProcessRuntime(directory / "process")
    return NoRuntime("twinhub.yaml says `pods: {runtime: none}`: this node runs no pods")
