"""Where a broker is: a session's URL and certificates, checked and opened."""

from __future__ import annotations

import asyncio
import ssl
from dataclasses import dataclass
from typing import Self, TypeVar
from urllib.parse import urlsplit

from eventbus.transport import BusError, Session

PORTS = {"mqtt": 1883, "mqtts": 8883}
CONNECT_TIMEOUT = 10.0
"""Seconds for TCP and TLS together, and again for the broker's answer."""

ProtocolT = TypeVar("ProtocolT", bound=asyncio.BaseProtocol)


@dataclass(frozen=True, slots=True)
class Endpoint:
    """A broker's address. `str()` of it is safe to log: it holds no credentials."""

    scheme: str
    host: str
    """The host's name or address; the socket's path when the scheme is `unix`."""
    port: int
    tls: ssl.SSLContext | None

    @classmethod
    def of(cls, session: Session) -> Self:
        """Check what `session` says about the broker and ourselves; BusError names what to write instead."""
        _check_limits(session)
        scheme, host, port = _split(session.url)
        return cls(scheme, host, port, _tls(session, scheme))

    def __str__(self) -> str:
        if self.scheme == "unix":
            return f"unix://{self.host}"
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{self.scheme}://{host}:{self.port}"

    async def open(self, protocol: ProtocolT) -> ProtocolT:
        """Connect `protocol`. OSError when it may work later, BusError when the certificates do not fit."""
        loop = asyncio.get_running_loop()
        try:
            async with asyncio.timeout(CONNECT_TIMEOUT):
                if self.scheme == "unix":
                    await loop.create_unix_connection(lambda: protocol, self.host)
                else:
                    await loop.create_connection(lambda: protocol, self.host, self.port, ssl=self.tls)
        except ssl.SSLError as error:
            raise self.tls_failure(error) from None
        return protocol

    def tls_failure(self, error: ssl.SSLError) -> OSError | BusError:
        """What a failed handshake means: OSError when the broker only went away, else what the user can do."""
        if isinstance(error, ssl.SSLEOFError | ssl.SSLZeroReturnError):
            return ConnectionError(f"it closed the connection during the TLS handshake with {self}")
        if isinstance(error, ssl.SSLCertVerificationError):
            advice = "give the CA that signed the broker's certificate, and use the host name it was made for"
        else:
            advice = "check that the broker's port speaks TLS, and that it accepts our certificate and key"
        return BusError(f"no TLS with the broker at {self}: {error.reason or error}; {advice}")


def _check_limits(session: Session) -> None:
    if not session.client_id:
        raise BusError("an MQTT session needs a client id")
    for name, value in (("keepalive", session.keepalive), ("receive_maximum", session.receive_maximum)):
        if not 1 <= value <= 65535:
            raise BusError(f"MQTT {name} is {value}; it must be from 1 to 65535")
    if not 0 <= session.expiry <= 0xFFFFFFFF:
        raise BusError(f"MQTT session expiry is {session.expiry} s; it must be from 0 to {0xFFFFFFFF}")


def _split(url: str) -> tuple[str, str, int]:
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError as error:
        raise BusError(f"the broker's address cannot be read ({error}); write mqtt://HOST:PORT") from None
    if "@" in parts.netloc:
        raise BusError("the broker's address holds a user name or password; give them as settings of their own")
    if parts.scheme == "unix":
        return "unix", _socket_path(url, parts.netloc, parts.path), 0
    extra = parts.path.strip("/") or parts.query or parts.fragment
    if parts.scheme not in PORTS or not parts.hostname or port == 0 or extra:
        raise BusError(
            f"{url!r} is no broker address; write mqtt://HOST:PORT, mqtts://HOST:PORT or unix:///path/to/socket"
        )
    return parts.scheme, parts.hostname, port or PORTS[parts.scheme]


def _socket_path(url: str, netloc: str, path: str) -> str:
    if netloc or not path:
        raise BusError(f"{url!r} names no socket; write unix:///path/to/socket with three slashes")
    return path


def _tls(session: Session, scheme: str) -> ssl.SSLContext | None:
    if scheme != "mqtts":
        if session.ca_file or session.cert_file or session.key_file:
            raise BusError("certificates are given but the address is not encrypted; write mqtts://HOST:PORT")
        return None
    if session.key_file and not session.cert_file:
        raise BusError(f"the key {session.key_file} is given without its certificate; give both")
    try:
        context = ssl.create_default_context(cafile=session.ca_file)
        if session.cert_file:
            context.load_cert_chain(session.cert_file, session.key_file)
    except OSError as error:
        files = ", ".join(f for f in (session.ca_file, session.cert_file, session.key_file) if f)
        raise BusError(f"the TLS files ({files}) cannot be used: {error}; give PEM files that we may read") from None
    return context
