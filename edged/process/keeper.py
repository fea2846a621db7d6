"""The process that keeps one container: starts its program, writes its log, and says how it ended.

It belongs to nobody: edged may end, be killed and come back meanwhile. Told TERM, it passes that on; told USR1, it
kills all that runs in the container. When it is killed itself, so is the program. It imports only what it must: there
is one for every container.
"""

from __future__ import annotations

import fcntl
import gc
import json
import os
import select
import signal
import socket
import sys
import termios
import time
from contextlib import suppress
from pathlib import Path

from edged.process import cgroups, kernel, record
from edged.process.log_lines import Log, Stream, stamp
from edged.process.processes import all_processes
from edged.process.program import Program, become, enter

__all__ = ["run_inside", "serve"]

OK = b"ok"
TAKEN = "it was started before"
MOST_FILES = 65_536
LAST_BREATH = 10.0
"""Seconds to wait for what was killed to be gone."""


def serve() -> None:
    """Make a keeper for each socket that comes over standard input, itself a socket; ends with it."""
    gc.collect()
    gc.freeze()  # so that the keepers' memory stays shared
    door = socket.socket(fileno=os.dup(0))
    while True:
        message, [*sockets], _, _ = socket.recv_fds(door, 1, 1)
        if not message:
            return
        if not os.fork():
            door.close()
            for number in (0, 1):
                os.dup2(sockets[0], number)
            os.close(sockets[0])
            _keep_apart()
        for descriptor in sockets:
            os.close(descriptor)
        os.wait()


def _keep_apart() -> None:
    """Go on as a process that belongs to nobody. Does not return."""
    try:
        if not os.fork():
            os.setsid()
            os.chdir("/")
            keep()
    finally:
        os._exit(0)


def keep() -> None:
    """Read what to keep from standard input, and answer on standard output: `ok`, or why not."""
    kernel.adopt_orphans()
    try:
        order = json.loads(_all_input())
        keeper = Keeper(Path(order["room"]), Program.read(order["program"]), order["log"])
    except (OSError, ValueError) as error:
        _answer(f"{error}".encode())
        return
    _answer(OK)
    keeper.run()


def _all_input() -> bytes:
    with open(0, "rb", closefd=False) as file:
        return file.read()


def run_inside() -> None:
    """Read a command and a pid from the descriptor that is named, and become it where that one is."""
    with os.fdopen(int(sys.argv[1]), "rb") as file:
        order = json.loads(file.read())
    os.umask(0o022)
    try:
        if order["terminal"]:
            fcntl.ioctl(0, termios.TIOCSCTTY, 0)
        enter(Program.read(order["program"]), order["pid"])
    except (OSError, ValueError) as error:
        print(f"{error}", file=sys.stderr, flush=True)
        os._exit(127 if isinstance(error, FileNotFoundError) else 126)


def _answer(text: bytes) -> None:
    os.write(1, text)
    null = os.open(os.devnull, os.O_RDWR)
    for descriptor in (0, 1, 2):
        os.dup2(null, descriptor)


class Keeper:
    """Made: the program runs. OSError, ValueError: it does not, and why."""

    def __init__(self, room: Path, program: Program, log: str) -> None:
        self._room = room
        self._cgroups = program.cgroups
        self._log = Log(log)
        self._status: int | None = None
        self._wake = _signals()
        self._streams: dict[int, Stream] = {}
        self._program = self._start(program)

    def run(self) -> None:
        """Until it has ended, and all that it started."""
        poll = select.poll()
        for descriptor in (self._wake, *self._streams):
            poll.register(descriptor, select.POLLIN)
        while self._status is None:
            for descriptor, _ in poll.poll():
                if descriptor == self._wake:
                    self._hear()
                elif not self._pump(descriptor):
                    poll.unregister(descriptor)
        self._kill_the_rest()
        self._finish_log()
        self._say(self._status)

    def _start(self, program: Program) -> int:
        gate, trouble, out, err = (os.pipe() for _ in range(4))
        pid = os.fork()
        if not pid:
            _child(program, gate, trouble[1], out[1], err[1])
        for descriptor in (gate[0], trouble[1], out[1], err[1]):
            os.close(descriptor)
        self._lock = record.begin(self._room, pid)
        if self._lock is None:
            os.close(gate[1])
            raise ValueError(TAKEN)
        os.write(gate[1], b"\n")
        os.close(gate[1])
        with os.fdopen(trouble[0], "rb") as file:
            if why := file.read().decode(errors="replace"):
                record.end(self._room, 128, "StartError")
                cgroups.remove(self._cgroups)
                raise ValueError(why)
        self._streams = {out[0]: Stream(b"stdout"), err[0]: Stream(b"stderr")}
        for descriptor in self._streams:
            os.set_blocking(descriptor, False)
        return pid

    def _hear(self) -> None:
        for number in os.read(self._wake, 512):
            if number == signal.SIGTERM:
                os.kill(self._program, signal.SIGTERM)
            elif number == signal.SIGUSR1:
                os.kill(self._program, signal.SIGKILL)
        self._reap()

    def _reap(self) -> bool:
        """Bury the dead; False: nobody is left."""
        try:
            while (found := os.waitpid(-1, os.WNOHANG))[0]:
                if found[0] == self._program:
                    self._status = os.waitstatus_to_exitcode(found[1])
        except ChildProcessError:
            return False
        return True

    def _pump(self, descriptor: int) -> bool:
        """Log what was said; False: it was the last."""
        try:
            data = os.read(descriptor, 65_536)
        except BlockingIOError:
            return True
        stream, now = self._streams[descriptor], stamp(time.time_ns())
        self._log.write(stream.feed(data, now) if data else stream.end(now))
        return bool(data)

    def _kill_the_rest(self) -> None:
        """Those whose parent ended are this process's children; theirs will be."""
        until = time.monotonic() + LAST_BREATH
        while self._reap() | bool(others := cgroups.members(self._cgroups)) and time.monotonic() < until:
            for pid in others | {one.pid for one in all_processes() if one.parent == os.getpid()}:
                with suppress(OSError):
                    os.kill(pid, signal.SIGKILL)
            time.sleep(0.002)

    def _finish_log(self) -> None:
        for descriptor, stream in self._streams.items():
            with suppress(BlockingIOError):
                while data := os.read(descriptor, 65_536):
                    self._log.write(stream.feed(data, stamp(time.time_ns())))
            self._log.write(stream.end(stamp(time.time_ns())))
        self._log.close()

    def _say(self, status: int) -> None:
        code = status if status >= 0 else 128 - status
        starved = code == 128 + signal.SIGKILL and cgroups.killed_for_memory(self._cgroups)
        cgroups.remove(self._cgroups)
        with suppress(OSError):
            record.end(self._room, code, "OOMKilled" if starved else "Error" if code else "Completed")
        record.ring(self._room.parent.parent / "bell")


def _signals() -> int:
    """A descriptor that gives the numbers of signals as bytes."""
    read, write = os.pipe()
    os.set_blocking(read, False)
    os.set_blocking(write, False)
    signal.set_wakeup_fd(write, warn_on_full_buffer=False)
    for number in (signal.SIGTERM, signal.SIGUSR1, signal.SIGCHLD):
        signal.signal(number, lambda *_: None)
    for ignored in (signal.SIGINT, signal.SIGHUP):
        signal.signal(ignored, signal.SIG_IGN)
    return read


def _child(program: Program, gate: tuple[int, int], trouble: int, out: int, err: int) -> None:
    try:
        kernel.die_with_parent(signal.SIGKILL)
        os.close(gate[1])
        if not os.read(gate[0], 1):
            os._exit(1)
        signal.set_wakeup_fd(-1)
        for number in (signal.SIGTERM, signal.SIGUSR1, signal.SIGCHLD, signal.SIGINT, signal.SIGHUP):
            signal.signal(number, signal.SIG_DFL)
        os.setsid()
        os.umask(0o022)
        for descriptor, place in ((os.open(os.devnull, os.O_RDONLY), 0), (out, 1), (err, 2)):
            os.dup2(descriptor, place)
        become(program)
    except BaseException as error:  # noqa: BLE001 - told to the keeper, which tells edged
        os.write(trouble, f"{error}".encode()[:4000] or b"it could not be started")
    finally:
        os._exit(127)
