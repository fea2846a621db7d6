"""The cloud's certificate authority: a folder with the CA's key, from which every certificate of ours comes.

Each identity is one PEM file, key and certificate together, readable by its owner only and replaced whole, so that a
key never stands beside another's certificate. Processes that share the folder agree by a lock on it. An owner who
brings a CA (KubeEdge's, say) puts its key and its certificate into `ca.pem` before the first start.
"""

from __future__ import annotations

import fcntl
import os
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID

from cloud_sync.certificates import DAY, Identity, Period, general_name, names, new_ca, read_identity, sign
from link.enrolment import NODES, OPERATORS, common_name, fingerprint
from link.limits import CSR_BYTES
from twin.durable_file import replace

__all__ = ["NODE_LIFETIME", "Authority", "AuthorityError", "BadRequest"]

NODE_LIFETIME = 365 * DAY
"""Seconds for which a node's certificate is good unless said otherwise, as in KubeEdge."""
_CA_LIFETIME = 36_500 * DAY
_SERVER_LIFETIME = 365 * DAY
_OPERATOR_LIFETIME = 5 * 365 * DAY
_RENEW_AT = 1 / 3
"""The part of its lifetime that is left when a certificate of the cloud's own is replaced."""
_SKEW = 3_600.0
"""Seconds by which clocks of edges may be slow: so long before now the cloud's own certificates begin."""


class AuthorityError(Exception):
    """The folder cannot be used; the message says what to do."""


class BadRequest(ValueError):
    """No certificate can be made of this request; the text says why."""


class Authority:
    """Signs. `open` makes or reads it; all times are Unix seconds. Blocks only for its few small files."""

    def __init__(self, folder: Path, ca: Identity, clock: Callable[[], float]) -> None:
        self._folder, self._ca, self._clock = folder, ca, clock
        self.ca_der = ca.certificate.public_bytes(Encoding.DER)
        self.ca_pem = ca.certificate.public_bytes(Encoding.PEM).decode()
        self.ca_hash = fingerprint(self.ca_der)

    @classmethod
    def open(cls, folder: Path, *, clock: Callable[[], float] = time.time) -> Authority:
        """The authority of this folder, made when there is none. Raises `AuthorityError`."""
        with _locked(folder):
            found = _read(folder / "ca.pem")
            if found is None:
                found = new_ca("twinhub", Period(clock() - _SKEW, clock() + _CA_LIFETIME))
                _write(folder / "ca.pem", found.pem())
        return cls(folder, found, clock)

    @property
    def token_key(self) -> bytes:
        """What join tokens are signed with: the CA's private key in DER (SEC 1), as in KubeEdge."""
        return self._ca.key.private_bytes(Encoding.DER, PrivateFormat.TraditionalOpenSSL, NoEncryption())

    def sign_node(self, csr: bytes, node: str, lifetime: float = NODE_LIFETIME) -> bytes:
        """The node's certificate (DER) for a request (PKCS#10, DER) whose CN is the node's and whose key is EC P-256.
        Of the request only CN and key are used: the organisation is always that of nodes, the use a client's.
        Raises `BadRequest`."""
        request, key = _read_request(csr)
        name = request.subject.get_attributes_for_oid(NameOID.COMMON_NAME)
        if [attribute.value for attribute in name] != [common_name(node)]:
            raise BadRequest(f"the request's CN must be {common_name(node)}")
        organisation = x509.NameAttribute(NameOID.ORGANIZATION_NAME, NODES)
        now = self._clock()
        certificate = sign(self._ca, x509.Name([organisation, *name]), key, Period(now, now + lifetime))
        return certificate.public_bytes(Encoding.DER)

    def server_identity(self, hosts: Sequence[str]) -> Path:
        """The PEM file with key and certificate of the cloud's servers, good for these host names and IP addresses
        (those it was good for stay, as another process may answer to them) and for the time to come: call again to
        have it renewed. Raises `AuthorityError`."""
        try:
            wanted = {str(general_name(host).value) for host in hosts}
        except ValueError as error:
            raise AuthorityError(f"a server cannot be called so: {error}") from None
        path = self._folder / "server.pem"
        with _locked(self._folder):
            found = self._fresh(path)
            known = set(names(found.certificate)) if found else set()
            if not found or not wanted <= known:
                _write(path, self._issue("twinhub cloud", None, _SERVER_LIFETIME, sorted(wanted | known)).pem())
        return path

    def server_renewal(self) -> float:
        """Seconds until `server_identity` is to be asked again; 0 = now."""
        found = _read(self._folder / "server.pem")
        if found is None:
            return 0.0
        period = Period.of(found.certificate)
        return max(0.0, (period.left(self._clock()) - _RENEW_AT) * (period.end - period.start))

    def ends(self) -> dict[str, float]:
        """When the certificates of the CA (`ca`) and, once there is one, of the servers (`server`) expire."""
        server = _read(self._folder / "server.pem")
        ends = {"ca": Period.of(self._ca.certificate).end}
        return ends | ({"server": Period.of(server.certificate).end} if server else {})

    def operator_identity(self) -> Path:
        """The PEM file with which an operator acts: key, certificate, and the CA's by which the cloud is known."""
        path = self._folder / "operator.pem"
        with _locked(self._folder):
            if self._fresh(path) is None:
                issued = self._issue("operator", OPERATORS, _OPERATOR_LIFETIME, None)
                _write(path, issued.pem() + self.ca_pem.encode())
        return path

    def _fresh(self, path: Path) -> Identity | None:
        """What stands in the file, if this CA made it and it need not be renewed."""
        found = _read(path)
        if found is None or Period.of(found.certificate).left(self._clock()) < _RENEW_AT:
            return None
        try:
            found.certificate.verify_directly_issued_by(self._ca.certificate)
        except (ValueError, TypeError, InvalidSignature):
            return None
        return found

    def _issue(self, name: str, organisation: str | None, lifetime: float, hosts: Sequence[str] | None) -> Identity:
        key = ec.generate_private_key(ec.SECP256R1())
        subject = [x509.NameAttribute(NameOID.COMMON_NAME, name)]
        if organisation:
            subject.insert(0, x509.NameAttribute(NameOID.ORGANIZATION_NAME, organisation))
        now = self._clock()
        period = Period(now - _SKEW, now + lifetime)
        return Identity(key, sign(self._ca, x509.Name(subject), key.public_key(), period, hosts=hosts))


def _read_request(csr: bytes) -> tuple[x509.CertificateSigningRequest, ec.EllipticCurvePublicKey]:
    if not 0 < len(csr) <= CSR_BYTES:
        raise BadRequest(f"a certificate request of {len(csr):,} bytes; it must have some, and at most {CSR_BYTES:,}")
    try:
        request = x509.load_der_x509_csr(csr)
        key = request.public_key()
    except (ValueError, TypeError, UnsupportedAlgorithm, x509.InvalidVersion) as error:
        raise BadRequest(f"failed to parse csr: {error}") from None
    if not isinstance(key, ec.EllipticCurvePublicKey) or not isinstance(key.curve, ec.SECP256R1):
        raise BadRequest("the request's key must be EC P-256")
    if not _signed(request):
        raise BadRequest("the request is not signed with its own key")
    return request, key


def _signed(request: x509.CertificateSigningRequest) -> bool:
    try:
        return request.is_signature_valid
    except (ValueError, TypeError, UnsupportedAlgorithm):
        return False


@contextmanager
def _locked(folder: Path) -> Iterator[None]:
    """Hold the folder against the other processes; whatever goes wrong with it becomes an `AuthorityError`."""
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        descriptor = os.open(folder / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX)
            yield
        finally:
            os.close(descriptor)
    except OSError as error:
        raise AuthorityError(f"cannot use {error.filename or folder}: {error.strerror}") from error


def _read(path: Path) -> Identity | None:
    try:
        return read_identity(path.read_bytes())
    except FileNotFoundError:
        return None
    except (ValueError, TypeError, UnsupportedAlgorithm, IndexError) as error:
        raise AuthorityError(
            f"{path} holds no EC key with its certificate ({error}); put back a copy. Without a copy of ca.pem all "
            "edges must join again; any other file here may be removed and is made anew"
        ) from None


def _write(path: Path, pem: bytes) -> None:
    replace(path, pem, mode=0o600)
