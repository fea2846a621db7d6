"""What stays open is told by name; what comes and goes is not."""

from __future__ import annotations

import asyncio
import socket
from pathlib import Path

from mappers.testing.leaks import Holdings


async def test_what_was_open_before_is_no_leak(tmp_path: Path) -> None:
    with (tmp_path / "log").open("w"):
        task = asyncio.create_task(asyncio.Event().wait(), name="before")
        before = Holdings.now()
        assert await before.leaks(0.05) == ""
        task.cancel()


async def test_tasks_files_and_sockets_are_named() -> None:
    before = Holdings.now()
    task = asyncio.create_task(asyncio.Event().wait(), name="heartbeat")
    with socket.socket() as left:
        leaks = await before.leaks(0.05)
        assert "the task 'heartbeat'" in leaks
        assert f"the file descriptor {left.fileno()} → socket:[" in leaks
    task.cancel()
    assert await before.leaks(20) == ""


async def test_a_number_that_is_used_again_is_another_file() -> None:
    with socket.socket() as first:
        number = first.fileno()
        before = Holdings.now()
    with socket.socket() as second:
        assert second.fileno() == number
        assert "socket" in await before.leaks(0.05)


async def test_what_comes_and_goes_is_no_leak() -> None:
    async def busy() -> None:
        while True:
            await asyncio.create_task(asyncio.sleep(0.02))

    before = Holdings.now()
    task = asyncio.create_task(busy(), name="busy")
    leaks = await before.leaks(0.2)
    task.cancel()
    assert "busy" in leaks
    assert "sleep" not in leaks


async def test_it_waits_for_what_is_just_closing() -> None:
    before = Holdings.now()
    closing = asyncio.create_task(asyncio.sleep(0.1))
    assert await before.leaks(20) == ""
    assert closing.done()
