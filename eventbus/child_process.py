"""A program that we run as our child: it never outlives us, and its output goes to our log."""

from __future__ import annotations

import asyncio
import logging
import os
import signal
import sys
from asyncio.subprocess import DEVNULL, PIPE, STDOUT, Process
from collections import deque
from collections.abc import Sequence
from pathlib import Path
from typing import Self

from eventbus import die_with_parent

log = logging.getLogger("eventbus.broker")

KEPT_LINES = 12
STOP_TIMEOUT = 10.0
"""Seconds between SIGTERM and SIGKILL; a broker saves its sessions in them."""


class ChildProcess:
    """Started by `start`, ended by `stop`. A session of its own keeps Ctrl-C in our terminal from it."""

    def __init__(self, name: str, process: Process) -> None:
        self.name = name
        self._process = process
        self._lines: deque[str] = deque(maxlen=KEPT_LINES)
        self._end = asyncio.create_task(self._follow(), name=f"output of {name}")

    @classmethod
    async def start(cls, name: str, command: Sequence[str], *, lend: Sequence[int] = ()) -> Self:
        """Run `command` (the first word is a path). It has the open files `lend` as long as it runs."""
        launcher = [sys.executable, "-I", "-S", die_with_parent.__file__, str(os.getpid())]
        process = await asyncio.create_subprocess_exec(
            *launcher,
            *command,
            stdin=DEVNULL,
            stdout=PIPE,
            stderr=STDOUT,
            pass_fds=lend,
            start_new_session=True,
        )
        return cls(Path(name).name, process)

    @property
    def pid(self) -> int:
        return self._process.pid

    @property
    def running(self) -> bool:
        return not self._end.done()

    @property
    def last_words(self) -> str:
        """The last lines of its output."""
        return "\n".join(self._lines)

    async def ended(self) -> str:
        """Wait until it has ended by itself, and tell how: "exit status 1", "SIGKILL"."""
        await asyncio.wait([self._end])
        return self._end.result()

    def reload(self) -> None:
        """SIGHUP: a broker reads its files again."""
        if self.running:
            self._process.send_signal(signal.SIGHUP)

    async def stop(self) -> None:
        """SIGTERM, and SIGKILL after `STOP_TIMEOUT` s. Harmless when it has ended."""
        if not self.running:
            return
        self._process.terminate()
        done, _ = await asyncio.wait([self._end], timeout=STOP_TIMEOUT)
        if not done:
            log.warning("%s (pid %d) did not stop in %.0f s; killing it", self.name, self.pid, STOP_TIMEOUT)
            self._process.kill()
            await asyncio.wait([self._end])

    async def _follow(self) -> str:
        assert self._process.stdout is not None
        rest = b""
        while chunk := await self._process.stdout.read(4096):
            *lines, rest = (rest + chunk).split(b"\n")
            for line in lines:
                self._note(line)
            rest = rest[-4096:]
        if rest:
            self._note(rest)
        status = await self._process.wait()
        return signal.Signals(-status).name if status < 0 else f"exit status {status}"

    def _note(self, line: bytes) -> None:
        text = line.decode(errors="replace").rstrip()
        self._lines.append(text)
        log.debug("%s: %s", self.name, text)
