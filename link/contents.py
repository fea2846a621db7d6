"""What the rows of the message catalogue carry, as the end that receives them reads it: typed, and never trusted.

Every function raises `BadFrame` when the content is not the row's.
"""

from __future__ import annotations

from typing import Any

from msgspec import Struct

from link.message import BadFrame, Message, content_json, decode_content
from twin.documents import DeviceState, Int64, MembershipUpdate, MsgTwin, StateResult
from twin.refused import BadRequest
from twin.requests import decode_update

__all__ = ["LogLine", "declared", "log_lines", "manifest", "membership", "state", "twins"]


class LogLine(Struct, frozen=True, gc=False):
    """A line of an edge's log."""

    time: Int64
    """Unix milliseconds, by the edge's clock."""
    level: str
    logger: str
    text: str


def twins(message: Message) -> dict[str, MsgTwin | None]:
    """Of `edge_updated` and `wishes`: property → twin; None = it is deleted, or shall be."""
    try:
        return decode_update(content_json(message))[1]
    except BadRequest as error:
        raise BadFrame(f"content of {message.route.resource[:100]!r}: {error}") from None


def state(message: Message) -> DeviceState:
    """Of `state_update`."""
    result: StateResult = decode_content(message, StateResult)
    return result.device


def membership(message: Message) -> MembershipUpdate:
    """Of `membership`."""
    update: MembershipUpdate = decode_content(message, MembershipUpdate)
    return update


def manifest(message: Message) -> dict[str, Any]:
    """Of `declared_object` and `declaration`: the object."""
    content: dict[str, Any] = decode_content(message, dict[str, Any])
    return content


def declared(message: Message) -> list[str]:
    """Of `declared`: `Kind/namespace/name` each."""
    keys: list[str] = decode_content(message, list[str])
    return keys


def log_lines(message: Message) -> list[LogLine]:
    """Of `log_lines`."""
    lines: list[LogLine] = decode_content(message, list[LogLine])
    return lines
