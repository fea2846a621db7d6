"""The JSON forms of the operators' interface, shared by the cloud that answers and the command line that asks.

Times are Unix milliseconds, 0 = never or not said; ages are seconds. Lists come in pages: `next` is what to give as
`after` for the page that follows, empty on the last.
"""

from __future__ import annotations

from typing import Any

from msgspec import Struct

from link.contents import LogLine
from twin.documents import MsgTwin

__all__ = [
    "Applied",
    "Condition",
    "Device",
    "Devices",
    "Failure",
    "Link",
    "LogLines",
    "LostWish",
    "Node",
    "Nodes",
    "Objects",
    "Outcomes",
    "Pod",
    "Pods",
    "Reading",
    "Readings",
    "Source",
    "Sources",
    "Token",
    "TokenRequest",
    "Twin",
    "Twins",
    "Wishes",
]


class Failure(Struct, frozen=True):
    """Why a request was not carried out, and what to do: the body of every answer from 400 up."""

    message: str
    advice: str = ""


class Condition(Struct, frozen=True):
    """Something that keeps an object from being of use, and what to do about it."""

    type: str
    message: str
    advice: str = ""


class Link(Struct, frozen=True):
    """One connection of a node."""

    channel: str
    since: int
    plain: bool
    address: str
    sent: int
    acked: int
    refused: int
    queue: int
    """Messages that wait to be acknowledged by the edge."""
    oldest: float
    """Age of the oldest of them, in seconds."""


class Node(Struct, frozen=True):
    """An edge that may join, or has."""

    name: str
    state: str
    """connected, away, never (it has not connected yet) or revoked."""
    since: int
    """When it connected, or left."""
    address: str
    plain: bool
    """It speaks KubeEdge's wire."""
    devices: int
    certificate_end: int
    """When its newest certificate expires."""
    links: list[Link] = []


class Nodes(Struct, frozen=True):
    nodes: list[Node]
    next: str = ""


class Device(Struct, frozen=True):
    """A declared device."""

    id: str
    node: str
    origin: str
    """The node in whose folder it is declared; empty = declared in the cloud."""
    model: str
    state: str
    """What the device says of itself; empty = nothing yet."""
    received: int
    """When the cloud heard of it last."""
    conditions: list[Condition] = []


class Devices(Struct, frozen=True):
    devices: list[Device]
    next: str = ""


class Pod(Struct, frozen=True):
    """A pod that is declared, or runs."""

    id: str
    node: str
    declared: str
    """cloud, edge (in the folder of its node) or withdrawn (its node has not said yet that it is gone)."""
    confirmed: bool
    """Its node knows it as it is declared now; false = the declaration waits for the node."""
    values: dict[str, str]
    """What its twin reported, by property; none = its node has said nothing of it."""
    received: int
    """When the cloud heard of it last."""
    conditions: list[Condition] = []


class Pods(Struct, frozen=True):
    pods: list[Pod]
    next: str = ""


class Source(Struct, frozen=True):
    """A declared ConfigMap or Secret, without what it holds."""

    id: str
    keys: int
    """How many values it holds."""
    pods: list[str]
    """Ids of the declared pods that name it."""
    nodes: list[str]
    """Theirs."""


class Sources(Struct, frozen=True):
    sources: list[Source]
    next: str = ""


class LostWish(Struct, frozen=True):
    """A desired value set in the cloud that gave way to one set at the edge at the same time."""

    property: str
    wanted: str
    kept: str
    at: int


class Twin(Struct, frozen=True):
    """What a device reported, what is desired of it, and which of that the edge has not confirmed yet."""

    device: str
    node: str
    twin: dict[str, MsgTwin]
    received: int
    unmet: list[str] = []
    lost: list[LostWish] = []
    """Newest first, at most ten; only in the answer about one device."""
    conditions: list[Condition] = []


class Twins(Struct, frozen=True):
    twins: list[Twin]
    next: str = ""


class Reading(Struct, frozen=True):
    """One value that was reported."""

    time: int
    source_time: int
    quality: str
    value: str | None
    reason: str = ""


class Readings(Struct, frozen=True):
    """By time. Where there are more, `next` and `skip` say where to go on: `next` as `since`."""

    readings: list[Reading]
    next: int = 0
    skip: int = 0
    """Those of that moment that were in this page."""


class Objects(Struct, frozen=True, forbid_unknown_fields=True):
    """To be declared: devices and models (KubeEdge v1beta1), pods, ConfigMaps and Secrets (v1), Deployments of one
    replica (apps/v1)."""

    objects: list[dict[str, Any]]


class Applied(Struct, frozen=True):
    """What became of one object."""

    key: str
    """`<Kind>/<namespace>/<name>`."""
    outcome: str
    """created, configured, unchanged or refused."""
    message: str = ""
    conditions: list[Condition] = []


class Outcomes(Struct, frozen=True):
    applied: list[Applied]


class Wishes(Struct, frozen=True, forbid_unknown_fields=True):
    """Desired values, as text."""

    values: dict[str, str]


class TokenRequest(Struct, frozen=True, forbid_unknown_fields=True):
    """A token with which one node may join."""

    node: str
    minutes: float | None = None
    """None = as the cloud's settings have it."""


class Token(Struct, frozen=True):
    node: str
    token: str
    expires: int


class LogLines(Struct, frozen=True):
    """The newest lines of an edge's log, oldest first."""

    lines: list[LogLine]
