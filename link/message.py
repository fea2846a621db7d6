"""The message of the hub wire: KubeEdge's JSON form, in bytes and back, nothing of its content lost.

One WebSocket text frame holds one message, as compact JSON that ends with a newline. Between two twinhub ends that
agreed on it in the handshake a frame may hold a JSON array of messages instead.
"""

from __future__ import annotations

import time
import uuid
from collections.abc import Sequence
from typing import Any

import msgspec
from msgspec import UNSET, Raw, Struct, UnsetType

from link.limits import BATCH_MESSAGES, FRAME_BYTES, RESOURCE_CHARACTERS
from twin.documents import Int64

__all__ = [
    "BadFrame",
    "Header",
    "Message",
    "Route",
    "content_json",
    "decode",
    "decode_content",
    "encode",
    "encode_batch",
    "new_message",
]


class BadFrame(ValueError):
    """What came is no message of this wire; the text says why."""


class Header(Struct, frozen=True, omit_defaults=True, gc=False):
    """Who the message is, and what it answers."""

    msg_id: str = ""
    parent_msg_id: str = ""
    """Id of the message that this one answers."""
    timestamp: Int64 = 0
    """Unix milliseconds, by the sender's clock."""
    resourceversion: str = ""
    """Version of the object in the content."""
    sync: bool = False
    type: str = ""


class Route(Struct, frozen=True, omit_defaults=True, gc=False):
    """From whom, for whom, what about, and what to do with it."""

    source: str = ""
    destination: str = ""
    group: str = ""
    operation: str = ""
    resource: str = ""


class Message(Struct, frozen=True, omit_defaults=True, gc=False):
    """One message. `content` is JSON as it came; unset = there was none."""

    header: Header = Header()
    route: Route = Route()
    content: Raw | UnsetType = UNSET


_one = msgspec.json.Decoder(Message)
_many = msgspec.json.Decoder(list[Message])
_encoder = msgspec.json.Encoder()
_FAULTS = (msgspec.MsgspecError, ValueError, RecursionError)
"""What msgspec raises at hostile input; a plain ValueError for a number of too many digits, or broken UTF-8."""


def new_message(
    source: str,
    group: str,
    operation: str,
    resource: str,
    content: object = UNSET,
    *,
    msg_id: str = "",
    parent: str = "",
    version: str = "",
    now: int | None = None,
) -> Message:
    """A message with a new id, unless one is given, and the time of now (Unix milliseconds). `content`: what
    msgspec can encode; `Raw` is sent as it is."""
    header = Header(msg_id or str(uuid.uuid4()), parent, time.time_ns() // 1_000_000 if now is None else now, version)
    body = content if isinstance(content, Raw | UnsetType) else Raw(_encoder.encode(content))
    return Message(header, Route(source, "", group, operation, resource), body)


def encode(message: Message) -> bytes:
    """One frame."""
    return _encoder.encode(message) + b"\n"


def encode_batch(messages: Sequence[Message]) -> bytes:
    """One frame of several messages; only for a peer that agreed to batches."""
    return _encoder.encode(messages) + b"\n"


def decode(frame: str | bytes) -> list[Message]:
    """The messages of a frame, in order. Raises `BadFrame`."""
    if len(frame) > FRAME_BYTES:
        raise BadFrame(f"a frame of {len(frame):,} bytes; the most is {FRAME_BYTES:,}")
    try:
        start = frame.lstrip()[:1]
        messages = _many.decode(frame) if start in ("[", b"[") else [_one.decode(frame)]
    except _FAULTS as error:
        raise BadFrame(f"not a message: {error}") from None
    if not 1 <= len(messages) <= BATCH_MESSAGES:
        raise BadFrame(f"a batch of {len(messages):,} messages; 1 to {BATCH_MESSAGES:,} are allowed")
    for message in messages:
        _check_lengths(message)
    return messages


def _check_lengths(message: Message) -> None:
    header, route = message.header, message.route
    for text in (header.msg_id, header.parent_msg_id, header.resourceversion, header.type, *_texts(route)):
        if len(text) > RESOURCE_CHARACTERS:
            raise BadFrame(f"a header field of {len(text):,} characters; the most is {RESOURCE_CHARACTERS:,}")


def _texts(route: Route) -> tuple[str, ...]:
    return route.source, route.destination, route.group, route.operation, route.resource


def content_json(message: Message) -> bytes:
    """The content as JSON; where it is a text, then what the text says, which KubeEdge's ends take for JSON.
    Raises `BadFrame` when there is none."""
    if isinstance(message.content, UnsetType):
        raise BadFrame(f"the message about {message.route.resource[:100]!r} has no content")
    content = bytes(message.content).lstrip()
    return _decode(message, content, str).encode() if content.startswith(b'"') else content


def decode_content(message: Message, form: Any = Any) -> Any:
    """The content as `form`; a text is taken for the JSON in it, unless `form` is text itself. Raises `BadFrame`
    when it is something else, or absent."""
    if form is str and not isinstance(message.content, UnsetType):
        return _decode(message, bytes(message.content), str)
    return _decode(message, content_json(message), form)


def _decode(message: Message, content: bytes, form: Any) -> Any:
    try:
        return msgspec.json.decode(content, type=form)
    except _FAULTS as error:
        raise BadFrame(f"content of {message.route.resource[:100]!r}: {error}") from None
