"""What libpod's lists say, as edged's sandboxes, containers and images. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any

from edged.runtime import ContainerState, FoundContainer, FoundSandbox, Image

__all__ = ["Listed", "container", "image", "infra_runs", "lost", "sandbox"]

Listed = Mapping[str, Any]
"""One entry of a list."""
UNKNOWN = 255
"""Exit code of a container of which podman does not know how it ended."""
_STATES: Mapping[str, ContainerState] = {
    "created": "created",
    "configured": "created",
    "initialized": "created",
    "running": "running",
    "stopping": "running",
    "paused": "running",
    "exited": "exited",
    "stopped": "exited",
}


def container(entry: Listed, oom_killed: bool) -> FoundContainer:
    """From `containers/json`."""
    state = _STATES.get(entry["State"], "unknown")
    ended = state == "exited"
    code = int(entry["ExitCode"]) if ended else None
    return FoundContainer(
        id=entry["Id"],
        sandbox=entry["Pod"],
        labels=entry["Labels"] or {},
        state=state,
        image_id=entry["ImageID"],
        created=_time(entry["Created"]),
        started=max(0.0, float(entry["StartedAt"])),
        finished=max(0.0, float(entry["ExitedAt"])) if ended else 0.0,
        exit_code=code,
        reason=_reason(code, oom_killed),
    )


def _reason(code: int | None, oom_killed: bool) -> str:
    if code is None:
        return ""
    if oom_killed:
        return "OOMKilled"
    return "Completed" if code == 0 else "Error"


def lost(entry: Listed, ended: int) -> Listed:
    """The same container, of which nobody knows how it ended."""
    return {**entry, "State": "exited", "ExitCode": UNKNOWN, "ExitedAt": ended}


def sandbox(entry: Listed, address: str, ready: bool) -> FoundSandbox:
    """From `pods/json`."""
    return FoundSandbox(
        id=entry["Id"],
        labels=entry["Labels"] or {},
        ready=ready,
        address=address,
        created=_time(entry["Created"]),
    )


def infra_runs(entry: Listed) -> bool:
    """The container that holds what the pod's others share."""
    infra = entry["InfraId"]
    return any(one["Id"] == infra and one["Status"] == "running" for one in entry["Containers"] or ())


def image(entry: Listed) -> Image:
    """From `images/json`."""
    return Image(entry["Id"], tuple(_names(entry.get("Names"), entry.get("RepoDigests"))), int(entry["Size"]))


def _names(*lists: Sequence[str] | None) -> Iterable[str]:
    return dict.fromkeys(name for names in lists for name in names or ())


def _time(text: str) -> float:
    """Unix seconds of RFC 3339 with up to nine digits after the point."""
    return datetime.fromisoformat(text).timestamp()
