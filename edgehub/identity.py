"""Who this edge is: one file with its key, its certificate, the CA it trusts and the cloud it belongs to.

`identity.pem` is the whole of it, readable by its owner only and replaced whole, so that a crash leaves the old
identity or the new one, never a mixture. Its first line names the cloud; OpenSSL passes over it.
"""

from __future__ import annotations

import ssl
import time
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

__all__ = ["Cloud", "Identity", "NoIdentity"]


class NoIdentity(Exception):
    """This edge belongs to no cloud yet, or its file cannot be used; the message says what to do."""


class Cloud(NamedTuple):
    """Where the cloud is."""

    host: str
    port: int = 10002
    """Enrolment."""
    link_port: int = 10000


class Identity:
    """The identity in a folder. Everything but `exists`, `enrol` and `clear` raises `NoIdentity` when there is none.
    All methods block: for a small file, `enrol` and `renew` for the network."""

    def __init__(self, folder: Path, *, clock: Callable[[], float] = time.time) -> None:
        raise NotImplementedError

    def exists(self) -> bool:
        """Whether this edge has joined a cloud."""
        raise NotImplementedError

    @property
    def node(self) -> str:
        """The node's name."""
        raise NotImplementedError

    @property
    def cloud(self) -> Cloud:
        raise NotImplementedError

    @property
    def not_after(self) -> float:
        """When the certificate expires, Unix seconds."""
        raise NotImplementedError

    @property
    def renew_at(self) -> float:
        """When to renew it, Unix seconds: after 70-90 % of its lifetime, at random for each certificate."""
        raise NotImplementedError

    def ssl_context(self) -> ssl.SSLContext:
        """For connections to the cloud: its name is verified, our certificate is shown, TLS 1.2 or newer."""
        raise NotImplementedError

    def enrol(self, host: str, port: int, node: str, token: str, *, link_port: int = 10000) -> None:
        """Join the cloud at `host` as `node`. Raises `enrol.EnrolmentError`; then the identity is as it was."""
        raise NotImplementedError

    def renew(self) -> None:
        """Get a new certificate with the one we have, expired or not. Raises `enrol.EnrolmentError`."""
        raise NotImplementedError
