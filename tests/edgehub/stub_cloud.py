"""A cloud that does what a test tells it: a real TLS WebSocket server, and nothing behind it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, Self

import msgspec
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import NameOID
from websockets.asyncio.server import Server, ServerConnection, serve
from websockets.datastructures import Headers
from websockets.exceptions import ConnectionClosed
from websockets.http11 import Request, Response

from cloud_sync.authority import Authority
from cloud_sync.tls import hub_context
from edgehub.identity import Cloud, Identity, _Whole
from link.acknowledgement import acknowledge
from link.handshake import Channel, Hello, Welcome
from link.message import Message, decode, encode, encode_batch
from link.resources import Kind, parse
from link.rows import confirm

HOST = "127.0.0.1"


async def until(condition: Callable[[], object], within: float = 15.0) -> None:
    """Wait until `condition()` is true; TimeoutError when that takes too long."""
    async with asyncio.timeout(within):
        while not condition():
            await asyncio.sleep(0.005)


def joined(folder: Path, authority: Authority, port: int, node: str = "edge-7") -> Identity:
    """The identity of an edge that joined the cloud on this port."""
    identity = Identity(folder)
    identity._save(_whole(authority, Cloud(HOST, link_port=port), node))
    return identity


def renew(identity: Identity, authority: Authority) -> None:
    """As a rotation leaves it."""
    old = identity._read()
    identity._save(_whole(authority, old.cloud, old.node))


def _whole(authority: Authority, cloud: Cloud, node: str) -> _Whole:
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name(
        [
            x509.NameAttribute(NameOID.ORGANIZATION_NAME, "system:nodes"),
            x509.NameAttribute(NameOID.COMMON_NAME, f"system:node:{node}"),
        ]
    )
    request = x509.CertificateSigningRequestBuilder().subject_name(subject).sign(key, hashes.SHA256())
    certificate = x509.load_der_x509_certificate(authority.sign_node(request.public_bytes(Encoding.DER), node))
    return _Whole(cloud, key, certificate, x509.load_der_x509_certificate(authority.ca_der))


class Link:
    """One connection, seen from the cloud."""

    def __init__(self, socket: ServerConnection, hello: Hello) -> None:
        self.socket = socket
        self.hello = hello
        self.messages: list[Message] = []
        self.frames: list[bytes] = []
        self.closed = False

    def of(self, operation: str) -> list[Message]:
        return [message for message in self.messages if message.route.operation == operation]

    @property
    def answered(self) -> list[str]:
        """Ids of what this end sent and the edge acknowledged."""
        return [message.header.parent_msg_id for message in self.of("response")]

    @property
    def reports(self) -> list[Message]:
        """What the edge said of its devices."""
        kinds = (Kind.EDGE_UPDATED, Kind.STATE_UPDATE)
        return [m for m in self.messages if parse(m.route.resource).kind in kinds]

    @property
    def numbers(self) -> list[int]:
        """Of the outbox, as they came."""
        return [int(message.header.msg_id) for message in self.reports]

    async def send(self, *messages: Message) -> None:
        frame = encode(messages[0]) if len(messages) == 1 else encode_batch(messages)
        await self.socket.send(frame, text=True)

    async def send_raw(self, frame: bytes) -> None:
        await self.socket.send(frame, text=True)

    def cut(self) -> None:
        """As when the cable is pulled."""
        self.socket.transport.abort()


class StubCloud:
    """`async with`; the port stays the same over `stop` and `start`."""

    def __init__(self, authority: Authority, *, plain: bool = False) -> None:
        self.authority = authority
        self.plain = plain
        self.links: list[Link] = []
        self.resume: Callable[[Hello], int] = lambda _: 0
        self.confirms = True
        """Whether reports are confirmed as they come."""
        self.knows = True
        """Whether what is declared at the edge is confirmed as it comes."""
        self.turned_away: Channel | None = None
        """The channel whose connections are ended at once."""
        self.port = 0
        self._server: Server | None = None

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(self, *exc: object) -> None:
        await self.stop()

    async def start(self) -> None:
        self._server = await serve(
            self._handle,
            HOST,
            self.port,
            ssl=hub_context(self.authority, [HOST]),
            process_response=self._welcome,
            max_size=None,
            ping_interval=None,
        )
        self.port = next(iter(self._server.sockets)).getsockname()[1]

    async def stop(self) -> None:
        """Every connection is cut."""
        if self._server is None:
            return
        for link in self.open():
            link.cut()
        self._server.close()
        await self._server.wait_closed()
        self._server = None

    def open(self, channel: Channel | None = None) -> list[Link]:
        return [link for link in self.links if not link.closed and channel in (None, link.hello.channel)]

    async def link(self, channel: Channel = Channel.HUB, number: int = 1) -> Link:
        """The `number`th connection ever made on a channel."""
        await until(lambda: len(self._made(channel)) >= number)
        return self._made(channel)[number - 1]

    def _made(self, channel: Channel) -> list[Link]:
        return [link for link in self.links if link.hello.channel is channel]

    def _welcome(self, socket: ServerConnection, request: Request, response: Response) -> Response:
        hello = Hello.read(request.headers.raw_items())
        welcome = Welcome(plain=self.plain, resume=0 if self.plain else self.resume(hello))
        response.headers = Headers([*response.headers.raw_items(), *welcome.headers().items()])
        return response

    async def _handle(self, socket: ServerConnection) -> None:
        assert socket.request is not None
        hello = Hello.read(socket.request.headers.raw_items())
        link = Link(socket, hello if not self.plain else Hello(hello.node))
        self.links.append(link)
        if link.hello.channel is self.turned_away:
            await socket.close(4000, "no room for readings")
        try:
            with suppress(ConnectionClosed):
                async for frame in socket:
                    link.frames.append(frame.encode() if isinstance(frame, str) else frame)
                    await self._take(link, decode(frame))
        finally:
            link.closed = True

    async def _take(self, link: Link, messages: Sequence[Message]) -> None:
        link.messages += messages
        declared = [message for message in messages if message.route.source == "twinhub"]
        if declared and self.knows and not self.plain:
            await link.send(acknowledge(declared[-1]))
        if not self.confirms or not messages:
            return
        if self.plain:
            for message in messages:
                if parse(message.route.resource).kind in (Kind.EDGE_UPDATED, Kind.STATE_UPDATE):
                    await link.send(confirm(message))
        elif link.hello.channel is not Channel.HUB:
            await link.send(confirm(messages[-1]))


def content(message: Message) -> Any:
    """What a message carries, as plain data."""
    assert isinstance(message.content, msgspec.Raw)
    return msgspec.json.decode(message.content)
