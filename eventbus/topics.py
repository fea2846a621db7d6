"""The one module that knows topic strings.

KubeEdge's device topics (`$hw/events/device/<namespace>/<name>/...`), their older one-level form
(`$hw/events/device/<name>/...`, namespace `default`), the node topics, and our own under `twinhub/`.
Topics are split by position, so a namespace called `dev` or a node called `node` is as good as any other.
"""

from __future__ import annotations

from enum import StrEnum
from typing import NamedTuple

DEVICE = "$hw/events/device/"
NODE = "$hw/events/node/"

TWIN_UPDATE = "twin/update"
TWIN_RESULT = "twin/update/result"
TWIN_DOCUMENT = "twin/update/document"
TWIN_DELTA = "twin/update/delta"
TWIN_DESIRED = "twin/desired"
"""Ours: an update that can only wish, so that a broker can tell who wishes from who reports."""
TWIN_GET = "twin/get"
TWIN_GET_RESULT = "twin/get/result"
TWIN_CLOUD_UPDATED = "twin/cloud_updated"
STATE_UPDATE = "state/update"
STATE_RESULT = "state/update/result"
MEMBERSHIP_GET = "membership/get"
MEMBERSHIP_GET_RESULT = "membership/get/result"
MEMBERSHIP_UPDATED = "membership/updated"


class Request(StrEnum):
    """What the hub answers; each member's value is the end of its topic."""

    TWIN_UPDATE = TWIN_UPDATE
    TWIN_DESIRED = TWIN_DESIRED
    TWIN_GET = TWIN_GET
    TWIN_CLOUD_UPDATED = TWIN_CLOUD_UPDATED
    STATE_UPDATE = STATE_UPDATE
    MEMBERSHIP_GET = MEMBERSHIP_GET


class Address(NamedTuple):
    """A request topic, taken apart."""

    request: Request
    subject: str
    """The device's id `<namespace>/<name>`, or the node's name for a membership request."""
    prefix: str
    """The topic up to and including the subject and a slash: replies go to `prefix + TWIN_RESULT` and so on,
    that is, on the form (one or two levels) that the request used."""


REQUEST_FILTERS = (
    f"{DEVICE}+/+/{TWIN_UPDATE}",
    f"{DEVICE}+/{TWIN_UPDATE}",
    f"{DEVICE}+/+/{TWIN_DESIRED}",
    f"{DEVICE}+/{TWIN_DESIRED}",
    f"{DEVICE}+/+/{TWIN_GET}",
    f"{DEVICE}+/{TWIN_GET}",
    f"{DEVICE}+/+/{TWIN_CLOUD_UPDATED}",
    f"{DEVICE}+/{TWIN_CLOUD_UPDATED}",
    f"{DEVICE}+/+/{STATE_UPDATE}",
    f"{DEVICE}+/{STATE_UPDATE}",
    f"{NODE}+/{MEMBERSHIP_GET}",
)
"""What the hub subscribes to."""

_DEVICE_REQUESTS = {tuple(r.value.split("/")): r for r in Request if r is not Request.MEMBERSHIP_GET}
_MEMBERSHIP = tuple(MEMBERSHIP_GET.split("/"))


def parse(topic: str) -> Address | None:
    """Take a request topic apart; None when it is not one the hub answers."""
    if topic.startswith(DEVICE):
        return _parse_device(topic)
    if topic.startswith(NODE):
        node, *rest = topic[len(NODE) :].split("/")
        if node and tuple(rest) == _MEMBERSHIP:
            return Address(Request.MEMBERSHIP_GET, node, f"{NODE}{node}/")
    return None


def _parse_device(topic: str) -> Address | None:
    levels = topic[len(DEVICE) :].split("/")
    identity, request = levels[:-2], _DEVICE_REQUESTS.get(tuple(levels[-2:]))
    if request is None or not all(identity):
        return None
    match identity:
        case [name]:
            return Address(request, f"default/{name}", f"{DEVICE}{name}/")
        case [namespace, name]:
            return Address(request, f"{namespace}/{name}", f"{DEVICE}{namespace}/{name}/")
    return None


def of_device(device_id: str, end: str) -> str:
    """The topic of a device: `of_device("default/pump-01", TWIN_GET)`."""
    return f"{DEVICE}{device_id}/{end}"


def of_node(node: str, end: str) -> str:
    """The topic of a node: `of_node("edge-7", MEMBERSHIP_UPDATED)`."""
    return f"{NODE}{node}/{end}"


def device_of(topic: str, end: str) -> str | None:
    """The device id of a two-level device topic with that end, else None: the inverse of `of_device`."""
    if not topic.startswith(DEVICE) or not topic.endswith(f"/{end}"):
        return None
    device_id = topic[len(DEVICE) : -len(end) - 1]
    return device_id if device_id.count("/") == 1 else None


def marker(node: str) -> str:
    """Where the hub sends itself the mark behind which a resumed session delivers only what is new."""
    return f"twinhub/{node}/session"


def pod_status(pod_id: str) -> str:
    """Where a pod's status is retained: `pod_status("default/web")`."""
    return f"twinhub/pods/{pod_id}"


def node_status() -> str:
    """Where the node's status is retained."""
    return "twinhub/node"
