"""The rows of the message catalogue: one function each, so that both ends write them alike."""

from __future__ import annotations

import uuid
from collections.abc import Mapping, Sequence
from typing import Any

import msgspec
from msgspec import Raw

from link.acknowledgement import OK
from link.contents import LogLine
from link.message import Message, new_message
from link.resources import (
    DECLARED,
    KEEPALIVE,
    LOG,
    MEMBERSHIP,
    MEMBERSHIP_DETAIL,
    TWIN,
    Kind,
    of_device,
    of_object,
)
from twin.documents import DeviceState, MembershipUpdate, StateResult

__all__ = [
    "confirm",
    "declaration",
    "declared",
    "declared_object",
    "edge_updated",
    "keepalive",
    "log_lines",
    "membership",
    "membership_detail",
    "state_update",
    "wishes",
]


def keepalive() -> Message:
    """Up, at once after connecting and then every 15 s."""
    return new_message("websocket", "resource", "keepalive", KEEPALIVE, "ping")


def membership_detail(node: str, now: int) -> Message:
    """Up, once after connecting: which devices are mine?"""
    asked = {
        "event_type": "group_membership_event",
        "event_id": str(uuid.uuid4()),
        "group_id": node,
        "operation": "detail",
        "timestamp": now,
    }
    return new_message("twin", "resource", "get", MEMBERSHIP_DETAIL, _text(asked), now=now)


def edge_updated(device_id: str, twin: str, now: int, msg_id: str = "") -> Message:
    """Up: what changed at the edge. `twin`: JSON object of property → MsgTwin with versions; never a null."""
    body = f'{{"event_id":"{uuid.uuid4()}","timestamp":{now},"twin":{twin}}}'
    return new_message(
        "twin",
        "resource",
        "update",
        of_device(device_id, Kind.EDGE_UPDATED),
        Raw(body.encode()),
        msg_id=msg_id,
        now=now,
    )


def state_update(device_id: str, state: DeviceState, now: int, msg_id: str = "") -> Message:
    """Up: what a device says of itself, as JSON in a text."""
    said = _text(StateResult(str(uuid.uuid4()), now, state))
    return new_message(
        "twin", "resource", "update", of_device(device_id, Kind.STATE_UPDATE), said, msg_id=msg_id, now=now
    )


def confirm(report: Message) -> Message:
    """Down: a report is safe in the cloud."""
    return new_message("devicecontroller", "twin", "response", TWIN, OK, parent=report.header.msg_id)


def membership(update: MembershipUpdate) -> Message:
    """Down: devices that join or leave the node; not acknowledged, so always just before what is."""
    return new_message("devicecontroller", "twin", "update", MEMBERSHIP, update, now=update.timestamp)


def declared_object(kind: Kind, operation: str, namespace: str, name: str, content: Mapping[str, Any]) -> Message:
    """Down: an object that is declared in the cloud, `insert`, `update` or `delete`, whole; its version is the
    object's own. KubeEdge has one controller for devices and one for what Kubernetes knows itself."""
    version = str(content.get("metadata", {}).get("resourceVersion", ""))
    source = "devicecontroller" if kind in (Kind.DEVICE, Kind.MODEL) else "edgecontroller"
    return new_message(source, "resource", operation, of_object(kind, namespace, name), content, version=version)


def wishes(device_id: str, twin: str, now: int) -> Message:
    """Down, between twinhub ends: desired values decided in the cloud, with their version vectors. `twin`: JSON
    object of property → MsgTwin. Acknowledged there, although KubeEdge's own ends would not."""
    body = f'{{"event_id":"{uuid.uuid4()}","timestamp":{now},"twin":{twin}}}'
    return new_message(
        "devicecontroller", "twin", "update", of_device(device_id, Kind.CLOUD_UPDATED), Raw(body.encode()), now=now
    )


def declared(keys: Sequence[str]) -> Message:
    """Up, between twinhub ends: everything that is declared at the edge itself, as `Kind/namespace/name`; what it
    does not name is declared there no longer. A `declaration` of each follows."""
    return new_message("twinhub", "resource", "update", DECLARED, keys)


def declaration(kind: Kind, namespace: str, name: str, manifest: Mapping[str, Any]) -> Message:
    """Up, between twinhub ends: a Device or DeviceModel that is declared at the edge, as v1beta1."""
    return new_message("twinhub", "resource", "insert", of_object(kind, namespace, name), manifest)


def log_lines(lines: Sequence[LogLine]) -> Message:
    """Up, between twinhub ends, on the stream: lines of the edge's log, oldest first."""
    return new_message("edgestream", "stream", "upload", LOG, lines)


def _text(content: object) -> str:
    return msgspec.json.encode(content).decode()
