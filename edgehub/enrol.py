"""The edge's side of enrolment: two blocking HTTPS requests, and what it means when they fail."""

from __future__ import annotations

import http.client
import socket
import ssl
from collections.abc import Mapping
from datetime import UTC, datetime

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import NameOID

from link.enrolment import (
    CA_PATH,
    CERTIFICATE_PATH,
    NODE_HEADER,
    NODES,
    JoinToken,
    bearer,
    common_name,
    fingerprint,
)
from link.handshake import valid_node

__all__ = [
    "CloudUnreachable",
    "EnrolmentError",
    "EnrolmentRefused",
    "WrongClock",
    "WrongCloud",
    "fetch_ca",
    "fetch_certificate",
    "trusting",
]

_TIMEOUT = 15.0
"""Seconds for the cloud to connect, and then for each of its packets."""
_ANSWER_BYTES = 64 * 1024
_COMMON_NAME_CHARACTERS = 64
"""Of an X.509 name (RFC 5280, ub-common-name)."""
_TIMES = {9: "not valid yet", 10: "expired"}
"""X509_V_ERR_CERT_NOT_YET_VALID and …_HAS_EXPIRED of OpenSSL."""
_OTHER_NAMES = (62, 64)
"""X509_V_ERR_HOSTNAME_MISMATCH and …_IP_ADDRESS_MISMATCH."""


class EnrolmentError(Exception):
    """This edge has no new certificate; the message says why, and what to do."""


class CloudUnreachable(EnrolmentError):
    """Nobody answers, or not in time: worth another attempt."""


class WrongCloud(EnrolmentError):
    """What answers is not the cloud that was meant."""


class WrongClock(EnrolmentError):
    """The clock of this machine, or of the cloud's, is wrong."""


class EnrolmentRefused(EnrolmentError):
    """The cloud says no, and why."""


def fetch_ca(host: str, port: int, token: JoinToken) -> x509.Certificate:
    """The CA of the cloud that made the token. Raises `EnrolmentError`."""
    anyone = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    anyone.check_hostname, anyone.verify_mode = False, ssl.CERT_NONE
    der = _get(host, port, anyone, CA_PATH)
    if fingerprint(der) != token.ca:
        raise WrongCloud(
            f"the cloud at {host}:{port} is not the one that made this token (its CA has the SHA-256 "
            f"{fingerprint(der)[:16]}…, the token names {token.ca[:16]}…); check the address, or ask for a new token"
        )
    try:
        ca = x509.load_der_x509_certificate(der)
    except ValueError as error:
        raise WrongCloud(f"the CA's certificate from {host}:{port} cannot be read: {error}") from None
    if ca.not_valid_before_utc > datetime.now(UTC):
        raise WrongClock(f"the cloud's CA is valid from {ca.not_valid_before_utc:%Y-%m-%d %H:%M} UTC; {_our_clock()}")
    return ca


def fetch_certificate(
    host: str,
    port: int,
    node: str,
    key: ec.EllipticCurvePrivateKey,
    ca: x509.Certificate,
    *,
    token: JoinToken | None = None,
    context: ssl.SSLContext | None = None,
) -> x509.Certificate:
    """The node's certificate for this key: for a token, or with a context that shows the certificate it has. Raises
    `EnrolmentError`."""
    headers = {NODE_HEADER: node} | ({"Authorization": bearer(token.jwt)} if token else {})
    der = _get(host, port, context or trusting(ca), CERTIFICATE_PATH, _request(node, key), headers)
    try:
        certificate = x509.load_der_x509_certificate(der)
        certificate.verify_directly_issued_by(ca)
    except (ValueError, TypeError, InvalidSignature):
        raise WrongCloud(f"{host}:{port} answered with something that is no certificate of its CA") from None
    names = [name.value for name in certificate.subject.get_attributes_for_oid(NameOID.COMMON_NAME)]
    if certificate.public_key() != key.public_key() or names != [common_name(node)]:
        raise WrongCloud(f"{host}:{port} answered with a certificate that is not for {node} and its key")
    return certificate


def trusting(ca: x509.Certificate) -> ssl.SSLContext:
    """For connections to servers of this CA, whose names are verified; TLS 1.2 or newer."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.load_verify_locations(cadata=ca.public_bytes(Encoding.PEM).decode())
    return context


def _request(node: str, key: ec.EllipticCurvePrivateKey) -> bytes:
    """A certificate request (PKCS#10, DER), its subject as edgecore's."""
    most = _COMMON_NAME_CHARACTERS - len(common_name(""))
    if not valid_node(node) or len(node) > most:
        raise EnrolmentError(
            f"{node[:80]!r} cannot be a node's name: write lower-case letters, digits, dashes and dots, a letter or "
            f"a digit at both ends, at most {most} characters"
        )
    organisation = x509.NameAttribute(NameOID.ORGANIZATION_NAME, NODES)
    name = x509.NameAttribute(NameOID.COMMON_NAME, common_name(node))
    builder = x509.CertificateSigningRequestBuilder().subject_name(x509.Name([organisation, name]))
    return builder.sign(key, SHA256()).public_bytes(Encoding.DER)


def _get(
    host: str,
    port: int,
    context: ssl.SSLContext,
    path: str,
    body: bytes | None = None,
    headers: Mapping[str, str] | None = None,
) -> bytes:
    """The body of a good answer. Whatever else happens is an `EnrolmentError`."""
    where = f"{host}:{port}"
    connection = http.client.HTTPSConnection(host, port, timeout=_TIMEOUT, context=context)
    try:
        connection.request("GET", path, body, dict(headers or {}))
        response = connection.getresponse()
        status, answer = response.status, response.read(_ANSWER_BYTES + 1)
    except ssl.SSLCertVerificationError as error:
        raise _not_trusted(where, host, error) from None
    except ssl.SSLError as error:
        raise WrongCloud(f"no TLS with {where}: {error.reason or error}; is this the cloud's port?") from None
    except socket.gaierror as error:
        raise CloudUnreachable(f"no host is called {host}: {error.strerror}; check the name") from None
    except OSError as error:
        why = error.strerror or str(error) or type(error).__name__
        raise CloudUnreachable(f"cannot reach the cloud at {where}: {why}; is it running there?") from None
    except (http.client.HTTPException, ValueError) as error:
        raise WrongCloud(f"what answers at {where} is no cloud: {str(error) or type(error).__name__}") from None
    finally:
        connection.close()
    if status != http.HTTPStatus.OK:
        raise EnrolmentRefused(f"the cloud at {where} refuses: {_text(answer)} (status {status})")
    if len(answer) > _ANSWER_BYTES:
        raise WrongCloud(f"what answers at {where} is no cloud: its answer has more than {_ANSWER_BYTES:,} bytes")
    return answer


def _not_trusted(where: str, host: str, error: ssl.SSLCertVerificationError) -> EnrolmentError:
    if state := _TIMES.get(error.verify_code):
        return WrongClock(f"the certificate of the cloud at {where} is {state}; {_our_clock()}")
    if error.verify_code in _OTHER_NAMES:
        return WrongCloud(
            f"the certificate of the cloud at {where} is not for {host}; use a name that it is for, or add this one "
            "to `hosts` in the cloud's settings"
        )
    return WrongCloud(f"what answers at {where} is not the cloud this edge trusts: {error.verify_message}")


def _our_clock() -> str:
    return f"this machine's clock says {datetime.now(UTC):%Y-%m-%d %H:%M} UTC: set it, if that is wrong"


def _text(answer: bytes) -> str:
    """The first line of an answer, fit for a terminal."""
    line = answer[:500].decode("utf-8", "replace").strip().partition("\n")[0]
    return "".join(c for c in line if c.isprintable()) or "without a reason"
