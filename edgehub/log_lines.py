"""The hub's own log lines, held until the stream channel takes them: bounded, the oldest give way and are counted."""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from types import TracebackType
from typing import Self

from link.contents import LogLine

__all__ = ["LogLines"]

LINES = 2_000
CHARACTERS = 4_096
"""Of one line; the rest is cut off."""
SILENT = ("edgehub.stream", "edgehub.websocket")
"""Loggers of the channel that carries the lines: each line of theirs would make another."""


class LogLines(logging.Handler):
    """Entered with `with`, it hears everything that is logged in this process at INFO or above."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        super().__init__(logging.INFO)
        self._loop = loop
        self._lines: deque[LogLine] = deque()
        self._arrived = asyncio.Event()
        self.dropped = 0
        """Lines that gave way to newer ones."""

    def __enter__(self) -> Self:
        logging.getLogger().addHandler(self)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, where: TracebackType | None
    ) -> None:
        logging.getLogger().removeHandler(self)

    def emit(self, record: logging.LogRecord) -> None:
        """From any thread; never raises, whatever is logged."""
        if record.name.startswith(SILENT):
            return
        try:
            text = record.getMessage()[:CHARACTERS]
            line = LogLine(int(record.created * 1000), record.levelname, record.name, text)
            self._loop.call_soon_threadsafe(self._add, line)
        except Exception:  # noqa: BLE001 - a log line with wrong arguments, or a loop that is closed already
            self.dropped += 1

    def take(self, most: int, characters: int) -> list[LogLine]:
        """The oldest lines, at most so many and so long together; one at least, if there is any."""
        taken: list[LogLine] = []
        while self._lines and len(taken) < most:
            characters -= len(self._lines[0].text)
            if taken and characters < 0:
                break
            taken.append(self._lines.popleft())
        return taken

    async def wait(self) -> None:
        """Until there is a line."""
        while not self._lines:
            self._arrived.clear()
            await self._arrived.wait()

    def __len__(self) -> int:
        return len(self._lines)

    def _add(self, line: LogLine) -> None:
        if len(self._lines) >= LINES:
            self._lines.popleft()
            self.dropped += 1
        self._lines.append(line)
        self._arrived.set()
