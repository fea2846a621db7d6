"""What this process may do for containers here, found out by trying."""

from __future__ import annotations

import os
import sys
from collections.abc import Collection, Sequence
from pathlib import Path
from typing import Literal

from edged.process.program import new_view

__all__ = ["Rights", "lacks", "program_of", "rights"]

Rights = Literal["node", "own", ""]
"""To mount and change users: as root may; in a user namespace of one's own; not at all."""

ALWAYS = (
    "a network of a pod's own: programs are on the node's, and a hostPort is the containerPort itself",
    "process namespaces: programs see the node's processes, and those of other pods",
    "images from registries: load them from a file",
    "capabilities beyond those of the user (capabilities.add)",
    "terminals and standard input (tty, stdin)",
)
NO_MEMORY = (
    "memory limits of a whole container: they hold for the data of each process (no control group may be made)"
)
NO_CPU = "processor limits (no control group may be made)"
OWN = "users other than the image's root, who is the user that runs this here; supplemental groups"
NONE = (
    "images: only programs of the node run (image `host`)",
    "mounts (volumes), host names and read-only root file systems (no namespace may be made)",
)
NO_USER = "users other than the one that runs this here (runAsUser); supplemental groups"


def rights() -> Rights:
    """The most that works."""
    if os.geteuid() == 0 and _works("node"):
        return "node"
    return "own" if _works("own") else ""


def lacks(given: Rights, controllers: Collection[str]) -> Sequence[str]:
    """What a pod does not get with these rights and control groups."""
    found = [*ALWAYS]
    if "memory" not in controllers:
        found.append(NO_MEMORY)
    if "cpu" not in controllers:
        found.append(NO_CPU)
    if given == "own":
        found.append(OWN)
    elif not given:
        found += NONE
        if os.geteuid():
            found.append(NO_USER)
    return found


def program_of(function: str) -> tuple[str, ...]:
    """The command that calls a function of the keeper's module, without what is installed beside Python."""
    home = str(Path(__file__).parent.parent.parent)
    code = f"import sys; sys.path.insert(0, {home!r}); from edged.process import keeper; keeper.{function}()"
    return (sys.executable, "-I", "-S", "-c", code)


def _works(given: Rights) -> bool:
    pid = os.fork()
    if not pid:
        try:
            new_view(given)
            os._exit(0)
        except BaseException:  # noqa: BLE001 - whatever it is, it does not work
            os._exit(1)
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0
