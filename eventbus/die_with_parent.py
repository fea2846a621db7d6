"""A launcher: `python -I -S die_with_parent.py PARENT_PID COMMAND...` becomes COMMAND, which gets SIGTERM when its
parent dies, however it dies.

It is a program of its own, between fork and the real program, because code that runs in the forked copy of a process
with threads may deadlock; and it looks at its parent afterwards, because that may have died before the kernel was
asked to tell.
"""

from __future__ import annotations

import ctypes
import os
import signal
import sys

PR_SET_PDEATHSIG = 1


def main(parent: int, command: list[str]) -> None:
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.prctl(PR_SET_PDEATHSIG, signal.SIGTERM, 0, 0, 0):
        sys.exit(f"prctl: {os.strerror(ctypes.get_errno())}")
    if os.getppid() != parent:
        sys.exit("the parent is gone already")
    os.execv(command[0], command)  # noqa: S606 - that is what it is for


if __name__ == "__main__":
    main(int(sys.argv[1]), sys.argv[2:])
