"""What a cloud has to be told of pods, because it is no concern of its own: how their manifests are read, and which
device is the twin of which pod."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, NamedTuple, Protocol

from device_models import Problem
from device_models.manifest import Manifest

__all__ = ["BY_CLOUD", "NO_PODS", "POD_DECLARED", "PodObject", "PodReader", "PodRules"]

POD_DECLARED, BY_CLOUD = "twinhub.io/pod-declared", "cloud"
"""The annotation by which an edge says of a pod's twin that the pod is declared in the cloud; without it, it is in
the edge's own folder."""


class PodObject(NamedTuple):
    """A Pod, ConfigMap or Secret without errors."""

    key: str
    manifest: Mapping[str, Any]
    """v1, with all values where Kubernetes keeps them."""
    needs: Mapping[str, bool] = {}
    """As in `StoredObject`."""


class PodReader(Protocol):
    """Reads one object, or those of one list."""

    def take(self, document: Manifest) -> bool:
        """Whether it is a kind of this reader."""

    def found(self) -> tuple[Iterable[PodObject], Sequence[Problem]]:
        """What was taken, and what is wrong with it; no word of a problem repeats a value of a Secret."""


class PodRules(NamedTuple):
    """Of those who run the pods."""

    reader: Callable[[], PodReader]
    twin_of: Callable[[str], str]
    """Pod → device, both `<namespace>/<name>`."""
    pod_of: Callable[[str], str | None]
    """Device → pod; None = it is no pod's twin."""


class _Nothing:
    def take(self, document: Manifest) -> bool:  # noqa: ARG002 - it is as good as any other
        return False

    def found(self) -> tuple[Iterable[PodObject], Sequence[Problem]]:
        return (), ()


NO_PODS = PodRules(_Nothing, lambda pod: pod, lambda _: None)
"""Of a cloud that takes devices and models only."""
