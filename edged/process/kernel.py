"""The few calls of Linux that Python 3.11 has no function for. Each raises OSError."""

from __future__ import annotations

import ctypes
import os

__all__ = [
    "NEW_MOUNTS",
    "NEW_NAMES",
    "NEW_USERS",
    "adopt_orphans",
    "bind",
    "die_with_parent",
    "drop_capability",
    "mount",
    "no_new_privileges",
    "private",
    "read_only",
    "set_hostname",
    "setns",
    "unshare",
]

# <linux/sched.h>
NEW_MOUNTS = 0x0002_0000
NEW_NAMES = 0x0400_0000
NEW_USERS = 0x1000_0000

# <linux/mount.h>
_READ_ONLY, _NO_SETUID, _NO_DEVICES, _NO_EXEC = 1, 2, 4, 8
_REMOUNT, _BIND, _RECURSIVE, _PRIVATE = 32, 4096, 16_384, 1 << 18
_LOCKED = _READ_ONLY | _NO_SETUID | _NO_DEVICES | _NO_EXEC
"""Flags that one without the node's rights may not take away; statvfs gives them with the same numbers."""

# <linux/prctl.h>
_DEATH_SIGNAL, _DROP_CAPABILITY, _CHILD_SUBREAPER, _NO_NEW_PRIVILEGES = 1, 24, 36, 38

_libc = ctypes.CDLL(None, use_errno=True)
_libc.mount.argtypes = [ctypes.c_char_p, ctypes.c_char_p, ctypes.c_char_p, ctypes.c_ulong, ctypes.c_char_p]
_libc.prctl.argtypes = [ctypes.c_int, *[ctypes.c_ulong] * 4]


def _checked(result: int, what: str) -> None:
    if result:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number), what)


def unshare(flags: int) -> None:
    """Namespaces of one's own."""
    _checked(_libc.unshare(flags), "new namespaces")


def setns(descriptor: int) -> None:
    """Enter a namespace."""
    _checked(_libc.setns(descriptor, 0), "another's namespace")


def set_hostname(name: str) -> None:
    """Of this namespace."""
    encoded = name.encode()
    _checked(_libc.sethostname(encoded, len(encoded)), f"host name {name}")


def mount(source: str, target: str, kind: str, flags: int, options: str = "") -> None:
    """mount(2)."""
    _checked(_libc.mount(source.encode(), target.encode(), kind.encode(), flags, options.encode()), target)


def private() -> None:
    """What is mounted from now on is seen in this namespace alone."""
    mount("none", "/", "", _RECURSIVE | _PRIVATE)


def bind(source: str, target: str) -> None:
    """Show a path at another place, with what is mounted below it."""
    mount(source, target, "", _BIND | _RECURSIVE)


def read_only(target: str) -> None:
    """A mount, from now on, here."""
    flags = os.statvfs(target).f_flag & _LOCKED
    mount("none", target, "", _REMOUNT | _BIND | _READ_ONLY | flags)


def die_with_parent(signal: int) -> None:
    """Get this signal when the parent ends."""
    _checked(_libc.prctl(_DEATH_SIGNAL, signal, 0, 0, 0), "death signal")


def adopt_orphans() -> None:
    """Descendants whose parent ended become children of this process."""
    _checked(_libc.prctl(_CHILD_SUBREAPER, 1, 0, 0, 0), "child subreaper")


def no_new_privileges() -> None:
    """No program started from here gets more rights, by setuid or else."""
    _checked(_libc.prctl(_NO_NEW_PRIVILEGES, 1, 0, 0, 0), "no new privileges")


def drop_capability(number: int) -> None:
    """Programs started from here never have it."""
    _checked(_libc.prctl(_DROP_CAPABILITY, number, 0, 0, 0), f"capability {number}")
