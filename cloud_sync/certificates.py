"""Certificates made: what stands in that of the CA, of a server, of a node and of an operator. No files, no clock."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from typing import NamedTuple

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    load_pem_private_key,
)
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from link.enrolment import fingerprint

__all__ = [
    "DAY",
    "Identity",
    "Period",
    "general_name",
    "load",
    "names",
    "new_ca",
    "public_key_fingerprint",
    "read_identity",
    "sign",
]

DAY = 86_400.0
"""Seconds."""
_CLIENT = ExtendedKeyUsageOID.CLIENT_AUTH
_SERVER = ExtendedKeyUsageOID.SERVER_AUTH


class Period(NamedTuple):
    """When a certificate is valid, Unix seconds; X.509 keeps whole ones, the beginning of each second."""

    start: float
    end: float

    @classmethod
    def of(cls, certificate: x509.Certificate) -> Period:
        return cls(certificate.not_valid_before_utc.timestamp(), certificate.not_valid_after_utc.timestamp())

    def left(self, now: float) -> float:
        """Which part of it is still to come: 1 at its start, 0 or less after its end."""
        return (self.end - now) / max(1.0, self.end - self.start)


class Identity(NamedTuple):
    """A private key and the certificate of its public key."""

    key: ec.EllipticCurvePrivateKey
    certificate: x509.Certificate

    def pem(self) -> bytes:
        """Key first, then certificate."""
        key = self.key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
        return key + self.certificate.public_bytes(Encoding.PEM)


def read_identity(pem: bytes) -> Identity:
    """From PEM with a key and a certificate, in either order. Raises `ValueError` when they are not a pair of EC."""
    key, certificate = load_pem_private_key(pem, None), x509.load_pem_x509_certificates(pem)[0]
    if not isinstance(key, ec.EllipticCurvePrivateKey) or key.public_key() != certificate.public_key():
        raise ValueError("the key is no EC key, or the certificate is not of this key")
    return Identity(key, certificate)


def new_ca(name: str, period: Period) -> Identity:
    """A CA that signs its own certificate."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    identifier = x509.SubjectKeyIdentifier.from_public_key(key.public_key())
    builder = _builder(subject, subject, key.public_key(), period)
    builder = builder.add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
    builder = builder.add_extension(_usage(signs=True), critical=True).add_extension(identifier, critical=False)
    return Identity(key, builder.sign(key, SHA256()))


def sign(
    ca: Identity,
    subject: x509.Name,
    key: ec.EllipticCurvePublicKey,
    period: Period,
    *,
    hosts: Sequence[str] | None = None,
) -> x509.Certificate:
    """A certificate of the CA: for a TLS server that answers to `hosts`, or without them for a client."""
    usage = x509.ExtendedKeyUsage([_CLIENT if hosts is None else _SERVER])
    issuer = x509.AuthorityKeyIdentifier.from_issuer_subject_key_identifier(_key_identifier(ca.certificate))
    builder = _builder(subject, ca.certificate.subject, key, period)
    builder = builder.add_extension(_usage(signs=False), critical=True)
    builder = builder.add_extension(usage, critical=False).add_extension(issuer, critical=False)
    if hosts is not None:
        alternatives = x509.SubjectAlternativeName([general_name(host) for host in hosts])
        builder = builder.add_extension(alternatives, critical=False)
    return builder.sign(ca.key, SHA256())


def general_name(host: str) -> x509.GeneralName:
    """A host name or an IP address as it stands in a server's certificate. Raises `ValueError`."""
    try:
        return x509.IPAddress(ip_address(host))
    except ValueError:
        return x509.DNSName(host.rstrip(".").encode("idna").decode())


def load(der: bytes) -> x509.Certificate:
    """From DER. Raises `ValueError`."""
    return x509.load_der_x509_certificate(der)


def public_key_fingerprint(certificate: x509.Certificate) -> str:
    """SHA-256 of the public key (DER), 64 hex digits."""
    return fingerprint(certificate.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo))


def names(certificate: x509.Certificate) -> list[str]:
    """The hosts a server's certificate is good for."""
    try:
        alternatives = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except x509.ExtensionNotFound:
        return []
    return [str(name.value) for name in alternatives]


def _key_identifier(ca: x509.Certificate) -> x509.SubjectKeyIdentifier:
    """As the CA states it: how it is derived from the key is each CA's own choice, and both must be the same."""
    try:
        return ca.extensions.get_extension_for_class(x509.SubjectKeyIdentifier).value
    except x509.ExtensionNotFound:
        return x509.SubjectKeyIdentifier.from_public_key(ca.public_key())


def _builder(
    subject: x509.Name, issuer: x509.Name, key: ec.EllipticCurvePublicKey, period: Period
) -> x509.CertificateBuilder:
    start = datetime.fromtimestamp(int(period.start), UTC)
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key)
        .serial_number(x509.random_serial_number())
        .not_valid_before(start)
        .not_valid_after(start + timedelta(seconds=int(period.end - period.start)))
    )


def _usage(*, signs: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=True,
        content_commitment=False,
        key_encipherment=not signs,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=signs,
        crl_sign=signs,
        encipher_only=False,
        decipher_only=False,
    )
