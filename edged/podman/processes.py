"""What this machine itself says of podman's processes."""

from __future__ import annotations

import os
import socket
import struct
from contextlib import suppress
from pathlib import Path

__all__ = ["has_ended", "listener", "sees_ours"]


def has_ended(pid: int) -> bool:
    """Also when nobody took notice of its end: some containers' first process does not."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return True
    return stat.rpartition(")")[2].split()[0] == "Z"


def listener(path: Path) -> int:
    """The process that listens at this socket; 0: nobody does, or one that cannot be seen from here."""
    with socket.socket(socket.AF_UNIX) as one, suppress(OSError):
        one.settimeout(1)
        one.connect(str(path))
        pid, _, _ = struct.unpack("3i", one.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, 12))
        return int(pid)
    return 0


def sees_ours(path: Path) -> bool:
    """Who listens at this socket calls processes by the same numbers as we do."""
    try:
        return os.readlink(f"/proc/{listener(path)}/ns/pid") == os.readlink("/proc/self/ns/pid")  # noqa: PTH115
    except OSError:
        return False
