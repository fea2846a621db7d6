"""What is declared in the edge's own folder, on its way up: our cloud shows it, and never sends it back.

A report of a device that the cloud does not know would be refused and gone. So reports wait on their channel until
the cloud has confirmed, on this one, what is declared.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Mapping
from typing import Any

from edgehub.cloud_devices import DEVICE, MODEL
from edgehub.connection import Connection
from edgehub.reports import FRAME_TARGET
from link.limits import BATCH_MESSAGES
from link.message import Message, encode, encode_batch
from link.resources import Kind
from link.rows import declaration, declared

__all__ = ["LocalDeclarations"]

_KINDS = {DEVICE: Kind.DEVICE, MODEL: Kind.MODEL}


class LocalDeclarations:
    """As they are now; shared by the connections of the hub channel."""

    def __init__(self) -> None:
        self._documents: dict[str, Mapping[str, Any]] | None = None
        """None = not known, so nothing is told."""
        self._changed = asyncio.Event()
        self._last = ""
        """The message whose confirmation is that of all that is declared now."""
        self.confirmed = asyncio.Event()
        """The cloud has all that is declared now."""
        self.confirmed.set()

    def set(self, documents: Mapping[str, Mapping[str, Any]]) -> None:
        """`documents`: v1beta1 objects by `<Kind>/<namespace>/<name>`; only devices and models are told."""
        self._documents = {key: value for key, value in documents.items() if key.split("/")[0] in _KINDS}
        self._last = ""
        self.confirmed.clear()
        self._changed.set()

    def acknowledged(self, parent: str) -> None:
        """The cloud has confirmed a message, and all before it."""
        if parent == self._last:
            self.confirmed.set()

    async def tell(self, connection: Connection) -> None:
        """For ever: tell all of it, and again after each edit. Raises `LinkLost`."""
        while True:
            self._changed.clear()
            if self._documents is not None:
                messages = _messages(self._documents)
                self._last = messages[-1].header.msg_id
                for frame in _frames(messages):
                    await connection.send(frame)
            await self._changed.wait()


def _messages(documents: Mapping[str, Mapping[str, Any]]) -> list[Message]:
    """Models first, so that no device is looked at before its model is there."""
    keys = sorted(documents, key=lambda key: (key.split("/")[0] == DEVICE, key))
    return [declared(keys), *(_declaration(key, documents[key]) for key in keys)]


def _declaration(key: str, manifest: Mapping[str, Any]) -> Message:
    kind, namespace, name = key.split("/")
    return declaration(_KINDS[kind], namespace, name, manifest)


def _frames(messages: list[Message]) -> Iterator[bytes]:
    """As few frames as the limits allow."""
    held: list[Message] = []
    size = 0
    for message in messages:
        length = len(encode(message))
        if held and (size + length > FRAME_TARGET or len(held) == BATCH_MESSAGES):
            yield encode_batch(held)
            held, size = [], 0
        held.append(message)
        size += length
    yield encode_batch(held)
