"""What runs in a container, and how a process becomes it: its group, its view of files, its limits, its user."""

from __future__ import annotations

import os
import resource
import signal
import subprocess
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, NamedTuple

from edged.process import cgroups, kernel

__all__ = ["Program", "become", "enter", "new_view"]

DEVICES = ("null", "zero", "full", "random", "urandom", "tty")
COPY_SECONDS = 300


class Program(NamedTuple):
    """All of it, as JSON can hold it."""

    argv: Sequence[str]
    env: Mapping[str, str]
    working_dir: str
    room: str
    """The container's directory."""
    root: str
    """The image's unpacked files; empty: those of the node."""
    rights: str
    """`node`: mounts and users as root may; `own`: in a user namespace; empty: none of these."""
    mounts: Sequence[tuple[str, str, bool]]
    """Source, target, read-only."""
    hostname: str
    """Empty: the node's."""
    read_only: bool
    all_devices: bool
    user: str
    """`<user>[:<group>]`, numbers or names of the image; empty: as this process."""
    groups: Sequence[int]
    no_new_privileges: bool
    dropped: Sequence[int]
    """Capabilities."""
    data_limit: int
    """Bytes of data of each process, where no group counts them; 0: none."""
    cgroups: Sequence[str]

    @classmethod
    def read(cls, fields: Any) -> Program:
        """From its JSON object. TypeError."""
        return cls(**fields)


def become(program: Program) -> None:
    """Does not return. OSError, ValueError: it cannot be started, and why."""
    cgroups.join(program.cgroups)
    if program.rights:
        _own_view(program)
    _take_on(program)


def enter(program: Program, pid: int) -> None:
    """Become another program in the view of the one that has this pid. Does not return. OSError, ValueError."""
    names = ("user", "mnt", "uts") if program.rights == "own" else ("mnt", "uts") if program.rights else ()
    spaces = [os.open(f"/proc/{pid}/ns/{name}", os.O_RDONLY) for name in names]
    root = os.open(f"/proc/{pid}/root", os.O_RDONLY | os.O_DIRECTORY) if program.rights else None
    cgroups.join(program.cgroups)
    for space in spaces:
        kernel.setns(space)
    if root is not None:
        os.fchdir(root)
        os.chroot(".")
    _take_on(program)


def _take_on(program: Program) -> None:
    for ignored in (signal.SIGPIPE, signal.SIGXFSZ):
        signal.signal(ignored, signal.SIG_DFL)
    if program.data_limit:
        resource.setrlimit(resource.RLIMIT_DATA, (program.data_limit, program.data_limit))
    for number in program.dropped:
        kernel.drop_capability(number)
    _identify(program)
    if program.no_new_privileges:
        kernel.no_new_privileges()
    kernel.die_with_parent(signal.SIGKILL)
    _change_directory(program)
    try:
        os.execvpe(program.argv[0], list(program.argv), dict(program.env))  # noqa: S606 - that is what it is for
    except OSError as error:
        raise OSError(error.errno, error.strerror, program.argv[0]) from None


def _change_directory(program: Program) -> None:
    if program.root:
        Path(program.working_dir).mkdir(parents=True, exist_ok=True)
    os.chdir(program.working_dir)


def _identify(program: Program) -> None:
    try:
        _take_user(program)
    except PermissionError as error:
        raise OSError(
            error.errno, f"{error.strerror}: to be user {program.user} with groups {[*program.groups]}"
        ) from None


def _take_user(program: Program) -> None:
    if program.groups:
        os.setgroups(program.groups)
    if not program.user:
        return
    user, _, group = program.user.partition(":")
    uid, primary = _passwd(user)
    gid = _number(group, "/etc/group") if group else primary
    if (uid, gid) == (os.getuid(), os.getgid()):
        return
    if not program.groups:
        os.setgroups([gid])
    for output in (1, 2):
        with suppress(OSError):
            os.fchown(output, uid, gid)  # a program may open its own output again, by /dev/stdout
    os.setgid(gid)
    os.setuid(uid)


def _passwd(user: str) -> tuple[int, int]:
    """Number of a user, and of its group; 0 where the image does not know it."""
    with suppress(OSError):
        for line in Path("/etc/passwd").read_text().splitlines():
            name, _, uid, gid, *_ = [*line.split(":"), "", "", ""]
            if user in (name, uid) and uid.isdecimal() and gid.isdecimal():
                return int(uid), int(gid)
    return _number(user, "/etc/passwd"), 0


def _number(name: str, table: str) -> int:
    if name.isdecimal():
        return int(name)
    with suppress(OSError):
        for line in Path(table).read_text().splitlines():
            known, _, number, *_ = [*line.split(":"), "", ""]
            if known == name:
                return int(number)
    raise ValueError(f"{name!r} is not in the image's {table}")


def _own_view(program: Program) -> None:
    new_view(program.rights)
    if program.hostname:
        kernel.set_hostname(program.hostname)
    sources = [(_opened(source), target, read_only) for source, target, read_only in _all_mounts(program)]
    if program.root:
        os.chroot(_rooted(program))
        os.chdir("/")
    for source, target, read_only in sources:
        _bind(source, target, read_only=read_only, make=bool(program.root))
        os.close(source)
    if program.root and program.read_only:
        kernel.read_only("/")


def new_view(rights: str) -> None:
    """Mounts and a host name of one's own. OSError: not permitted."""
    uid, gid = os.getuid(), os.getgid()
    kernel.unshare(kernel.NEW_MOUNTS | kernel.NEW_NAMES | (kernel.NEW_USERS if rights == "own" else 0))
    if rights == "own":
        Path("/proc/self/setgroups").write_text("deny")
        Path("/proc/self/uid_map").write_text(f"0 {uid} 1")
        Path("/proc/self/gid_map").write_text(f"0 {gid} 1")
    kernel.private()


def _all_mounts(program: Program) -> list[tuple[str, str, bool]]:
    if not program.root:
        return list(program.mounts)
    devices = (
        [("/dev", "/dev", False)] if program.all_devices else [(f"/dev/{n}", f"/dev/{n}", False) for n in DEVICES]
    )
    return [("/sys", "/sys", not program.all_devices), *devices, *program.mounts]


def _opened(source: str) -> int:
    try:
        return os.open(source, os.O_PATH)
    except OSError as error:
        raise OSError(error.errno, f"{error.strerror}: it is to be mounted", source) from None


def _rooted(program: Program) -> Path:
    """The container's own root, with /proc in it: the image's files below, its changes above."""
    upper, work, root = (Path(program.room, name) for name in ("upper", "work", "root"))
    for directory in (upper, work, root):
        directory.mkdir(mode=0o755, exist_ok=True)
    try:
        user = ",userxattr" if program.rights == "own" else ""
        kernel.mount(
            "overlay", str(root), "overlay", 0, f"lowerdir={program.root},upperdir={upper},workdir={work}{user}"
        )
    except OSError:
        # this file system takes no layers above it, or the path has a comma
        subprocess.run(["cp", "-a", f"{program.root}/.", root], check=True, timeout=COPY_SECONDS)
        kernel.bind(str(root), str(root))
    kernel.bind("/proc", str(_directory(root / "proc")))
    if not program.all_devices:
        _devices(_directory(root / "dev"))
    return root


def _directory(path: Path) -> Path:
    """Make it; the image may not lead elsewhere with it."""
    if path.is_symlink():
        raise ValueError(f"the image's /{path.name} is a symbolic link")
    path.mkdir(exist_ok=True)
    return path


def _devices(directory: Path) -> None:
    kernel.mount("tmpfs", str(directory), "tmpfs", 0, "mode=755,size=65536k")
    (directory / "shm").mkdir()
    kernel.mount("tmpfs", str(directory / "shm"), "tmpfs", 0, "mode=1777,size=65536k")
    for number, name in enumerate(("stdin", "stdout", "stderr")):
        (directory / name).symlink_to(f"/proc/self/fd/{number}")
    (directory / "fd").symlink_to("/proc/self/fd")


def _bind(source: int, target: str, *, read_only: bool, make: bool) -> None:
    path, place = f"/proc/self/fd/{source}", Path(target)
    if not place.exists():
        if not make:
            raise ValueError(f"{target} is not there to mount on: a pod of programs of the node finds only what is")
        _make(place, directory=Path(path).is_dir())
    kernel.bind(path, target)
    if read_only:
        kernel.read_only(target)


def _make(target: Path, *, directory: bool) -> None:
    (target if directory else target.parent).mkdir(parents=True, exist_ok=True)
    if not directory:
        target.touch()
