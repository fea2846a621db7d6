"""A cloud with real parts, and edges that are WebSocket clients with real certificates."""

import asyncio
import ssl
from collections import deque
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed

from cloud_sync.authority import Authority
from cloud_sync.hub_server import HubServer
from cloud_sync.node_link import LinkState
from cloud_sync.registry import Registry
from cloud_sync.settings import HubSettings
from cloud_sync.tls import hub_context
from cloud_sync.twin_log_sqlite import SqliteTwinLog
from link.acknowledgement import acknowledge, is_acknowledgement
from link.enrolment import NODES, common_name
from link.handshake import Channel, Hello, Welcome, path
from link.message import Message, decode, encode, encode_batch
from twin.store import open_store
from twinhub.cloud_pods import POD_RULES

JOURNAL = "0123456789abcdef" * 2
HOST = "127.0.0.1"

QUICK = HubSettings(resend_after=0.2, resend_after_ours=0.2, reread=0.2, patience=0.5, close_timeout=0.5)


async def until(condition: Callable[[], object], within: float = 10.0) -> None:
    """Wait until it is true."""
    async with asyncio.timeout(within):
        while not condition():
            await asyncio.sleep(0.005)


class Edge:
    """One connection of an edge, seen from its end."""

    def __init__(self, socket: ClientConnection) -> None:
        self.socket = socket
        assert socket.response is not None
        self.welcome = Welcome.read(socket.response.headers.raw_items())
        self._came: deque[Message] = deque()

    async def send(self, *messages: Message) -> None:
        """In one frame."""
        frame = encode(messages[0]) if len(messages) == 1 else encode_batch(messages)
        await self.socket.send(frame, text=True)

    async def receive(self, within: float = 10.0) -> Message:
        async with asyncio.timeout(within):
            while not self._came:
                self._came.extend(decode(await self.socket.recv(decode=False)))
        return self._came.popleft()

    async def receive_where(self, wanted: Callable[[Message], bool], *, acknowledging: bool = True) -> Message:
        """The next message of that kind; those before it are acknowledged, and dropped."""
        while not wanted(message := await self.receive()):
            if acknowledging and not is_acknowledgement(message):
                await self.send(acknowledge(message))
        return message

    async def closed(self, within: float = 10.0) -> str:
        """Read what still comes until the cloud has ended it; returns the reason it gave."""
        async with asyncio.timeout(within):
            try:
                while True:
                    await self.socket.recv()
            except ConnectionClosed as closed:
                return closed.rcvd.reason if closed.rcvd else ""

    def kill(self) -> None:
        """As when a cable is cut."""
        self.socket.transport.abort()


class Cloud:
    """Everything a hub server stands on, in a folder of its own."""

    def __init__(self, folder: Path, settings: HubSettings) -> None:
        self.folder, self.settings = folder, settings
        self.authority = Authority.open(folder / "authority")
        self.registry: Registry
        self.log: SqliteTwinLog
        self.server: HubServer
        self._identities = 0

    @asynccontextmanager
    async def running(self) -> AsyncIterator["Cloud"]:
        """With its stores and its server, as one process would have them."""
        async with (
            open_store(self.folder / "registry.db") as store,
            Registry(store, {}, pods=POD_RULES) as self.registry,
            SqliteTwinLog(self.folder / "twins.db") as self.log,
            self.serving() as self.server,
        ):
            yield self

    def serving(self, **changed: Any) -> HubServer:
        """One more server on the same stores."""
        return HubServer(
            registry=self.registry,
            log=self.log,
            context=hub_context(self.authority, [HOST]),
            host=HOST,
            port=0,
            settings=replace(self.settings, **changed),
        )

    # ---- edges

    async def enrol(self, node: str) -> None:
        await self.registry.add_node(node)

    def identity(self, node: str, *, authority: Authority | None = None, lifetime: float = 3600.0) -> ssl.SSLContext:
        """What a node connects with: a key of its own, and a certificate of the authority for it."""
        key = ec.generate_private_key(ec.SECP256R1())
        subject = x509.Name(
            [
                x509.NameAttribute(NameOID.ORGANIZATION_NAME, NODES),
                x509.NameAttribute(NameOID.COMMON_NAME, common_name(node)),
            ]
        )
        request = x509.CertificateSigningRequestBuilder().subject_name(subject).sign(key, SHA256())
        der = (authority or self.authority).sign_node(request.public_bytes(Encoding.DER), node, lifetime)
        self._identities += 1
        pem = self.folder / f"identity-{self._identities}.pem"
        private = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
        pem.write_bytes(private + x509.load_der_x509_certificate(der).public_bytes(Encoding.PEM))
        context = self.stranger()
        context.load_cert_chain(pem)
        return context

    def stranger(self) -> ssl.SSLContext:
        """Who trusts this cloud, and has no certificate."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.load_verify_locations(cadata=self.authority.ca_pem)
        return context

    def dial(
        self,
        hello: Hello,
        context: ssl.SSLContext,
        *,
        server: HubServer | None = None,
        compression: str | None = None,
        **said: str,
    ) -> AbstractAsyncContextManager[ClientConnection]:
        """Connect; `said`: headers instead of the hello's own, empty = left out."""
        headers: Mapping[str, str] = {k: v for k, v in {**hello.headers(), **said}.items() if v}
        return connect(
            f"wss://{HOST}:{(server or self.server).port}{path(hello)}",
            ssl=context,
            additional_headers=headers,
            compression=compression if hello.plain else "deflate",
            ping_interval=None,
            close_timeout=0.5,
            open_timeout=10,
        )

    @asynccontextmanager
    async def edge(
        self,
        node: str = "edge-7",
        channel: Channel = Channel.HUB,
        *,
        plain: bool = False,
        journal: str = JOURNAL,
        context: ssl.SSLContext | None = None,
        server: HubServer | None = None,
    ) -> AsyncIterator[Edge]:
        """A connected edge; the node is enrolled if need be."""
        if self.registry.node(node) is None:
            await self.enrol(node)
        hello = Hello(node, channel=channel, journal="" if plain else journal)
        async with self.dial(hello, context or self.identity(node), server=server) as socket:
            yield Edge(socket)

    def links(self, node: str = "edge-7") -> list[LinkState]:
        return [link for link in self.server.links() if link.node == node]

    # ---- what is declared

    async def declare(self, *names: str, node: str = "edge-7", namespace: str = "default") -> None:
        """A model, and devices of it at a node."""
        await self.apply(model(namespace), *(device(name, node, namespace) for name in names))

    async def apply(self, *objects: Mapping[str, Any]) -> None:
        """As an operator's apply does: what became wishes is set, what moved is rehomed."""
        for applied in await self.registry.apply(objects):
            assert applied.outcome != "refused", applied.message
            identity = applied.key.split("/", 1)[1]
            stored = self.registry.device(identity) if applied.key.startswith("Device/") else None
            if stored and applied.moved_from is not None:
                await self.log.rehome(identity, stored.node)
            if stored and applied.wishes:
                await self.wish(identity, **applied.wishes)

    async def wish(self, device_id: str, **values: str) -> None:
        stored = self.registry.device(device_id)
        assert stored is not None
        await self.log.wish(stored.node, device_id, values)
        self.server.wished([device_id])


def model(namespace: str = "default", name: str = "pump-model") -> dict[str, Any]:
    return {
        "apiVersion": "devices.kubeedge.io/v1beta1",
        "kind": "DeviceModel",
        "metadata": {"name": name, "namespace": namespace},
        "spec": {
            "protocol": "modbus",
            "properties": [
                {"name": "speed", "type": "INT", "accessMode": "ReadWrite", "unit": "rpm"},
                {"name": "label", "type": "STRING", "accessMode": "ReadWrite"},
            ],
        },
    }


def device(name: str, node: str, namespace: str = "default", **desired: str) -> dict[str, Any]:
    def visited(prop: str, offset: int) -> dict[str, Any]:
        entry: dict[str, Any] = {
            "name": prop,
            "visitors": {
                "protocolName": "modbus",
                "configData": {"register": "HoldingRegister", "offset": offset, "limit": 1},
            },
        }
        return entry | ({"desired": {"value": desired[prop]}} if prop in desired else {})

    return {
        "apiVersion": "devices.kubeedge.io/v1beta1",
        "kind": "Device",
        "metadata": {"name": name, "namespace": namespace},
        "spec": {
            "deviceModelRef": {"name": "pump-model"},
            "nodeName": node,
            "protocol": {"protocolName": "modbus", "configData": {"ip": "127.0.0.1", "port": 502}},
            "properties": [visited("speed", 0), visited("label", 10)],
        },
    }
