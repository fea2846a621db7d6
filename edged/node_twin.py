"""The node as a twin: the device that stands for it, and what is read of it. Pure."""

from __future__ import annotations

from collections.abc import Mapping

import msgspec

from device_models import DataType, Device, Property
from edged.node_status import ConditionType, NodeCondition, NodeStatus

__all__ = ["PREFIX", "PROTOCOL", "device_of", "readings", "state", "twin_id"]

PREFIX = "node."
"""Names of devices that begin with it are those of nodes."""
PROTOCOL = "node"

_READ = {
    "ready": (DataType.BOOLEAN, "pods can run here"),
    "link": (DataType.STRING, "it has its cloud: True, False, or Unknown where it has joined none"),
    "memory-pressure": (DataType.BOOLEAN, "memory is short"),
    "disk-pressure": (DataType.BOOLEAN, "room for files is short"),
    "pid-pressure": (DataType.BOOLEAN, "room for processes is short"),
    "address": (DataType.STRING, "its IP address"),
    "cpu": (DataType.INT, "cores"),
    "memory": (DataType.STRING, "all there is, as Kubernetes writes it"),
}
_TEXTS = {
    "runtime": (DataType.STRING, "what runs pods here"),
    "capacity": (DataType.STRING, "JSON as in Kubernetes"),
    "allocatable": (DataType.STRING, "JSON as in Kubernetes"),
    "conditions": (DataType.STRING, "JSON as in Kubernetes"),
    "addresses": (DataType.STRING, "JSON as in Kubernetes"),
    "versions": (DataType.STRING, "of twinhub, Python, kernel, system and container engine, JSON"),
}
"""Beyond what a value may be under KubeEdge's rules."""
_PRESSURES: Mapping[str, ConditionType] = {
    "memory-pressure": "MemoryPressure",
    "disk-pressure": "DiskPressure",
    "pid-pressure": "PIDPressure",
}


def twin_id(node: str) -> str:
    """The device id of a node's twin."""
    return f"default/{PREFIX}{node.lower()}"


def device_of(node: str, *, strict: bool = False) -> Device:
    """The device whose twin shows the node. `strict`: with values by KubeEdge's rules alone."""
    read = _READ if strict else _READ | _TEXTS
    namespace, name = twin_id(node).split("/")
    properties = tuple(Property(name, type_, description=text) for name, (type_, text) in read.items())
    return Device(namespace, name, "node", PROTOCOL, properties=properties, node=node, description=f"node {node}")


def state(status: NodeStatus) -> str:
    """The device's state, in KubeEdge's words."""
    return "unhealthy" if _conditions(status)["Ready"].status == "False" else "online"


def readings(status: NodeStatus, *, strict: bool = False) -> dict[str, str]:
    """Property → value as text."""
    conditions = _conditions(status)
    address = next((one.address for one in status.addresses if one.type == "InternalIP"), "")
    found = {
        "ready": _word(status.ready),
        "link": conditions["CloudLink"].status,
        **{name: _word(conditions[type_].status == "True") for name, type_ in _PRESSURES.items()},
        "address": address,
        "cpu": status.capacity["cpu"],
        "memory": status.capacity["memory"],
    }
    if not strict:
        found |= {
            "runtime": conditions["Ready"].message,
            "capacity": _json(status.capacity),
            "allocatable": _json(status.allocatable),
            "conditions": _json(status.conditions),
            "addresses": _json(status.addresses),
            "versions": _json(status.node_info),
        }
    return found


def _conditions(status: NodeStatus) -> dict[ConditionType, NodeCondition]:
    return {one.type: one for one in status.conditions}


def _word(truth: bool) -> str:
    return "true" if truth else "false"


def _json(thing: object) -> str:
    return msgspec.json.encode(thing).decode()
