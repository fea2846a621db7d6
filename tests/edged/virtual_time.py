"""An event loop whose clock leaps to the next timer as soon as nothing else is to be done: minutes of pauses take no
time, and happen in the same order every time."""

from __future__ import annotations

import asyncio
import selectors
from collections.abc import Callable, Coroutine
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any, TypeVar

T = TypeVar("T")
MOST_STILL = 20_000
"""Turns of the loop at one moment."""
THREAD_PATIENCE = 10.0
"""Seconds of real time in which a thread may wake a loop that waits for nothing else."""


class _Leaping(selectors.DefaultSelector):  # type: ignore[valid-type, misc]
    """Waits for nothing but what is ready."""

    def __init__(self) -> None:
        super().__init__()
        self.leapt = 0.0
        self._still = 0

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        ready: list[tuple[selectors.SelectorKey, int]] = super().select(0)
        self._still += 1
        if self._still > MOST_STILL:
            self._still = 0
            raise AssertionError("something is done over and over again, and time stands still")
        if ready or timeout == 0:
            return ready
        if timeout is None:
            ready = super().select(THREAD_PATIENCE)  # the thread that shuts the executor down may be about to call
            if not ready:
                raise AssertionError("everybody waits, and nothing will ever happen")
            return ready
        self._still = 0
        self.leapt += timeout
        return []


class _AtOnce(ThreadPoolExecutor):
    """Threads would be overtaken by the clock."""

    def submit(self, fn: Callable[..., T], /, *args: Any, **kwargs: Any) -> Future[T]:
        future: Future[T] = Future()
        try:
            future.set_result(fn(*args, **kwargs))
        except Exception as error:  # noqa: BLE001 - it is the future's
            future.set_exception(error)
        return future


class VirtualTimeLoop(asyncio.SelectorEventLoop):
    def __init__(self) -> None:
        self._leaping = _Leaping()
        super().__init__(self._leaping)
        self.set_default_executor(_AtOnce())

    def time(self) -> float:
        return 1000.0 + self._leaping.leapt


def run(work: Coroutine[Any, Any, T]) -> T:
    """Run it to its end, in no time."""
    with asyncio.Runner(loop_factory=VirtualTimeLoop) as runner:
        return runner.run(work)
