"""One connection of the link: a WebSocket over mutual TLS, opened with the headers of the handshake."""

from __future__ import annotations

import asyncio
import logging
import socket
import ssl
from typing import Protocol

from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidHandshake, InvalidStatus, InvalidURI
from websockets.extensions.permessage_deflate import ClientPerMessageDeflateFactory

from edgehub.settings import LinkSettings
from link.handshake import BadHandshake, Channel, Hello, Welcome, path
from link.limits import FRAME_BYTES

__all__ = ["Connection", "Credentials", "LinkLost", "Unreachable", "open_connection"]

CLOSE_SECONDS = 0.5
"""So long a cloud may take to say goodbye; it may be gone."""
REASON_CHARACTERS = 300
"""Of what a cloud says when it refuses; it is logged."""
RECEIVED_FRAMES = 4
"""That wait for us; beyond, the socket is not read."""
UNSENT_BYTES = 32 * 1024
"""Of a bulk channel in the kernel's buffer beyond what is under way: so the channels share a slow line fairly."""
_TCP_NOTSENT_LOWAT = 25
_quiet = logging.getLogger("edgehub.websocket")
_quiet.setLevel(logging.CRITICAL)


class Unreachable(Exception):
    """No connection can be made; the message says why, and what helps."""


class LinkLost(Exception):
    """The connection is gone; the message says why."""


class CloudAddress(Protocol):
    @property
    def host(self) -> str: ...

    @property
    def link_port(self) -> int: ...


class Credentials(Protocol):
    """Who connects, and whereto: what a link needs of an `Identity`."""

    @property
    def node(self) -> str: ...

    @property
    def cloud(self) -> CloudAddress: ...

    @property
    def not_after(self) -> float: ...

    def ssl_context(self) -> ssl.SSLContext: ...


class Connection:
    """An open connection. Every method raises `LinkLost` when it is gone."""

    def __init__(self, socket_: ClientConnection, welcome: Welcome) -> None:
        self._socket = socket_
        self.welcome = welcome

    async def send(self, frame: bytes) -> None:
        """Returns when the frame has left, or nearly: what waits for the network is bounded."""
        try:
            await self._socket.send(frame, text=True)
        except ConnectionClosed as error:
            raise LinkLost(_said(error)) from None

    async def receive(self) -> bytes:
        """The next frame."""
        try:
            frame = await self._socket.recv(decode=False)
        except ConnectionClosed as error:
            raise LinkLost(_said(error)) from None
        assert isinstance(frame, bytes)
        return frame

    async def close(self) -> None:
        await self._socket.close()


async def open_connection(credentials: Credentials, hello: Hello, settings: LinkSettings) -> Connection:
    """Connect, and say who we are. A cloud that does not know our link answers with the plain wire, hub channel
    only. Raises `Unreachable`, or `NoIdentity` of the credentials."""
    cloud, context = credentials.cloud, credentials.ssl_context()
    where = f"the cloud at {cloud.host}:{cloud.link_port}"
    try:
        opened = await connect(
            f"wss://{_bracketed(cloud.host)}:{cloud.link_port}{path(hello)}",
            ssl=context,
            additional_headers=hello.headers(),
            user_agent_header=None,
            compression=None,
            extensions=[_deflate()] if settings.compression else None,
            open_timeout=settings.connect_timeout,
            ping_interval=settings.ping_seconds,
            ping_timeout=settings.ping_seconds - CLOSE_SECONDS,
            close_timeout=CLOSE_SECONDS,
            max_size=FRAME_BYTES,
            max_queue=RECEIVED_FRAMES,
            proxy=None,
            logger=_quiet,
        )
    except (OSError, InvalidHandshake, InvalidURI, ConnectionClosed, EOFError) as error:
        raise Unreachable(f"{where} {_refusal(error)}") from None
    try:
        welcome = Welcome.read(_answered(opened))
    except BadHandshake as error:
        await opened.close()
        raise Unreachable(f"{where} gave an answer that is not understood: {error}") from None
    if hello.channel is not Channel.HUB:
        _keep_little_unsent(opened)
    return Connection(opened, welcome)


def _deflate() -> ClientPerMessageDeflateFactory:
    """Without context takeover: a compressor for each of thousands of connections would cost the cloud its memory."""
    return ClientPerMessageDeflateFactory(
        server_no_context_takeover=True, client_no_context_takeover=True, compress_settings={"level": 1}
    )


def _answered(opened: ClientConnection) -> list[tuple[str, str]]:
    assert opened.response is not None
    return list(opened.response.headers.raw_items())


def _keep_little_unsent(opened: ClientConnection) -> None:
    raw = opened.transport.get_extra_info("socket")
    raw.setsockopt(socket.IPPROTO_TCP, _TCP_NOTSENT_LOWAT, UNSENT_BYTES)


def _refusal(error: Exception) -> str:
    """Why there is no connection, and what helps where something does."""
    match error:
        case InvalidStatus():
            body = (error.response.body or b"").decode(errors="replace").strip()[:REASON_CHARACTERS]
            return f"refuses this edge: {body or f'status {error.response.status_code}'}"
        case ssl.SSLCertVerificationError():
            said = error.verify_message
            return f"shows a certificate that is not trusted ({said}); if it was set up anew, join it again"
        case ssl.SSLError():
            return f"refuses the secure connection ({error.reason or error}); its log may say why"
        case TimeoutError() | asyncio.TimeoutError():
            return "does not answer in time"
        case OSError():
            return f"cannot be reached: {error.strerror or error}"
    return f"is no cloud of twinhub or KubeEdge: {error}"


def _said(error: ConnectionClosed) -> str:
    if error.rcvd and error.rcvd.reason:
        return f"the cloud closed the link: {error.rcvd.reason[:REASON_CHARACTERS]}"
    if error.sent and error.sent.reason:
        return f"the link was closed: {error.sent.reason[:REASON_CHARACTERS]}"
    return "the link broke"


def _bracketed(host: str) -> str:
    return f"[{host}]" if ":" in host else host
