"""One broker at a time in a directory."""

from __future__ import annotations

import asyncio
import fcntl
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from eventbus.child_process import STOP_TIMEOUT
from eventbus.transport import BusError

log = logging.getLogger("eventbus.broker")

TIMEOUT = STOP_TIMEOUT + 5
POLL = 0.02


@asynccontextmanager
async def locked(directory: Path) -> AsyncIterator[int]:
    """The lock on `directory`, as an open file to lend to the broker: it stays locked until the broker has ended,
    whoever started it. The broker of a hub that was killed needs a moment to save and end, and is waited for.
    BusError when it does not end."""
    with (directory / "lock").open("w") as file:
        await _acquire(file.fileno(), directory)
        yield file.fileno()


async def _acquire(lock: int, directory: Path) -> None:
    for attempt in range(int(TIMEOUT / POLL)):
        try:
            return fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if attempt == 0:
                log.info("waiting for the earlier broker in %s to end", directory)
        await asyncio.sleep(POLL)
    raise BusError(f"another broker works in {directory}; end the hub that runs it, or choose another directory")
