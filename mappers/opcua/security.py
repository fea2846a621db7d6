"""Who we are and whom we trust: endpoints, certificates and user tokens of a session about to be opened."""

from __future__ import annotations

import asyncio
import logging
import os
import socket
import threading
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

from asyncua import Client, ua
from asyncua.crypto import security_policies
from asyncua.crypto.cert_gen import generate_private_key, generate_self_signed_app_certificate
from asyncua.crypto.uacrypto import CertProperties
from cryptography import x509
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_der_private_key,
    load_pem_private_key,
)
from cryptography.x509.oid import ExtendedKeyUsageOID

from mappers.mapper import LinkLost
from mappers.opcua import trust
from mappers.opcua.config import OpcuaConfig

log = logging.getLogger("mappers")

APPLICATION_URI = f"urn:{socket.gethostname()}:twinhub"
"""Which must stand in the client's certificate too."""
YEARS = 10
MODES = {
    "None": ua.MessageSecurityMode.None_,
    "Sign": ua.MessageSecurityMode.Sign,
    "SignAndEncrypt": ua.MessageSecurityMode.SignAndEncrypt,
}
_warned: set[str] = set()
_making = threading.Lock()


async def secure(client: Client, config: OpcuaConfig, endpoints: Sequence[ua.EndpointDescription]) -> None:
    """Choose the endpoint that is asked for, and go on only if its certificate is trusted. LinkLost else."""
    policy = getattr(security_policies, f"SecurityPolicy{config.security_policy}")
    mode = MODES[config.mode]
    fitting = [e for e in endpoints if e.SecurityPolicyUri == policy.URI and e.SecurityMode == mode]
    certificate = _leaf(fitting[0].ServerCertificate) if fitting else b""
    if not certificate:
        offered = sorted({f"{_policy_name(e)} {e.SecurityMode.name.rstrip('_')}" for e in endpoints})
        raise LinkLost(
            f"the server has no {config.security_policy} {config.mode}; it has {', '.join(offered) or 'nothing'}"
        )
    await asyncio.to_thread(_check_trust, config, certificate)
    own, key = await asyncio.to_thread(_own_pair, config)
    client.application_uri = _uri_of(own)
    await client.set_security(
        policy,
        CertProperties(own, "der"),
        CertProperties(key, "der"),
        server_certificate=CertProperties(certificate, "der"),
        mode=mode,
    )


async def identify(client: Client, config: OpcuaConfig) -> None:
    """The user for the session. LinkLost when a file is not there."""
    if config.user_name:
        client.set_user(config.user_name)
        client.set_password(await asyncio.to_thread(_password, config))
        if config.security_policy == "None" and config.url not in _warned:
            _warned.add(config.url)
            log.warning(
                "opcua %s: the password of %s goes to a server that has not shown who it is; write a securityPolicy",
                config.url,
                config.user_name,
            )
    elif config.user_certificate:
        certificate, key = await asyncio.to_thread(_pair, config.user_certificate, config.user_private_key)
        client.user_certificate = x509.load_der_x509_certificate(certificate)
        client.user_private_key = load_der_private_key(key, None)


def refusal(error: Exception, config: OpcuaConfig) -> str:
    """What a failed opening means, and what to do."""
    code = getattr(error, "code", None)
    advice = _ADVICE.get(code) if isinstance(code, int) else None
    name = ua.StatusCode(code).name if isinstance(code, int) else str(error) or type(error).__name__
    return f"{name}: {advice.format(user=config.identity)}" if advice else f"{name}"


_ADVICE = {
    ua.StatusCodes.BadUserAccessDenied: "the server does not let {user} in; check userName and password",
    ua.StatusCodes.BadIdentityTokenRejected: "the server does not let {user} in; check userName and password",
    ua.StatusCodes.BadIdentityTokenInvalid: "{user} will not do; perhaps it wants userName or userCertificate",
    ua.StatusCodes.BadSecurityChecksFailed: "perhaps it does not trust this client's certificate; accept it there",
    ua.StatusCodes.BadCertificateUntrusted: "the server does not trust this client's certificate; accept it there",
    ua.StatusCodes.BadCertificateInvalid: "the server does not take this client's certificate",
    ua.StatusCodes.BadCertificateUriInvalid: "the application URI in this client's certificate is not ours",
    ua.StatusCodes.BadSecurityPolicyRejected: "the server offers other securityPolicies",
    ua.StatusCodes.BadTcpEndpointUrlInvalid: "the server knows no such URL; check host and path",
    ua.StatusCodes.BadTooManySessions: "the server has no session free",
}


def _check_trust(config: OpcuaConfig, certificate: bytes) -> None:
    server = trust.server_folder(trust.folder_of(config.trust_folder), config.host, config.port)
    if trust.is_trusted(server, certificate):
        return
    kept = ""
    try:
        trust.reject(server, certificate)
    except OSError as error:
        kept = f" (it cannot be kept there: {error.strerror})"
    known = any(each.state == "trusted" for each in trust.certificates(server))
    what = "has changed and is" if known else "is"
    raise LinkLost(
        f"the server's certificate {what} not trusted: SHA-256 {trust.fingerprint(certificate)};"
        f" if it is the right one: {trust.advice(server, certificate)}{kept}"
    )


def _leaf(chain: bytes | None) -> bytes:
    """The first certificate of a chain, by the length that stands in it."""
    if not chain or len(chain) < 4:
        return b""
    return chain[: int.from_bytes(chain[2:4], "big") + 4]


def _policy_name(endpoint: ua.EndpointDescription) -> str:
    return str(endpoint.SecurityPolicyUri or "").rpartition("#")[2]


def _password(config: OpcuaConfig) -> str:
    if not config.password_file:
        return config.password
    try:
        return Path(config.password_file).expanduser().read_text().rstrip("\n")
    except (OSError, UnicodeDecodeError) as error:
        raise LinkLost(f"cannot read passwordFile {config.password_file}: {_reason(error)}") from None


def _own_pair(config: OpcuaConfig) -> tuple[bytes, bytes]:
    """This client's certificate and key, in DER; made when there are none."""
    if config.certificate:
        return _pair(config.certificate, config.private_key)
    folder = trust.folder_of(config.trust_folder) / "own"
    certificate, key = folder / "certificate.der", folder / "key.pem"
    try:
        with _making:  # links begin together
            if not (certificate.exists() and key.exists()):
                _make_pair(certificate, key)
    except OSError as error:
        raise LinkLost(f"cannot keep a certificate in {folder}: {error.strerror}; write trustFolder") from None
    return _pair(str(certificate), str(key))


def _make_pair(certificate: Path, key: Path) -> None:
    certificate.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    private = generate_private_key()
    names: list[x509.GeneralName] = [
        x509.UniformResourceIdentifier(APPLICATION_URI),
        x509.DNSName(socket.gethostname()),
    ]
    made = generate_self_signed_app_certificate(
        private, "twinhub", {}, names, [ExtendedKeyUsageOID.CLIENT_AUTH], days=365 * YEARS
    )
    with os.fdopen(os.open(key, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as file:
        file.write(private.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    certificate.write_bytes(made.public_bytes(Encoding.DER))


def _pair(certificate: str, key: str) -> tuple[bytes, bytes]:
    """A certificate and its key from files, PEM or DER, in DER."""
    try:
        shown = Path(certificate).expanduser().read_bytes()
        secret = Path(key).expanduser().read_bytes()
    except OSError as error:
        raise LinkLost(f"cannot read {error.filename}: {error.strerror}") from None
    try:
        pem = shown.lstrip().startswith(b"-----")
        loaded = x509.load_pem_x509_certificate(shown) if pem else x509.load_der_x509_certificate(shown)
        load_key = load_pem_private_key if secret.lstrip().startswith(b"-----") else load_der_private_key
        private = load_key(secret, None)
    except (ValueError, TypeError) as error:
        raise LinkLost(f"{certificate} and {key} are no certificate and key: {error}") from None
    if loaded.not_valid_after_utc < datetime.now(UTC):
        log.warning("opcua: the certificate %s has expired; servers may refuse it", certificate)
    return (
        loaded.public_bytes(Encoding.DER),
        private.private_bytes(Encoding.DER, PrivateFormat.PKCS8, NoEncryption()),
    )


def _uri_of(certificate: bytes) -> str:
    """The application URI that stands in a certificate; servers compare it."""
    try:
        names = x509.load_der_x509_certificate(certificate).extensions.get_extension_for_class(
            x509.SubjectAlternativeName
        )
    except x509.ExtensionNotFound:
        return APPLICATION_URI
    uris = names.value.get_values_for_type(x509.UniformResourceIdentifier)
    return uris[0] if uris else APPLICATION_URI


def _reason(error: Exception) -> str:
    return getattr(error, "strerror", None) or "it is no text"
