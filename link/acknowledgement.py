"""Which messages down want an acknowledgement, and what one looks like (KubeEdge's reliable sync).

Between two twinhub ends an acknowledgement is cumulative: it confirms its parent and all that was sent on that
connection before it. Towards a KubeEdge end it confirms its parent alone.
"""

from __future__ import annotations

from msgspec import Raw

from link.message import Message, new_message

__all__ = ["OK", "acknowledge", "is_acknowledgement", "refuse", "wants_acknowledgement"]

OK = Raw(b'"OK"')
_SILENT_RESOURCES = ("podlist", "membership", "twin/cloud_updated", "serviceaccounttoken", "k8s/ca.crt")
_SILENT_GROUPS = frozenset({"user"})
_SILENT_SOURCES = frozenset({"taskmanager"})
_CREATED = frozenset({"insert", "delete"})


def wants_acknowledgement(message: Message, *, plain: bool = True) -> bool:
    """Whether a cloud waits for us to confirm this message; on our own link (not `plain`) it does for every message
    that is no answer itself. A confirmation that is not waited for does no harm."""
    route = message.route
    if message.header.parent_msg_id or route.operation in ("response", "error"):
        return False
    if not plain:
        return True
    if route.group in _SILENT_GROUPS or route.source in _SILENT_SOURCES:
        return False
    return not any(part in route.resource for part in _SILENT_RESOURCES)


def acknowledge(message: Message, now: int | None = None) -> Message:
    """The confirmation as edgecore sends it: route copied, but `meta`/`twin` for what KubeEdge's device controller
    makes or deletes."""
    route = message.route
    source, group = route.source, route.group
    if route.source == "devicecontroller" and route.operation in _CREATED:
        source, group = "meta", "twin"
    return new_message(source, group, "response", route.resource, OK, parent=message.header.msg_id, now=now)


def refuse(message: Message, reason: str, now: int | None = None) -> Message:
    """An error in answer to a message: it is logged at the other end, and confirms nothing."""
    route = message.route
    return new_message(
        route.source, route.group, "error", route.resource, reason, parent=message.header.msg_id, now=now
    )


def is_acknowledgement(message: Message) -> bool:
    """Whether a message confirms the one its header names as parent."""
    return message.route.operation == "response" and bool(message.header.parent_msg_id)
