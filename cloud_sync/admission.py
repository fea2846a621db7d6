"""Whether an edge may connect: its certificate must name the node it says it is, always. Pure, but for the log.

KubeEdge compares the two only when asked to, accepts who does not say what the connection is for, and serves nobody
above its limit without a word; none of that is imitated.
"""

from __future__ import annotations

import logging
from collections import OrderedDict
from collections.abc import Callable
from http import HTTPStatus
from typing import Protocol

from link.enrolment import NODES
from link.handshake import Hello

__all__ = ["NotAdmitted", "RefusalLog", "admit"]

logger = logging.getLogger("cloud_sync")


class NotAdmitted(Exception):
    """The handshake is answered with this status and one line of text."""

    def __init__(self, status: HTTPStatus, reason: str) -> None:
        super().__init__(reason)
        self.status = status


class PeerCertificate(Protocol):
    """What the client's certificate says; TLS has verified that our authority made it."""

    @property
    def node(self) -> str: ...
    @property
    def serial(self) -> int: ...
    @property
    def not_after(self) -> float: ...
    @property
    def organisation(self) -> str: ...


def admit(hello: Hello, peer: PeerCertificate, now: float, revoked: Callable[[], bool], room: bool) -> None:
    """Raises `NotAdmitted` unless this edge may connect. `now`: Unix seconds; `room`: the node limit allows it."""
    if peer.organisation != NODES or not peer.node:
        raise NotAdmitted(HTTPStatus.FORBIDDEN, "the certificate is not one of a node: join with a token")
    if peer.node != hello.node:
        raise NotAdmitted(
            HTTPStatus.FORBIDDEN, f"the certificate is for node {peer.node}, the header Node_id says {hello.node}"
        )
    if peer.not_after <= now:
        raise NotAdmitted(HTTPStatus.FORBIDDEN, f"the certificate of node {peer.node} has expired: renew it")
    if revoked():
        raise NotAdmitted(
            HTTPStatus.FORBIDDEN, f"node {peer.node} is revoked: join again with a new token, if it may come back"
        )
    if not room:
        raise NotAdmitted(HTTPStatus.SERVICE_UNAVAILABLE, "this cloud process has all the nodes it takes: try later")


class RefusalLog:
    """Says once for each node and reason that it was refused, and again after the node was admitted."""

    LIMIT = 10_000

    def __init__(self) -> None:
        self.count = 0
        """Handshakes refused."""
        self._said: OrderedDict[tuple[str, str], None] = OrderedDict()

    def refused(self, node: str, address: str, reason: str) -> None:
        """Count it; log it unless it was said."""
        self.count += 1
        if (node, reason) in self._said:
            return
        self._said[node, reason] = None
        if len(self._said) > self.LIMIT:
            self._said.popitem(last=False)
        logger.warning("refused a connection of node %s from %s: %s", node or "(not said)", address, reason)

    def admitted(self, node: str) -> None:
        """What was wrong with it is over."""
        for known in [known for known in self._said if known[0] == node]:
            del self._said[known]
