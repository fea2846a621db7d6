"""The one module that knows the resource strings of the hub wire (KubeEdge's message catalogue)."""

from __future__ import annotations

from enum import StrEnum
from typing import NamedTuple

__all__ = [
    "DECLARED",
    "KEEPALIVE",
    "LOG",
    "MEMBERSHIP",
    "MEMBERSHIP_DETAIL",
    "TWIN",
    "Kind",
    "Resource",
    "of_device",
    "of_object",
    "parse",
]

KEEPALIVE = "node"
MEMBERSHIP = "membership"
MEMBERSHIP_DETAIL = "membership/detail"
TWIN = "twin"
"""What a cloud's confirmation of a report is about."""
DECLARED = "twinhub/declared"
"""Between twinhub ends, up: everything that is declared at the edge itself."""
LOG = "log"
"""Between twinhub ends, up on the stream: lines of the edge's log."""


class Kind(StrEnum):
    """What a resource is; each member's value is how it is spelled in its resource."""

    DEVICE = "device"
    MODEL = "devicemodel"
    POD = "pod"
    CONFIG_MAP = "configmap"
    SECRET = "secret"  # noqa: S105 - the spelling of a kind
    NODE = "node"
    EDGE_UPDATED = "twin/edge_updated"
    CLOUD_UPDATED = "twin/cloud_updated"
    STATE_UPDATE = "state/update"
    OTHER = ""


class Resource(NamedTuple):
    """A resource, taken apart."""

    kind: Kind
    namespace: str = ""
    name: str = ""

    @property
    def id(self) -> str:
        """`<namespace>/<name>`."""
        return f"{self.namespace}/{self.name}"


_OBJECTS = {kind.value: kind for kind in (Kind.DEVICE, Kind.MODEL, Kind.POD, Kind.CONFIG_MAP, Kind.SECRET, Kind.NODE)}
_REPORTS = {kind.value: kind for kind in (Kind.EDGE_UPDATED, Kind.CLOUD_UPDATED, Kind.STATE_UPDATE)}


def of_object(kind: Kind, namespace: str, name: str) -> str:
    """`<namespace>/device/<name>` and the like."""
    return f"{namespace}/{kind}/{name}"


def of_device(device_id: str, kind: Kind) -> str:
    """`device/<namespace>/<name>/twin/edge_updated` and the like."""
    return f"device/{device_id}/{kind}"


def parse(resource: str) -> Resource:
    """What a resource is about, where it names something; `OTHER` = it does not, or we do not know it.

    `node/<id>/` before it, which KubeEdge uses inside the cloud, is passed over. A device may be called `node` or
    `device`: it is told by position. A node's namespace is `null`, for it has none.
    """
    parts = resource.split("/")
    if len(parts) > 3 and parts[0] == "node":
        parts = parts[2:]
    if len(parts) == 5 and parts[0] == "device" and (report := _REPORTS.get(f"{parts[3]}/{parts[4]}")):
        return Resource(report, parts[1], parts[2])
    if len(parts) == 3 and (kind := _OBJECTS.get(parts[1])):
        return Resource(kind, parts[0], parts[2])
    return Resource(Kind.OTHER)
