"""Who this edge is: one file with its key, its certificate, the CA it trusts and the cloud it belongs to.

`identity.pem` is the whole of it, readable by its owner only and replaced whole, so that a crash leaves the old
identity or the new one, never a mixture. Its first line names the cloud; OpenSSL passes over it.
"""

from __future__ import annotations

import random
import ssl
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

import msgspec
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_pem_private_key,
)
from cryptography.x509.oid import NameOID

from edgehub.enrol import CloudUnreachable, EnrolmentError, fetch_ca, fetch_certificate, trusting
from link.enrolment import BadToken, JoinToken, node_of
from twin.durable_file import replace

__all__ = ["Cloud", "Identity", "NoIdentity"]

_TITLE = "twinhub edge identity, cloud: "
_RENEW = (0.7, 0.9)
"""The part of a certificate's lifetime after which it is renewed."""


class NoIdentity(EnrolmentError):
    """This edge belongs to no cloud yet, or its file cannot be used; the message says what to do."""


class Cloud(msgspec.Struct, frozen=True, rename="camel"):
    """Where the cloud is."""

    host: str
    port: int = 10002
    """Enrolment."""
    link_port: int = 10000


class Identity:
    """The identity in a folder, as it stands there now. All methods block: for one small file, `enrol` and `renew`
    for the network. All but `exists` and `enrol` raise `NoIdentity` when there is none."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._path = folder / "identity.pem"

    def exists(self) -> bool:
        """Whether this edge has joined a cloud."""
        return self._path.exists()

    @property
    def node(self) -> str:
        """The node's name."""
        return self._read().node

    @property
    def cloud(self) -> Cloud:
        """The cloud it belongs to."""
        return self._read().cloud

    @property
    def not_after(self) -> float:
        """When the certificate expires, Unix seconds."""
        return self._read().certificate.not_valid_after_utc.timestamp()

    @property
    def renew_at(self) -> float:
        """When to renew it, Unix seconds: after 70-90 % of its lifetime, by chance, but always the same for one
        certificate, so that no restart puts it off."""
        certificate = self._read().certificate
        start, end = certificate.not_valid_before_utc.timestamp(), certificate.not_valid_after_utc.timestamp()
        part = random.Random(certificate.serial_number).uniform(*_RENEW)  # noqa: S311 - spreads load, guards nothing
        return start + part * (end - start)

    def ssl_context(self) -> ssl.SSLContext:
        """For connections to the cloud: its name or address is verified, our certificate is shown, TLS ≥ 1.2."""
        return self._context(self._read())

    def enrol(self, host: str, port: int, node: str, token: str, *, link_port: int = 10000) -> None:
        """Join the cloud whose enrolment is at `host` and `port`, as `node`. Raises `EnrolmentError`; the identity is
        then as it was, and the same call may be made again: the key stays, so a token whose answer was lost is
        still good."""
        try:
            joining = JoinToken.read(token)
        except BadToken as error:
            raise EnrolmentError(str(error)) from None
        ca = fetch_ca(host, port, joining)
        key = self._joining_key()
        try:
            certificate = fetch_certificate(host, port, node, key, ca, token=joining)
        except CloudUnreachable as error:
            raise CloudUnreachable(f"{error} Join again with the same token.") from None
        self._save(_Whole(Cloud(host, port, link_port), key, certificate, ca))
        self._pending.unlink(missing_ok=True)

    def renew(self) -> None:
        """Get a certificate for a new key with the one we have, also when that has expired. Raises
        `EnrolmentError`; the identity is then as it was."""
        old = self._read()
        key = ec.generate_private_key(ec.SECP256R1())
        host, port = old.cloud.host, old.cloud.port
        certificate = fetch_certificate(host, port, old.node, key, old.ca, context=self._context(old))
        self._save(old._replace(key=key, certificate=certificate))

    @property
    def _pending(self) -> Path:
        return self._folder / "joining.pem"

    def _joining_key(self) -> ec.EllipticCurvePrivateKey:
        """The key of a join that did not come to its end, or else a new one."""
        try:
            return _key(self._pending.read_bytes())
        except (OSError, ValueError):
            key = ec.generate_private_key(ec.SECP256R1())
        with _writing(self._folder):
            replace(self._pending, _pem(key), mode=0o600)
        return key

    def _context(self, identity: _Whole) -> ssl.SSLContext:
        context = trusting(identity.ca)
        context.load_cert_chain(self._path)
        return context

    def _read(self) -> _Whole:
        try:
            return _Whole.read(self._path.read_bytes())
        except FileNotFoundError:
            raise NoIdentity(f"this edge has joined no cloud ({self._path} is missing); use `twinhub join`") from None
        except (OSError, ValueError) as error:
            raise NoIdentity(f"{self._path} cannot be used ({error}); use `twinhub join` to make it anew") from None

    def _save(self, identity: _Whole) -> None:
        with _writing(self._folder):
            replace(self._path, identity.text(), mode=0o600)


class _Whole(NamedTuple):
    """What stands in the file."""

    cloud: Cloud
    key: ec.EllipticCurvePrivateKey
    certificate: x509.Certificate
    ca: x509.Certificate

    @property
    def node(self) -> str:
        name = self.certificate.subject.get_attributes_for_oid(NameOID.COMMON_NAME)[0].value
        return node_of(str(name)) or ""

    def text(self) -> bytes:
        title = _TITLE.encode() + msgspec.json.encode(self.cloud) + b"\n"
        return title + _pem(self.key) + b"".join(c.public_bytes(Encoding.PEM) for c in (self.certificate, self.ca))

    @classmethod
    def read(cls, text: bytes) -> _Whole:
        """Raises `ValueError`."""
        title, _, rest = text.partition(b"\n")
        cloud = msgspec.json.decode(title.removeprefix(_TITLE.encode()), type=Cloud)
        certificate, ca = x509.load_pem_x509_certificates(rest)
        found = cls(cloud, _key(rest), certificate, ca)
        if found.key.public_key() != certificate.public_key() or not found.node:
            raise ValueError("key and certificate do not belong together")
        return found


@contextmanager
def _writing(folder: Path) -> Iterator[None]:
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        yield
    except OSError as error:
        raise EnrolmentError(f"cannot write to {folder}: {error.strerror}; choose another with --identity") from None


def _pem(key: ec.EllipticCurvePrivateKey) -> bytes:
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())


def _key(pem: bytes) -> ec.EllipticCurvePrivateKey:
    """Raises `ValueError`."""
    key = load_pem_private_key(pem, None)
    if not isinstance(key, ec.EllipticCurvePrivateKey):
        raise ValueError("the key is no EC key")  # noqa: TRY004 - a file is wrong, not a caller
    return key
