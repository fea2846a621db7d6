"""Identities for light edges, signed by the cloud's own authority: one key for all, a certificate for each."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID

from cloud_sync.authority import Authority
from link.enrolment import common_name


def make(authority: Authority, folder: Path, nodes: Iterable[str]) -> None:
    """Write `ca.pem` and a `<node>.pem` for each."""
    folder.mkdir()
    (folder / "ca.pem").write_text(authority.ca_pem)
    key = ec.generate_private_key(ec.SECP256R1())
    pem = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    for node in nodes:
        name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common_name(node))])
        request = x509.CertificateSigningRequestBuilder().subject_name(name).sign(key, SHA256())
        der = authority.sign_node(request.public_bytes(Encoding.DER), node)
        certificate = x509.load_der_x509_certificate(der).public_bytes(Encoding.PEM)
        (folder / f"{node}.pem").write_bytes(certificate + pem)
