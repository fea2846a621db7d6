"""TLS of the cloud's servers, and who is at the other end of a connection."""

from __future__ import annotations

import asyncio
import logging
import ssl
from collections.abc import Sequence
from typing import NamedTuple

from cryptography import x509
from cryptography.x509.oid import NameOID

from cloud_sync.authority import Authority, AuthorityError
from cloud_sync.certificates import Period
from link.enrolment import NODES, node_of

__all__ = ["NotANode", "Peer", "bootstrap_context", "hub_context", "keep_fresh", "peer", "peer_node"]

logger = logging.getLogger("cloud_sync")

_NO_CHECK_TIME = 0x200000
"""X509_V_FLAG_NO_CHECK_TIME of OpenSSL, which `ssl` has no name for."""
_LOOK = 3_600.0
"""Seconds between looks at the servers' certificate: the clock may be set meanwhile."""
_CIPHERS = "ECDHE+AESGCM:ECDHE+CHACHA20"
"""For TLS 1.2; 1.3 has its own."""


class NotANode(Exception):
    """The certificate at the other end, if there is one, is no node's; the text says why."""


class Peer(NamedTuple):
    """Whom a certificate of our CA names. Times are Unix seconds."""

    node: str
    """Empty = it is no node."""
    organisation: str
    serial: str
    """Of the certificate: hex digits."""
    issued_at: float
    not_after: float


def hub_context(authority: Authority, hosts: Sequence[str]) -> ssl.SSLContext:
    """For the links: TLS 1.2 or newer, and no connection without a valid certificate of our CA."""
    context = _context(authority, hosts)
    context.verify_mode = ssl.CERT_REQUIRED
    return context


def bootstrap_context(authority: Authority, hosts: Sequence[str]) -> ssl.SSLContext:
    """For enrolment and operators: a certificate may be shown, and must then be of our CA. It may be expired, so that
    a node that was away can renew: whoever trusts it must look at `Peer.not_after`."""
    context = _context(authority, hosts)
    context.verify_mode = ssl.CERT_OPTIONAL
    context.verify_flags |= ssl.VerifyFlags(_NO_CHECK_TIME)
    return context


async def keep_fresh(authority: Authority, hosts: Sequence[str], contexts: Sequence[ssl.SSLContext]) -> None:
    """Renew the servers' certificate before it expires, for as long as this runs; new connections get the new one."""
    while True:
        try:
            await asyncio.sleep(min(authority.server_renewal(), _LOOK))
            pem = await asyncio.to_thread(authority.server_identity, hosts)
            for context in contexts:
                context.load_cert_chain(pem)
        except (AuthorityError, OSError) as error:
            logger.error("the servers' certificate cannot be renewed: %s", error)
            await asyncio.sleep(_LOOK)


def peer(connection: ssl.SSLObject | ssl.SSLSocket | None) -> Peer | None:
    """Whom the certificate at the other end names; None when none was shown. TLS has checked who signed it."""
    der = connection.getpeercert(binary_form=True) if connection else None
    return _read(der) if der else None


def peer_node(connection: ssl.SSLObject | ssl.SSLSocket | None) -> Peer:
    """The node at the other end. Raises `NotANode`."""
    found = peer(connection)
    if found is None:
        raise NotANode("no client certificate was shown")
    if not found.node:
        raise NotANode(f"the client certificate is no node's: it wants O={NODES} and CN=system:node:<name>")
    return found


def _context(authority: Authority, hosts: Sequence[str]) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.set_ciphers(_CIPHERS)
    # a resumed session would not look at the client's certificate again, nor at its expiry
    context.options |= ssl.OP_NO_TICKET | ssl.OP_NO_RENEGOTIATION
    context.num_tickets = 0
    context.load_verify_locations(cadata=authority.ca_pem)
    context.load_cert_chain(authority.server_identity(hosts))
    return context


def _read(der: bytes) -> Peer:
    certificate = x509.load_der_x509_certificate(der)
    subject, period = certificate.subject, Period.of(certificate)
    organisation, name = _only(subject, NameOID.ORGANIZATION_NAME), _only(subject, NameOID.COMMON_NAME)
    node = (node_of(name) or "") if organisation == NODES else ""
    return Peer(node, organisation, f"{certificate.serial_number:x}", period.start, period.end)


def _only(subject: x509.Name, what: x509.ObjectIdentifier) -> str:
    """The one attribute of this kind; empty when there is none, or a second."""
    found = subject.get_attributes_for_oid(what)
    return str(found[0].value) if len(found) == 1 else ""
