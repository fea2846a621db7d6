"""Where the engine of this node listens."""

from __future__ import annotations

import os
from pathlib import Path

from edged.runtime import RuntimeUnavailable

__all__ = ["find", "socket_of"]

VARIABLE = "CONTAINER_RUNTIME_ENDPOINT"
"""Of the environment, as crictl has it."""
SOCKETS = (Path("/run/containerd/containerd.sock"), Path("/run/crio/crio.sock"))
_SCHEME = "unix://"


def find() -> str:
    """The one in the environment, else the first that is there. RuntimeUnavailable."""
    if named := os.environ.get(VARIABLE):
        return named
    for socket in SOCKETS:
        if socket.exists():
            return str(socket)
    places = " nor at ".join(map(str, SOCKETS))
    raise RuntimeUnavailable(
        f"no container engine listens at {places}: install containerd and start its service "
        f"(`apt-get install containerd runc`), or name its socket in {VARIABLE}"
    )


def socket_of(endpoint: str) -> Path:
    """Of `unix:///path` or a path. RuntimeUnavailable: there is none that may be opened."""
    path = Path(endpoint.removeprefix(_SCHEME))
    if not path.is_absolute():
        raise RuntimeUnavailable(f"{endpoint!r} is not the address of a container engine: write unix:///path")
    if not path.is_socket():
        raise RuntimeUnavailable(f"no container engine listens at {path}: start its service")
    if not os.access(path, os.R_OK | os.W_OK):
        raise RuntimeUnavailable(f"{path} may not be opened: run twinhub as a user who may, as root")
    return path
