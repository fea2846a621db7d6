"""Whether an edge may connect, and what it is told: its certificate must name the node it says it is, always.

KubeEdge compares the two only when asked to, accepts who does not say what the connection is for, and serves nobody
above its limit without a word; none of that is imitated. Who is refused gets a status and one line of text.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections import OrderedDict
from collections.abc import Callable
from http import HTTPStatus

from websockets.asyncio.server import ServerConnection
from websockets.http11 import Request, Response

from cloud_sync.registry import Registry
from cloud_sync.settings import HubSettings
from cloud_sync.tls import NotANode, Peer, peer_node
from cloud_sync.twin_log import TwinLog, TwinLogError
from link.handshake import BadHandshake, Channel, Hello, Welcome
from link.limits import FRAME_BYTES
from twin.store import StoreError

__all__ = ["Admission", "EdgeConnection", "NotAdmitted", "RefusalLog", "answer", "check"]

logger = logging.getLogger("cloud_sync")

_UNREAD = 2 * FRAME_BYTES
"""Bytes that may wait for a peer to read them: more than we ever write without waiting for it."""


class NotAdmitted(Exception):
    """The handshake is answered with this status and the text."""

    def __init__(self, status: HTTPStatus, reason: str) -> None:
        super().__init__(reason)
        self.status = status


class EdgeConnection(ServerConnection):
    """With what its handshake said, once it was admitted."""

    hello: Hello
    peer: Peer
    welcome: Welcome

    @property
    def address(self) -> str:
        """Of the edge: host and port."""
        host, port = (self.remote_address or ("", 0))[:2]
        return f"{host}:{port}"

    def data_received(self, data: bytes) -> None:
        """Who asks for answers, such as that to a ping, and does not read them is cut: nothing else bounds them."""
        super().data_received(data)
        if self.transport.get_write_buffer_size() > _UNREAD:
            self.transport.abort()


def check(hello: Hello, peer: Peer, now: float, *, revoked: bool, room: bool) -> None:
    """Raises `NotAdmitted` unless this edge may connect. `now`: Unix seconds; `room`: the node limit allows it."""
    if peer.node != hello.node:
        raise NotAdmitted(
            HTTPStatus.FORBIDDEN, f"the certificate is for node {peer.node}, the header Node_id says {hello.node}"
        )
    if peer.not_after <= now:
        raise NotAdmitted(HTTPStatus.FORBIDDEN, f"the certificate of node {peer.node} has expired: renew it")
    if revoked:
        raise NotAdmitted(
            HTTPStatus.FORBIDDEN, f"node {peer.node} is revoked: join again with a new token, if it may come back"
        )
    if not room:
        raise NotAdmitted(HTTPStatus.SERVICE_UNAVAILABLE, "this cloud process has all the nodes it takes: try later")


class Admission:
    """Answers handshakes."""

    def __init__(
        self, registry: Registry, log: TwinLog, settings: HubSettings, has_room: Callable[[str], bool]
    ) -> None:
        self._registry, self._log, self._has_room = registry, log, has_room
        self._reading = asyncio.Semaphore(settings.handshakes)
        self.refusals = RefusalLog()

    async def request(self, socket: EdgeConnection, request: Request) -> Response | None:
        """None = it is admitted. (websockets' process_request)"""
        node = ""
        try:
            peer = peer_node(socket.transport.get_extra_info("ssl_object"))
            node = peer.node
            await self._admit(socket, Hello.read(request.headers.raw_items()), peer)
        except BadHandshake as fault:
            return self._refuse(socket, HTTPStatus.BAD_REQUEST, node, fault)
        except NotANode as fault:
            return self._refuse(socket, HTTPStatus.FORBIDDEN, node, fault)
        except NotAdmitted as fault:
            return self._refuse(socket, fault.status, node, fault)
        except (TwinLogError, StoreError) as fault:
            return self._refuse(socket, HTTPStatus.SERVICE_UNAVAILABLE, node, fault)
        self.refusals.admitted(node)
        return None

    async def _admit(self, socket: EdgeConnection, hello: Hello, peer: Peer) -> None:
        check(hello, peer, time.time(), revoked=self.revoked(peer), room=self._has_room(peer.node))
        socket.hello, socket.peer = hello, peer
        socket.welcome = await self._welcome(hello)
        if hello.plain:  # what KubeEdge's ends do not know
            socket.protocol.available_extensions = None
            socket.ping_interval = None

    async def _welcome(self, hello: Hello) -> Welcome:
        if hello.channel is not Channel.BUS:
            return Welcome(hello.plain)
        async with self._reading:
            return Welcome(plain=False, resume=await self._log.cursor(hello.node, hello.journal))

    def revoked(self, peer: Peer) -> bool:
        """Whether this certificate, or its node, counts no longer."""
        return self._registry.revoked(peer.node, peer.serial, peer.issued_at)

    def _refuse(self, socket: EdgeConnection, status: HTTPStatus, node: str, fault: Exception) -> Response:
        self.refusals.refused(node, socket.address, str(fault))
        return socket.respond(status, f"{fault}\n")


def answer(socket: EdgeConnection, _request: Request, response: Response) -> None:
    """Say what was agreed. (websockets' process_response)"""
    if response.status_code == HTTPStatus.SWITCHING_PROTOCOLS:
        response.headers.update(socket.welcome.headers())


class RefusalLog:
    """Says once for each node and reason that it was refused, and again after the node was admitted."""

    NODES = 10_000
    REASONS = 8

    def __init__(self) -> None:
        self.count = 0
        """Handshakes refused."""
        self._said: OrderedDict[str, set[str]] = OrderedDict()

    def refused(self, node: str, address: str, reason: str) -> None:
        """Count it; log it unless it was said."""
        self.count += 1
        said = self._said.setdefault(node, set())
        if reason in said or len(said) >= self.REASONS:
            return
        said.add(reason)
        if len(self._said) > self.NODES:
            self._said.popitem(last=False)
        logger.warning("refused a connection of node %s from %s: %s", node or "(not said)", address, reason)

    def admitted(self, node: str) -> None:
        """What was wrong with it is over."""
        self._said.pop(node, None)
