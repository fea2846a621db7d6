"""An edged on a real engine, and pods from their manifests."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from runtime_contract import Engine, until

from edged.declared import DeclaredPods
from edged.edged import Edged
from edged.places import room_in
from edged.plan import NodeFacts
from edged.planner import NodePlanner
from edged.sources import Sources
from edged.status import PodStatus

NODE = "edge-1"


@asynccontextmanager
async def edged_on(engine: Engine, directory: Path, declared: DeclaredPods) -> AsyncIterator[Edged]:
    async with Edged(engine.runtime(), NODE, directory, lambda *_: None) as edged:
        apply(edged, directory, declared)
        yield edged


def apply(edged: Edged, directory: Path, declared: DeclaredPods) -> None:
    sources = Sources(declared.config_maps, declared.secrets)
    edged.apply(declared.pods, NodePlanner(sources, NodeFacts(NODE, "127.0.0.1"), room_in(directory)))


async def ready(edged: Edged, pod: str) -> PodStatus:
    """The pod's status, once all of its containers are ready."""

    async def seen() -> PodStatus | None:
        status = edged.status(pod)
        return status if status and status.phase == "Running" and len({*status.ready}) == 1 else None

    status = await until(seen, f"{pod} is ready, not {edged.status(pod)}", 60)
    assert isinstance(status, PodStatus)
    return status


async def waiting(edged: Edged, pod: str, *reasons: str) -> str:
    """The message of its first container, once it waits for one of these reasons."""

    async def seen() -> str:
        status = edged.status(pod)
        for one in status.container_statuses if status else ():
            if one.state.waiting and one.state.waiting.reason in reasons:
                return one.state.waiting.message or one.state.waiting.reason
        return ""

    return str(await until(seen, f"{pod} waits for one of {reasons}", 60))


async def trouble(edged: Edged, pod: str) -> str:
    """What the pod as a whole says, once it says that it cannot be made."""

    async def seen() -> str:
        status = edged.status(pod)
        return status.message if status and status.phase == "Pending" and status.reason else ""

    return str(await until(seen, f"{pod} is in trouble", 60))


async def gone(edged: Edged, engine: Engine, directory: Path) -> None:
    """Nothing is declared any more; returns when nothing is left."""
    apply(edged, directory, DeclaredPods())

    async def nothing() -> bool:
        async with engine.runtime() as runtime:
            return not (await runtime.found(NODE)).sandboxes

    await until(nothing, "nothing is left", 60)
