"""A cloud that edges can join, for tests: the real endpoints on loopback, with a clock that can be moved."""

from __future__ import annotations

import http.client
import ssl
import time
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, NamedTuple

from aiohttp import web
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.types import CertificateIssuerPrivateKeyTypes
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import NameOID

from cloud_sync.authority import Authority
from cloud_sync.certificates import DAY, Identity
from cloud_sync.enrolment import routes
from cloud_sync.https import serving
from cloud_sync.rate_limit import RateLimit
from cloud_sync.tls import bootstrap_context
from cloud_sync.tokens import Tokens
from link.enrolment import common_name
from twin.store import open_store

HOSTS = ["127.0.0.1", "localhost"]


class Clock:
    """The time of now, and what was added to it."""

    def __init__(self) -> None:
        self.ahead = 0.0

    def __call__(self) -> float:
        return time.time() + self.ahead


class KnownNodes:
    """What enrolment asks of a registry, in memory."""

    def __init__(self) -> None:
        self.known: dict[str, dict[str, Any]] = {}
        self.revoked_at: dict[str, float] = {}
        self.revoked_serials: set[str] = set()

    def node(self, name: str) -> object | None:
        return self.known.get(name)

    def revoked(self, node: str, serial: str, issued_at: float) -> bool:
        return serial in self.revoked_serials or issued_at < self.revoked_at.get(node, 0.0)

    async def add_node(self, node: str, **info: Any) -> None:
        self.known[node] = info


class Answer(NamedTuple):
    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def text(self) -> str:
        return self.body.decode()


class EnrolmentServer(NamedTuple):
    """What runs, and a client of it."""

    authority: Authority
    tokens: Tokens
    nodes: KnownNodes
    clock: Clock
    port: int

    def ask(
        self,
        path: str,
        body: bytes = b"",
        headers: Iterable[tuple[str, str]] = (),
        *,
        method: str = "GET",
        identity: Path | None = None,
    ) -> Answer:
        """One request, its headers as they are given; `identity`: PEM file with a client certificate. Blocks."""
        context = ssl.create_default_context(cadata=self.authority.ca_pem)
        if identity:
            context.load_cert_chain(identity)
        connection = http.client.HTTPSConnection("127.0.0.1", self.port, timeout=10, context=context)
        try:
            connection.putrequest(method, path)
            for name, value in headers:
                connection.putheader(name, value)
            if body:
                connection.putheader("Content-Length", str(len(body)))
            connection.endheaders(body or None)
            response = connection.getresponse()
            return Answer(response.status, dict(response.getheaders()), response.read())
        finally:
            connection.close()


@asynccontextmanager
async def enrolment_server(
    folder: Path,
    *,
    lifetime: float = 365 * DAY,
    grace: float = 30 * DAY,
    allow_unbound: bool = False,
    limit: RateLimit | None = None,
    store_file: str = "cloud.db",
) -> AsyncIterator[EnrolmentServer]:
    """Serve on a free port."""
    clock, nodes = Clock(), KnownNodes()
    authority = Authority.open(folder / "authority", clock=clock)
    async with open_store(folder / store_file) as store:
        tokens = Tokens(store, authority, allow_unbound=allow_unbound, clock=clock)
        application = web.Application()
        application.add_routes(
            routes(authority, tokens, nodes, lifetime=lifetime, grace=grace, limit=limit, clock=clock)
        )
        async with serving(application, bootstrap_context(authority, HOSTS), "127.0.0.1") as port:
            yield EnrolmentServer(authority, tokens, nodes, clock, port)


def new_key() -> ec.EllipticCurvePrivateKey:
    return ec.generate_private_key(ec.SECP256R1())


def request_for(
    *names: str, key: CertificateIssuerPrivateKeyTypes | None = None, organisation: str = "system:nodes"
) -> bytes:
    """A certificate request (DER) with these CNs."""
    subject = [x509.NameAttribute(NameOID.ORGANIZATION_NAME, organisation)]
    subject += [x509.NameAttribute(NameOID.COMMON_NAME, name) for name in names]
    builder = x509.CertificateSigningRequestBuilder().subject_name(x509.Name(subject))
    return builder.sign(key or new_key(), SHA256()).public_bytes(Encoding.DER)


def node_identity(authority: Authority, node: str, file: Path, lifetime: float = 365 * DAY) -> Path:
    """A PEM file with a node's key and the certificate that this authority makes for it."""
    key = new_key()
    certificate = authority.sign_node(request_for(common_name(node), key=key), node, lifetime)
    file.write_bytes(Identity(key, x509.load_der_x509_certificate(certificate)).pem())
    return file
