"""`podman system service` of our own, for machines on which none listens.

It is nobody's child: it outlives whoever started it, is found again by its socket, and ends by itself when nobody has
spoken to it for a while. Containers do not need it to run.
"""

from __future__ import annotations

import asyncio
import fcntl
import logging
import os
import shutil
import time
from asyncio.subprocess import PIPE
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from edged.podman.processes import has_ended
from edged.podman.settings import service_environment
from edged.runtime import RuntimeUnavailable

__all__ = ["Service", "answers"]

logger = logging.getLogger("edged")

IDLE = 60
"""Seconds without a connection after which it ends. Who follows its events keeps it."""
START_TIMEOUT = 30.0
PAUSE = 2.0
"""Seconds in which a start that failed is not tried again."""
LONGEST_SOCKET_PATH = 107
"""Bytes, of a unix socket on Linux."""
_BEHIND = '"$@" </dev/null >>"$LOG" 2>&1 & echo $!'
"""Starts a program and leaves it alone."""


class Service:
    """It, in one directory."""

    def __init__(self, directory: Path) -> None:
        """`directory` (made when missing) holds its socket, settings and log."""
        self.directory = directory.absolute()
        self.socket = self.directory / "podman.sock"
        self._log = self.directory / "podman.log"
        self._starting = asyncio.Lock()
        self._reached = False
        self._failure = ""
        self._failed = 0.0

    async def ensure(self) -> None:
        """Returns when it listens, started if need be. RuntimeUnavailable says why it does not."""
        async with self._starting:
            if self._failure and time.monotonic() < self._failed + PAUSE:
                raise RuntimeUnavailable(self._failure)
            try:
                await self._ensure()
            except RuntimeUnavailable as failure:
                self._failure, self._failed = str(failure), time.monotonic()
                raise
            self._failure, self._reached = "", True

    async def _ensure(self) -> None:
        if await answers(self.socket):
            return
        if len(os.fsencode(self.socket)) > LONGEST_SOCKET_PATH:
            raise RuntimeUnavailable(f"{self.socket} is too long for a socket's path: choose a shorter directory")
        await asyncio.to_thread(self.directory.mkdir, mode=0o700, parents=True, exist_ok=True)
        with _only_one(self.directory / "podman.lock"):
            if not await answers(self.socket):
                await self._start()

    async def _start(self) -> None:
        podman = shutil.which("podman")
        if podman is None:
            raise RuntimeUnavailable("podman is not installed: `apt-get install podman runc netavark catatonit`")
        if self._reached:
            logger.warning("podman's service has ended; starting it again")
        program = (podman, "--log-level=error", "system", "service", f"--time={IDLE}", f"unix://{self.socket}")
        self._log.write_bytes(b"")
        environment = {**service_environment(self.directory), "LOG": str(self._log)}
        shell = await asyncio.create_subprocess_exec(
            *("/bin/sh", "-c", _BEHIND, "sh", *program),
            cwd=self.directory,  # containers' monitors leave a file there when memory has run out
            env=environment,
            stdout=PIPE,
            start_new_session=True,
        )
        assert shell.stdout
        output = await shell.stdout.readline()  # not to its end: under uvloop the service inherits the pipe as well
        await shell.wait()
        await self._until_it_answers(int(output))

    async def _until_it_answers(self, pid: int) -> None:
        try:
            async with asyncio.timeout(START_TIMEOUT):
                while not await answers(self.socket):
                    if has_ended(pid):
                        raise RuntimeUnavailable(f"podman's service does not start: {self._last_words()}")
                    await asyncio.sleep(0.02)
        except TimeoutError:
            raise RuntimeUnavailable(
                f"podman's service does not answer after {START_TIMEOUT:.0f} s: {self._last_words()}"
            ) from None

    def _last_words(self) -> str:
        with suppress(OSError):
            if lines := self._log.read_text(errors="replace").strip().splitlines():
                return lines[-1][-300:]
        return "it says nothing"


async def answers(socket: Path) -> bool:
    """Somebody listens there."""
    try:
        async with asyncio.timeout(5):
            _, writer = await asyncio.open_unix_connection(socket)
    except (OSError, TimeoutError):
        return False
    writer.close()
    return True


@contextmanager
def _only_one(path: Path) -> Iterator[None]:
    """Of all processes that start it; RuntimeUnavailable while another one does."""
    with path.open("ab") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            raise RuntimeUnavailable("podman's service is being started by another process") from None
        yield
