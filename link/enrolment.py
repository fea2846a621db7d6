"""What an edge and its cloud say to each other while it joins: KubeEdge's bootstrap, as text and back.

A join token is `<hex SHA-256 of the CA's certificate in DER>.<JWT>`: the first part lets the edge recognise its
cloud, the rest lets the cloud recognise the edge.
"""

from __future__ import annotations

import hashlib
import re
from typing import NamedTuple

from link.handshake import valid_node
from link.limits import TOKEN_CHARACTERS

__all__ = [
    "CA_PATH",
    "CERTIFICATE_PATH",
    "NODES",
    "NODE_HEADER",
    "NODE_PATH",
    "OPERATORS",
    "BadToken",
    "JoinToken",
    "bearer",
    "common_name",
    "fingerprint",
    "node_of",
]

CA_PATH = "/ca.crt"
"""GET: the CA's certificate, DER."""
CERTIFICATE_PATH = "/edge.crt"
"""GET with a certificate request (PKCS#10, DER) as body: the node's certificate, DER."""
NODE_PATH = "/node/"
"""GET of this and a node's name: whether the cloud knows the node."""
NODE_HEADER = "NodeName"
"""Names the node that asks for a certificate."""
NODES = "system:nodes"
"""Organisation in the certificate of every node."""
OPERATORS = "twinhub:operators"
"""Organisation in the certificates of the people who run the cloud."""

_COMMON_NAME = "system:node:"
_TOKEN = re.compile(r"([0-9a-fA-F]{64})\.([A-Za-z0-9_-]+\.[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+)")


class BadToken(ValueError):
    """The text is no join token; it says what one looks like, never what was given."""


class JoinToken(NamedTuple):
    """A join token, taken apart."""

    ca: str
    """SHA-256 of the CA's certificate (DER), 64 lower-case hex digits."""
    jwt: str
    """What the cloud wants to see."""

    def __str__(self) -> str:
        return f"{self.ca}.{self.jwt}"

    @classmethod
    def read(cls, text: str) -> JoinToken:
        """From its text, blanks around it passed over. Raises `BadToken`."""
        text = text.strip()
        match = _TOKEN.fullmatch(text)
        if match is None or len(text) > TOKEN_CHARACTERS:
            raise BadToken(
                "this is no join token: it has four parts joined by dots, the first of 64 hex digits; "
                "copy the whole of it"
            )
        return cls(match[1].lower(), match[2])


def fingerprint(der: bytes) -> str:
    """SHA-256 of a certificate or a public key in DER, 64 hex digits."""
    return hashlib.sha256(der).hexdigest()


def bearer(jwt: str) -> str:
    """The value of the header Authorization."""
    return f"Bearer {jwt}"


def common_name(node: str) -> str:
    """CN of a node's certificate."""
    return _COMMON_NAME + node


def node_of(name: str) -> str | None:
    """The node whose CN this is; None when it is no node's."""
    node = name.removeprefix(_COMMON_NAME)
    return node if node != name and valid_node(node) else None
