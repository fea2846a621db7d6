"""One request to a device, bounded in time, and errors in words."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any

from mappers.mapper import LinkLost, Mapper, NoAnswer, Raw, Value
from mappers.station import Request, Station

LOST = (LinkLost, OSError, EOFError)
"""What means that the connection is of no use any more."""
WRITE_PATIENCE = 2.0
"""A write may take this many times a device's timeout: some are a read and a write."""
LATE = 0.01
"""Seconds; when the event loop itself is later than this, an answer may be waiting unread."""
SECOND_LOOK = 0.05
"""Seconds the loop then gets to read it."""


async def read(mapper: Mapper[Any, Any], station: Station, request: Request) -> Sequence[Raw]:
    """The values of a request. NoAnswer also when the time is up, or LinkLost where a late answer could be
    mistaken for another; Refused; whatever a defective mapper raises."""
    try:
        with _Patience(station.timeout):
            values = await mapper.read(request.batch)
    except TimeoutError:
        raise too_late(mapper, station.timeout) from None
    if len(values) != len(request.channels):
        raise RuntimeError(f"{len(values)} values for {len(request.channels)} points")
    return values


async def write(mapper: Mapper[Any, Any], station: Station, point: Any, raw: Value) -> None:
    """Write a value; errors as in `read`, and ValueError when it can never be written."""
    patience = station.timeout * WRITE_PATIENCE
    try:
        with _Patience(patience):
            await mapper.write(point, raw)
    except TimeoutError:
        raise too_late(mapper, patience) from None


def too_late(mapper: Mapper[Any, Any], seconds: float) -> NoAnswer | LinkLost:
    """What it means that a request took so long."""
    reason = f"no answer within {seconds:g} s"
    return NoAnswer(reason) if mapper.survives_silence else LinkLost(reason)


def words(error: BaseException) -> str:
    """The error for people."""
    if isinstance(error, TimeoutError):
        return "no connection in time"
    if isinstance(error, OSError) and error.strerror:
        return error.strerror.lower()
    return str(error) or type(error).__name__


class _Patience:
    """`with` it: TimeoutError after so many seconds. Unlike `asyncio.timeout`, it does not blame a device when
    this process was too busy to look."""

    __slots__ = ("_before", "_deadline", "_expired", "_loop", "_task", "_timer")

    def __init__(self, seconds: float) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._task = task
        self._before = task.cancelling()
        self._expired = False
        self._loop = asyncio.get_running_loop()
        self._deadline = self._loop.time() + seconds
        self._timer = self._loop.call_at(self._deadline, self._look)

    def __enter__(self) -> None:
        pass

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        self._timer.cancel()
        if self._expired and self._task.uncancel() <= self._before and kind is asyncio.CancelledError:
            raise TimeoutError

    def _look(self) -> None:
        if self._loop.time() - self._deadline > LATE:
            self._timer = self._loop.call_later(SECOND_LOOK, self._expire)
        else:
            self._expire()

    def _expire(self) -> None:
        self._expired = True
        self._task.cancel()
