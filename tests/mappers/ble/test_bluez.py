"""Real bleak on a private D-Bus, in a process of its own: there is one system bus in a process."""

from __future__ import annotations

import asyncio
import os
import shutil
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

HERE = Path(__file__).parent
pytestmark = pytest.mark.skipif(shutil.which("dbus-daemon") is None, reason="dbus-daemon is not installed")


@asynccontextmanager
async def private_bus(directory: Path) -> AsyncIterator[dict[str, str]]:
    """The environment of processes that take it for the system's."""
    words = ["--session", "--nofork", "--nopidfile", "--print-address=1", f"--address=unix:path={directory}/bus"]
    pipe = asyncio.subprocess.PIPE
    daemon = await asyncio.create_subprocess_exec(
        "dbus-daemon", *words, stdout=pipe, stderr=asyncio.subprocess.DEVNULL
    )
    try:
        assert daemon.stdout is not None
        address = (await daemon.stdout.readline()).decode().strip()
        yield os.environ | {"DBUS_SYSTEM_BUS_ADDRESS": address}
    finally:
        daemon.terminate()
        await daemon.wait()


async def checks(name: str, environment: dict[str, str]) -> None:
    """Run them, and fail with what they say."""
    words = ["-m", "pytest", "-q", "-p", "no:cacheprovider", str(HERE / name)]
    process = await asyncio.create_subprocess_exec(
        sys.executable, *words, env=environment, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT
    )
    output, _ = await process.communicate()
    assert process.returncode == 0, output.decode()


async def test_bleak_on_a_bluez_of_our_own(tmp_path: Path) -> None:
    async with private_bus(tmp_path) as environment:
        await checks("bluez_checks.py", environment)


async def test_bleak_on_a_bluez_of_others(tmp_path: Path) -> None:
    """bluezoo is a program of its own here: it is never imported."""
    bluezoo = Path(sys.executable).with_name("bluezoo")
    if not bluezoo.exists():
        pytest.skip("bluezoo is not installed")
    async with private_bus(tmp_path) as environment:
        words = ["--auto-enable", "--scan-interval", "1"]
        adapters = ["--adapter", "00:11:22:33:44:55", "--adapter", "00:11:22:33:44:66"]
        silent = asyncio.subprocess.DEVNULL
        service = await asyncio.create_subprocess_exec(
            bluezoo, *words, *adapters, env=environment, stdout=silent, stderr=silent
        )
        try:
            await checks("bluezoo_checks.py", environment)
        finally:
            service.terminate()
            await service.wait()
