"""Runs the program's main coroutine, on uvloop where it is installed, until it ends or somebody asks it to."""

from __future__ import annotations

import asyncio
import importlib.util
import signal
from collections.abc import Callable, Coroutine
from typing import Any

__all__ = ["run_until_signalled"]


def run_until_signalled(main: Coroutine[Any, Any, None]) -> None:
    """Run `main`. SIGINT and SIGTERM cancel it, so that it can tidy up; that is no error."""
    with asyncio.Runner(loop_factory=_loop_factory()) as runner:
        runner.run(_cancelled_by_signals(main))


async def _cancelled_by_signals(main: Coroutine[Any, Any, None]) -> None:
    task = asyncio.create_task(main, name="twinhub")
    loop = asyncio.get_running_loop()
    asked = False

    def ask() -> None:
        nonlocal asked
        asked = True
        task.cancel()

    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, ask)
    try:
        await task
    except asyncio.CancelledError:
        if not asked:
            raise


def _loop_factory() -> Callable[[], asyncio.AbstractEventLoop] | None:
    if importlib.util.find_spec("uvloop") is None:
        return None
    factory: Callable[[], asyncio.AbstractEventLoop] = importlib.import_module("uvloop").new_event_loop
    return factory
