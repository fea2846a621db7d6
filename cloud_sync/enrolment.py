"""How a node gets its certificate: KubeEdge's bootstrap endpoints, on HTTPS where a client certificate is optional.

`GET /ca.crt` hands out the CA's certificate, `GET /edge.crt` signs a node's: for a join token, or for the certificate
the node has already, also when that expired within the grace period. `GET /node/<name>` says whether a node is known.
What differs from KubeEdge is stricter: a certificate is only ever made for the node that the request's CN, the
header `NodeName` (when there is one) and the token all name, with the organisation of nodes, for a client.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from typing import Any, Protocol

from aiohttp import web

from cloud_sync.authority import NODE_LIFETIME, Authority
from cloud_sync.certificates import DAY
from cloud_sync.rate_limit import RateLimit
from cloud_sync.tokens import Tokens

__all__ = ["GRACE", "Nodes", "routes"]

logger = logging.getLogger("cloud_sync")

GRACE = 30 * DAY
"""Seconds after its end during which a certificate may still be renewed, unless said otherwise."""


class Nodes(Protocol):
    """What enrolment asks of the registry."""

    def node(self, name: str) -> object | None: ...

    def revoked(self, node: str, serial: str, issued_at: float) -> bool: ...

    async def add_node(self, node: str, **info: Any) -> None: ...


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
    be renewed; `limit`: how often an address may ask."""
    raise NotImplementedError
