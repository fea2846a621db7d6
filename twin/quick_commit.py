"""COMMIT of an SQLite transaction: a quick disk is waited for in place, a slow one in a thread.

Going to a thread and back takes as long as a quick disk does; a slow one would hold up the whole event loop. Rows are
never written in the thread: row by row the two would fight for the interpreter.
"""

from __future__ import annotations

import asyncio
import sqlite3
import time
from concurrent.futures import ThreadPoolExecutor

__all__ = ["QUICK", "QuickCommit"]

QUICK = 0.005
"""Seconds that a disk may take for a commit, on a running average, to be waited for by everybody."""
WEIGHT = 0.2
"""Of the newest commit in that average."""


class QuickCommit:
    """For one connection, which other threads may use. `close` it when the last commit is done."""

    def __init__(self, connection: sqlite3.Connection, name: str) -> None:
        """`name`: of the thread."""
        self._connection = connection
        self._thread = ThreadPoolExecutor(1, thread_name_prefix=name)
        self._seconds = 0.0

    async def commit(self) -> None:
        """Returns when the transaction is on the disk. Raises `sqlite3.Error` when it is not."""
        if self._seconds < QUICK:
            self._commit()
        else:
            await asyncio.get_running_loop().run_in_executor(self._thread, self._commit)

    def close(self) -> None:
        self._thread.shutdown()

    def _commit(self) -> None:
        began = time.monotonic()
        self._connection.execute("COMMIT")
        self._seconds += WEIGHT * (time.monotonic() - began - self._seconds)
