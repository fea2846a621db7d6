"""How a node gets its certificate: KubeEdge's bootstrap endpoints, on HTTPS where a client certificate is optional.

`GET /ca.crt` hands out the CA's certificate, `GET /edge.crt` signs a node's: for a join token, or for the certificate
the node has already, also when that expired within the grace period. `GET /node/<name>` says whether a node is known.
What differs from KubeEdge is stricter: a certificate is only ever made for the node that the request's CN, the
header `NodeName` (when there is one) and the token all name, with the organisation of nodes, for a client.
"""

from __future__ import annotations

import asyncio
import logging
import math
import time
from collections.abc import Awaitable, Callable
from typing import Any, NamedTuple, Protocol

from aiohttp import web

from cloud_sync.authority import NODE_LIFETIME, Authority, BadRequest
from cloud_sync.certificates import DAY, Period, load, public_key_fingerprint
from cloud_sync.rate_limit import RateLimit
from cloud_sync.tls import NotANode, peer, peer_node
from cloud_sync.tokens import Claims, TokenRefused, Tokens
from link.enrolment import CA_PATH, CERTIFICATE_PATH, NODE_HEADER, NODE_PATH
from link.handshake import valid_node
from link.limits import CSR_BYTES
from twin.store import StoreError

__all__ = ["GRACE", "Nodes", "routes"]

logger = logging.getLogger("cloud_sync")

GRACE = 30 * DAY
"""Seconds after its end during which a certificate may still be renewed, unless said otherwise."""
_BODY_SECONDS = 10.0
"""Within which a certificate request must have arrived."""
_DER = "application/octet-stream"

Handler = Callable[[web.Request], Awaitable[web.Response]]


class Nodes(Protocol):
    """What enrolment asks of the registry."""

    def node(self, name: str) -> object | None:
        """None = not known."""

    def revoked(self, node: str, serial: str, issued_at: float) -> bool:
        """Whether what was issued then must not be accepted any more: a certificate, or a token (serial empty)."""

    async def add_node(self, node: str, **info: Any) -> object:
        """The node has a new certificate: `serial` (hex digits), `issued_at` and `not_after` (Unix seconds), and the
        `address` that got it."""


def routes(
    authority: Authority,
    tokens: Tokens,
    nodes: Nodes,
    *,
    lifetime: float = NODE_LIFETIME,
    grace: float = GRACE,
    limit: RateLimit | None = None,
    clock: Callable[[], float] = time.time,
) -> list[web.RouteDef]:
    """The endpoints. `lifetime`: seconds a certificate is good for; `grace`: seconds after that in which it may still
    be renewed; `limit`: how often an address may ask; `clock`: Unix seconds."""
    issuer = _Issuer(authority, tokens, nodes, lifetime, grace, clock)

    async def ca(_request: web.Request) -> web.Response:
        return web.Response(body=authority.ca_der, content_type=_DER)

    async def node(request: web.Request) -> web.Response:
        name = request.match_info["name"]
        if valid_node(name) and nodes.node(name) is not None:
            return web.Response(text="Node found")
        return web.Response(text="Node not found", status=404)

    paced = RateLimit() if limit is None else limit
    endpoints = {CA_PATH: ca, CERTIFICATE_PATH: issuer.certificate, f"{NODE_PATH}{{name}}": node}
    return [web.get(path, _limited(paced, handler), allow_head=False) for path, handler in endpoints.items()]


class _Refused(Exception):
    """The request is answered with this status and text."""

    def __init__(self, status: int, reason: str) -> None:
        super().__init__(reason)
        self.status = status


class _Grant(NamedTuple):
    """Who may have a certificate, and by what: a token, or the certificate it has."""

    node: str
    token: Claims | None = None


class _Issuer:
    """Answers requests for certificates."""

    def __init__(
        self,
        authority: Authority,
        tokens: Tokens,
        nodes: Nodes,
        lifetime: float,
        grace: float,
        clock: Callable[[], float],
    ) -> None:
        self._authority, self._tokens, self._nodes = authority, tokens, nodes
        self._lifetime, self._grace, self._clock = lifetime, grace, clock

    async def certificate(self, request: web.Request) -> web.Response:
        """`GET /edge.crt`."""
        try:
            grant = self._grant(request)
            return await self._issue(grant, await _body(request), request.remote or "")
        except _Refused as refused:
            logger.warning("%s got no certificate: %s", request.remote, refused)
            return web.Response(text=str(refused), status=refused.status)
        except StoreError as error:
            logger.error("no certificate can be issued: %s", error)
            return web.Response(text="the cloud cannot remember what it issues; try again later", status=503)

    def _grant(self, request: web.Request) -> _Grant:
        """By the certificate where one is shown: edgecore sends an empty token beside it when it renews."""
        named = request.headers.get(NODE_HEADER, "")
        if named and not valid_node(named):
            raise _Refused(400, f"the header {NODE_HEADER} must be the name of a node")
        connection = request.get_extra_info("ssl_object")
        if peer(connection) is None:
            return self._by_token(named, request.headers.get("Authorization", ""))
        return self._by_certificate(named, connection)

    def _by_certificate(self, named: str, connection: Any) -> _Grant:
        failure = f"failed to verify the certificate for edgenode: {named or '?'}, err: "
        try:
            known = peer_node(connection)
        except NotANode as error:
            raise _Refused(401, f"{failure}{error}") from None
        if named and named != known.node:
            raise _Refused(401, f"{failure}it is the certificate of another node")
        if self._nodes.revoked(known.node, known.serial, known.issued_at):
            raise _Refused(401, f"{failure}the node is revoked; it needs a new token to join again")
        if self._clock() >= known.not_after + self._grace:
            raise _Refused(401, f"{failure}it expired too long ago; the node needs a new token to join again")
        return _Grant(known.node)

    def _by_token(self, named: str, authorization: str) -> _Grant:
        try:
            claims = self._tokens.check(_bearer(authorization), named)
        except TokenRefused as refused:
            raise _Refused(401, f"token validation failure, {refused}") from None
        node = named or claims.node
        if not node:
            raise _Refused(400, f"the header {NODE_HEADER} is missing, and the token names no node")
        if self._nodes.revoked(node, "", claims.issued_at):
            raise _Refused(401, "token validation failure, err: the node was revoked after the token was made")
        return _Grant(node, claims)

    async def _issue(self, grant: _Grant, csr: bytes, address: str) -> web.Response:
        """Sign first: a request that cannot be signed costs no token."""
        await self._not_born_revoked(grant.node)
        try:
            der = self._authority.sign_node(csr, grant.node, self._lifetime)
        except BadRequest as error:
            raise _Refused(400, f"failed to sign certs for edgenode {grant.node}, err: {error}") from None
        certificate = load(der)
        if grant.token:
            try:
                await self._tokens.spend(grant.token, public_key_fingerprint(certificate), address)
            except TokenRefused as refused:
                raise _Refused(401, f"token validation failure, {refused}") from None
        period, serial = Period.of(certificate), f"{certificate.serial_number:x}"
        await self._nodes.add_node(
            grant.node, serial=serial, issued_at=period.start, not_after=period.end, address=address
        )
        way = "joined" if grant.token else "renewed its certificate"
        logger.info("node %s %s from %s, until %s", grant.node, way, address, certificate.not_valid_after_utc)
        return web.Response(body=der, content_type=_DER)

    async def _not_born_revoked(self, node: str) -> None:
        """X.509 keeps whole seconds: a certificate made in the second of a revocation would seem older than that."""
        now = self._clock()
        if self._nodes.revoked(node, "", math.floor(now)):
            await asyncio.sleep(math.ceil(now) - now)


def _bearer(authorization: str) -> str:
    if not authorization:
        raise TokenRefused("token is empty")
    parts = authorization.split(" ")
    if len(parts) != 2:
        raise TokenRefused("token cannot be split")
    return parts[1]


def _limited(limit: RateLimit, handler: Handler) -> Handler:
    async def answer(request: web.Request) -> web.Response:
        wait = limit.wait(request.remote or "", time.monotonic())
        if wait:
            headers = {"Retry-After": str(math.ceil(wait))}
            return web.Response(text="too many requests from this address", status=429, headers=headers)
        return await handler(request)

    return answer


async def _body(request: web.Request) -> bytes:
    content = bytearray()
    try:
        async with asyncio.timeout(_BODY_SECONDS):
            async for chunk in request.content.iter_any():
                content += chunk
                if len(content) > CSR_BYTES:
                    raise _Refused(413, f"the body has more than {CSR_BYTES:,} bytes")
    except TimeoutError:
        raise _Refused(408, f"the certificate request did not arrive within {_BODY_SECONDS:g} s") from None
    except (ConnectionError, web.RequestPayloadError):
        raise _Refused(400, "the certificate request broke off") from None
    return bytes(content)
