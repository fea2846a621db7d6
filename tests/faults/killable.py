"""A process as a user runs it, killed and started again."""

from __future__ import annotations

import asyncio
from asyncio.subprocess import Process
from collections.abc import Sequence
from pathlib import Path
from typing import Self


class Killable:
    """`async with` starts it, and leaves none behind; in between kill it and start it again, or stop it. What it says
    goes to `log`."""

    def __init__(self, command: Sequence[str | Path], log: Path) -> None:
        self._command = [str(word) for word in command]
        self.log = log
        self._process: Process

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(self, *exc: object) -> None:
        if self._process.returncode is None:
            await self.kill()

    async def start(self) -> None:
        with self.log.open("ab") as log:
            self._process = await asyncio.create_subprocess_exec(*self._command, stdout=log, stderr=log)

    async def kill(self) -> None:
        """SIGKILL. It must have been running."""
        assert self._process.returncode is None, self.log.read_text()
        self._process.kill()
        await self._process.wait()

    async def stop(self) -> int:
        """SIGTERM; returns the exit status."""
        self._process.terminate()
        return await asyncio.wait_for(self._process.wait(), 10)
