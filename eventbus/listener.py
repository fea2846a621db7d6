"""Where a private broker is reached."""

from __future__ import annotations

import socket
from pathlib import Path
from typing import NamedTuple

from eventbus.transport import BusError

__all__ = ["Listener", "check_free", "together"]


class Listener(NamedTuple):
    """An address of this machine; encrypted where there are a certificate and its key (PEM files)."""

    host: str
    port: int
    certificate: Path | None = None
    key: Path | None = None


def together(local: Listener, outside: Listener | None) -> tuple[Listener, ...]:
    """Both, or only the outer one where it takes in the local one."""
    if outside is None:
        return (local,)
    if outside.port == local.port and outside.host in ("0.0.0.0", local.host):  # noqa: S104
        return (outside,)
    return (local, outside)


def check_free(listener: Listener) -> None:
    """Ours must be the one that answers there. Raises `BusError`."""
    family = socket.AF_INET6 if ":" in listener.host else socket.AF_INET
    with socket.socket(family) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((listener.host, listener.port))
        except OSError as error:
            raise BusError(
                f"the private broker cannot listen on {listener.host}:{listener.port}: {error.strerror}; choose"
                f" another port, or use the broker that runs there by its address"
            ) from None
