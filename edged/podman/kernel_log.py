"""Whom the kernel killed for want of memory.

conmon, which should tell podman, misses it with cgroups v1 on some kernels (seen: conmon 2.1.6 on Linux 6.18). The
kernel's log has it, for as long as the log goes back, where we may read it.
"""

from __future__ import annotations

import os
from contextlib import suppress

__all__ = ["killed_for_memory"]

_LOG = "/dev/kmsg"
_MOST = 8192
"""Bytes of a record, the kernel's own limit."""


def killed_for_memory(container: str) -> bool:
    """A process of the container with this id was. Reads the whole log: a few ms."""
    with suppress(OSError):
        log = os.open(_LOG, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
        try:
            return _tells(log, container.encode())
        finally:
            os.close(log)
    return False


def _tells(log: int, container: bytes) -> bool:
    while True:
        try:
            record = os.read(log, _MOST)
        except BlockingIOError:
            return False
        except BrokenPipeError:  # records were overwritten while we read: it goes on with the oldest
            continue
        if b"oom-kill:" in record and container in record.partition(b"task_memcg=")[2]:
            return True
