"""One connection of one edge: frames in and out within their limits, its counters, and its end.

A link lives until its certificate expires, until it is cut, or until the other end goes; whoever cuts it says why,
and nothing that arrives afterwards is looked at.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import suppress
from math import inf
from typing import NamedTuple

from msgspec import UnsetType
from websockets.exceptions import ConnectionClosed
from websockets.frames import CloseCode

from cloud_sync.admission import EdgeConnection
from cloud_sync.settings import HubSettings
from link.handshake import Channel
from link.limits import BATCH_MESSAGES, FRAME_BYTES
from link.message import BadFrame, Message, decode, encode, encode_batch

__all__ = ["COUNTS", "LinkState", "NodeLink"]

logger = logging.getLogger("cloud_sync")

COUNTS = ("sent", "acked", "refused", "received", "resent", "requeued")
"""The fields of a `LinkState` that only grow."""
_BATCH_BYTES = FRAME_BYTES // 4
"""Of content in one frame of several messages: far enough below the limit for a thousand headers."""


class LinkState(NamedTuple):
    """What a connection is doing."""

    node: str
    channel: Channel
    since: int
    """Unix milliseconds."""
    plain: bool
    """It speaks KubeEdge's wire."""
    address: str
    sent: int
    """Messages sent down, repeats included."""
    acked: int
    """Messages down that the edge confirmed."""
    refused: int
    """Messages up that were not taken, and messages down that the edge answered with an error."""
    queue: int
    """Messages that wait to be acknowledged by the edge."""
    oldest: float
    """Age of the oldest of them, in seconds."""
    received: int = 0
    """Messages that came up."""
    resent: int = 0
    """Messages down that were sent once more because the edge had not confirmed them."""
    requeued: int = 0
    """Messages down that went to the end of the queue because the edge confirmed none of their repeats."""


class NodeLink:
    """An accepted connection. `run` serves it once."""

    def __init__(self, socket: EdgeConnection, settings: HubSettings) -> None:
        """`socket` was admitted."""
        self._socket, self._settings = socket, settings
        self.peer, self.address = socket.peer, socket.address
        hello = socket.hello
        self.node, self.channel, self.plain, self.journal = hello.node, hello.channel, hello.plain, hello.journal
        self.since = time.time_ns() // 1_000_000
        self.sent = self.acked = self.refused = self.received = 0
        self.waiting: Callable[[], tuple[int, float, int, int]] = lambda: (0, 0.0, 0, 0)
        """Of what goes down: queue, age of the oldest, resent, requeued."""
        self._end = asyncio.get_running_loop().time() + self.peer.not_after - time.time()
        self._expiry = self._end
        self._reason = ""
        self._life: asyncio.Timeout | None = None
        self._said: set[str] = set()

    @property
    def state(self) -> LinkState:
        queue, oldest, resent, requeued = self.waiting()
        return LinkState(
            self.node,
            self.channel,
            self.since,
            self.plain,
            self.address,
            self.sent,
            self.acked,
            self.refused,
            queue,
            oldest,
            self.received,
            resent,
            requeued,
        )

    # ---- its life

    async def run(self, session: Callable[[], Awaitable[None]]) -> str:
        """Serve the link until it ends; returns why it did."""
        try:
            async with asyncio.timeout_at(self._end) as self._life:
                await session()
        except TimeoutError:
            if self._life is None or not self._life.expired():
                raise
            return self._reason or self._late()
        except BadFrame as fault:
            self.refused += 1
            return str(fault)
        except ConnectionClosed as closed:
            return _said(closed)
        return "closed"

    def cut(self, reason: str) -> None:
        """End it at once; the first reason counts."""
        self._reason = self._reason or reason
        self._end = -inf
        if self._life is not None and not self._life.expired():
            self._life.reschedule(self._end)

    def alive_for(self, seconds: float) -> None:
        """It ends after so long unless this is called again."""
        if not self._reason and self._life is not None and not self._life.expired():
            self._end = min(self._expiry, asyncio.get_running_loop().time() + seconds)
            self._life.reschedule(self._end)

    async def close(self, reason: str) -> None:
        """Say why, to a twinhub edge; a KubeEdge end is just cut, as its own cloud does."""
        if not self.plain:
            with suppress(ConnectionClosed, TimeoutError):
                await self._socket.close(CloseCode.POLICY_VIOLATION, reason.encode()[:120].decode(errors="ignore"))
        self._socket.transport.abort()

    def _late(self) -> str:
        if self._end == self._expiry:
            return "its certificate expired"
        return f"no keepalive for {self._settings.keepalive:g} s"

    # ---- frames

    async def frames(self) -> AsyncIterator[list[Message]]:
        """What comes up, frame by frame. Raises `BadFrame` or `ConnectionClosed`."""
        while True:
            messages = decode(await self._socket.recv(decode=False))
            if self.plain and len(messages) != 1:
                raise BadFrame("a batch, on a connection that did not agree to batches")
            self.received += len(messages)
            yield messages

    async def send(self, messages: Sequence[Message]) -> None:
        """Write, in this order. Raises `ConnectionClosed`, or `BadFrame` when the peer does not read."""
        try:
            async with asyncio.timeout(self._settings.send_timeout):
                for frame in self._framed(messages):
                    await self._socket.send(frame, text=True)
        except TimeoutError:
            raise BadFrame(f"it reads nothing for {self._settings.send_timeout:g} s") from None
        self.sent += len(messages)

    def _framed(self, messages: Sequence[Message]) -> list[bytes]:
        if self.plain or len(messages) == 1:
            return [encode(message) for message in messages]
        return [encode_batch(batch) for batch in _batches(messages)]

    # ---- what is said once

    def refuse(self, about: str, reason: str) -> None:
        """Count something that is not taken, and log it once for each thing it is about."""
        self.refused += 1
        if about not in self._said and len(self._said) < 1_000:
            self._said.add(about)
            logger.warning("node %s, %s: %s is not taken: %s", self.node, self.channel, about[:200], reason[:300])


def _batches(messages: Sequence[Message]) -> list[list[Message]]:
    batches: list[list[Message]] = []
    room = 0
    for message in messages:
        size = 0 if isinstance(message.content, UnsetType) else len(bytes(message.content))
        if not batches or size > room or len(batches[-1]) == BATCH_MESSAGES:
            batches.append([])
            room = _BATCH_BYTES
        batches[-1].append(message)
        room -= size
    return batches


def _said(closed: ConnectionClosed) -> str:
    frame = closed.rcvd
    return f"the edge closed it: {frame.code} {frame.reason}".rstrip() if frame else "the connection was lost"
