"""What a reconciler may do to the engine for one pod: each is done whole, then the engine is looked at again."""

from __future__ import annotations

from typing import NamedTuple

from edged.hooks import Ending
from edged.runtime import SandboxPlan
from edged.wanted import ContainerWish

__all__ = [
    "Action",
    "RemoveContainers",
    "RemoveSandboxes",
    "Run",
    "RunSandbox",
    "Stop",
    "StopOne",
    "StopSandbox",
    "key",
]


class RunSandbox(NamedTuple):
    plan: SandboxPlan
    instead: tuple[str, ...]
    """Dead ones, whose ports are given back before."""


class Run(NamedTuple):
    """Get the image, make the container, start it."""

    wish: ContainerWish
    sandbox: str
    restarts: int
    ending: str
    existing: str | None
    """It was made already and not started."""
    remove: tuple[str, ...]
    """Former ones that nobody looks at any more."""


class StopOne(NamedTuple):
    id: str
    name: str
    ending: Ending
    why: str
    """For the event."""


class Stop(NamedTuple):
    """All at the same time."""

    endings: tuple[StopOne, ...]


class StopSandbox(NamedTuple):
    id: str


class RemoveContainers(NamedTuple):
    ids: tuple[str, ...]


class RemoveSandboxes(NamedTuple):
    ids: tuple[str, ...]


Action = RunSandbox | Run | Stop | StopSandbox | RemoveContainers | RemoveSandboxes


def key(action: Action) -> str:
    """What its failures are remembered under."""
    return action.wish.container.name if isinstance(action, Run) else type(action).__name__
