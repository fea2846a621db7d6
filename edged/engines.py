"""The engines by their names in `twinhub.yaml`; only the one that is asked for is imported."""

from __future__ import annotations

from pathlib import Path

from edged.no_runtime import NoRuntime
from edged.runtime import Runtime

__all__ = ["NAMES", "engine"]

NAMES = ("podman", "cri", "process")


def engine(name: str, directory: Path) -> Runtime:
    """Not entered yet; one that says why there is none, for any other name. `directory`: edged's own."""
    match name:
        case "podman":
            from edged.podman import PodmanRuntime  # noqa: PLC0415 - only the chosen one is imported

            return PodmanRuntime(None, directory / "podman")
        case "cri":
            try:
                from edged.cri import CriRuntime  # noqa: PLC0415
            except ImportError:
                return NoRuntime("pods on containerd and CRI-O need one thing more: pip install 'twinhub[cri]'")
            return CriRuntime(directory / "cri")
        case "process":
            from edged.process.runtime import ProcessRuntime  # noqa: PLC0415

            return ProcessRuntime(directory / "process")
    return NoRuntime("twinhub.yaml says `pods: {runtime: none}`: this node runs no pods")
