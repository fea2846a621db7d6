"""Plans pods of one declaration on one node, and looks after their files."""

from __future__ import annotations

import asyncio
from collections.abc import Collection

from edged.places import Room
from edged.plan import NodeFacts, plan
from edged.pod import Pod
from edged.runtime import LABEL
from edged.sources import Sources
from edged.volumes import Volumes
from edged.wanted import BoundDevice, PodPlan

__all__ = ["NodePlanner"]


class NodePlanner:
    """With these ConfigMaps and Secrets; after an edit, another one takes over."""

    def __init__(self, sources: Sources, node: NodeFacts, room: Room) -> None:
        self._sources = sources
        self._node = node
        self._room = room
        self._volumes = Volumes(room)

    def plan(self, pod: Pod, device: BoundDevice | None) -> PodPlan:
        """CannotPlan: something it refers to is not there."""
        return plan(pod, self._sources, self._node, device, self._room)

    async def prepare(self, wanted: PodPlan) -> None:
        """Bring about the files of its volumes, or bring them up to date. CannotPlan: it cannot, FailedMount."""
        uid = wanted.sandbox.labels[LABEL.uid]
        await asyncio.to_thread(self._volumes.prepare, wanted.pod, uid, self._sources)

    async def forget(self, pod_id: str) -> None:
        """Remove all files of a pod that is gone."""
        await asyncio.to_thread(self._volumes.forget, pod_id)

    def left(self) -> Collection[str]:
        """The ids of all pods that have files, those of former runs too."""
        return self._volumes.left()
