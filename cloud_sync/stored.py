"""What the registry hands out: objects, nodes, and what is to be said of them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, NamedTuple

__all__ = [
    "CONFIG_MAP",
    "DEVICE",
    "KINDS",
    "MODEL",
    "POD",
    "SECRET",
    "Applied",
    "Condition",
    "NodeEntry",
    "StoredObject",
    "model_of",
]

DEVICE, MODEL = "Device", "DeviceModel"
POD, CONFIG_MAP, SECRET = "Pod", "ConfigMap", "Secret"
KINDS = (MODEL, DEVICE, CONFIG_MAP, SECRET, POD)
"""All there are; what others need comes first."""


@dataclass(frozen=True, slots=True)
class StoredObject:
    """A device, a model, a pod, or what a pod takes values from, as it is declared now."""

    key: str
    """`<Kind>/<namespace>/<name>`; each edge may declare a model of the same key for itself."""
    kind: str
    namespace: str
    name: str
    uid: str
    version: int
    """Rises with every change; `resourceVersion` as a number."""
    node: str
    """The node it is for: `spec.nodeName`, or where it is declared; empty = none."""
    origin: str
    """The node in whose folder it is declared; empty = declared in the cloud."""
    object: Mapping[str, Any] = field(repr=False)
    """KubeEdge's v1beta1 or Kubernetes' v1, with uid, resourceVersion, generation and creationTimestamp; to be read
    only."""
    digest: str = ""
    """Of an object as its edge has sent it."""
    needs: Mapping[str, bool] = field(default_factory=dict)
    """Of a pod: key of each ConfigMap and Secret it names → whether it waits until there is one."""

    @property
    def id(self) -> str:
        """`<namespace>/<name>`."""
        return f"{self.namespace}/{self.name}"


def model_of(device: Mapping[str, Any]) -> str:
    """The key of the model that a Device object names."""
    metadata: Mapping[str, Any] = device["metadata"]
    return f"{MODEL}/{metadata.get('namespace', 'default')}/{device['spec']['deviceModelRef']['name']}"


@dataclass(frozen=True, slots=True)
class NodeEntry:
    """An edge that has enrolled. Times are Unix milliseconds, 0 = never."""

    name: str
    added: int = 0
    """When it enrolled last."""
    info: Mapping[str, Any] = field(default_factory=dict)
    revoked_at: int = 0
    serials: frozenset[str] = frozenset()
    """Certificates that were revoked one by one."""
    connected: bool = False
    plain: bool = False
    """It speaks KubeEdge's wire."""
    address: str = ""
    since: int = 0
    """When it connected, or left."""

    @property
    def revoked(self) -> bool:
        """Whether it was revoked and has not enrolled again since."""
        return self.revoked_at > 0 and self.revoked_at >= self.added


class Condition(NamedTuple):
    """Something that keeps an object from being of use, and what to do about it."""

    type: Literal["NodeUnknown", "NodeRevoked", "ModelMissing", "SourceMissing", "Invalid", "DeclaredTwice"]
    message: str
    advice: str = ""


class Applied(NamedTuple):
    """What became of one object."""

    key: str
    """`<Kind>/<namespace>/<name>`, as far as it can be told."""
    outcome: Literal["created", "configured", "unchanged", "refused"]
    message: str = ""
    """Why it was refused, or what keeps it from being of use so far."""
    wishes: Mapping[str, str] = {}
    """Desired values that are new or edited, and still to be imposed."""
    moved_from: str | None = None
    """The node the device leaves."""
