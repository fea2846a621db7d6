"""The pods a cloud knows of: those that are declared in it, and those whose twins edges declare."""

from __future__ import annotations

from typing import Literal, NamedTuple

from cloud_sync.conditions import twin_of_cloud
from cloud_sync.registry import Registry
from cloud_sync.stored import DEVICE, POD, StoredObject

__all__ = ["KnownPod", "known_pod", "known_pods"]


class KnownPod(NamedTuple):
    """One."""

    id: str
    """`<namespace>/<name>`."""
    pod: StoredObject | None
    """As it is declared in the cloud; None = it is not, or no longer."""
    twin: StoredObject | None
    """The device that shows it; None = no edge has declared one."""

    @property
    def node(self) -> str:
        one = self.pod or self.twin
        return one.node if one else ""

    @property
    def declared(self) -> Literal["cloud", "edge", "withdrawn"]:
        """Where it is declared; withdrawn = its node has not said yet that it is gone."""
        if self.pod is not None:
            return "cloud"
        return "withdrawn" if self.twin is not None and twin_of_cloud(self.twin) else "edge"


def known_pods(registry: Registry) -> list[KnownPod]:
    """All, by id."""
    ids = {pod.id for pod in registry.objects(POD)}
    ids |= {pod for device in registry.objects(DEVICE) if (pod := registry.rules.pod_of(device.id))}
    return [_known(registry, pod_id) for pod_id in sorted(ids)]


def known_pod(registry: Registry, pod_id: str) -> KnownPod | None:
    """The one of this id, if there is any."""
    found = _known(registry, pod_id)
    return found if found.pod or found.twin else None


def _known(registry: Registry, pod_id: str) -> KnownPod:
    return KnownPod(pod_id, registry.find(f"{POD}/{pod_id}"), registry.device(registry.rules.twin_of(pod_id)))
