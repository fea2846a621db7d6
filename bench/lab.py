"""A laboratory for one measurement: a private broker, the hub by its command line, a fleet of slaves.

Everything runs as a process of its own, as in life, in a folder of its own, and ends with the `async with`.
"""

from __future__ import annotations

import asyncio
import random
import socket
import subprocess
import sys
import tempfile
import time
from asyncio.subprocess import PIPE, Process
from collections.abc import Callable, Sequence
from contextlib import AsyncExitStack, suppress
from pathlib import Path
from typing import Self

from bench.mqtt_client import Client
from eventbus.broker import PrivateBroker

ROOT = Path(__file__).parent.parent
READY_WITHIN = 120.0
"""Seconds the hub may take until it answers for its devices."""
LONGEST_LINE = 1 << 24
"""Bytes of a line that a tool prints."""
STOP_WITHIN = 15.0
"""Seconds between SIGTERM and SIGKILL."""


class LabError(Exception):
    """A measurement that cannot be made; the message holds what the process said."""


class Lab:
    """`async with Lab() as lab`: a broker runs. Write manifests into `lab.manifests`, then start what you need."""

    def __init__(self) -> None:
        self._stack = AsyncExitStack()
        self._processes: dict[str, Process] = {}
        self._broker: PrivateBroker
        self.hub_started = 0.0
        """Unix time."""

    async def __aenter__(self) -> Self:
        self.folder = Path(self._stack.enter_context(tempfile.TemporaryDirectory(prefix="twinhub-bench-")))
        self.manifests = self.folder / "manifests"
        self.manifests.mkdir()
        self._port = free_ports(1)
        broker = PrivateBroker(self.folder / "broker", port=self._port)
        self._broker = await self._stack.enter_async_context(broker)
        return self

    async def __aexit__(self, *exc: object) -> None:
        await self._stack.aclose()

    async def hub(self, *words: str) -> None:
        """Start the hub on `manifests`. Returns at once: how soon it answers is one of the figures."""
        options = ["--broker", self._broker.url, "--state-dir", str(self.folder / "state"), *words]
        self.hub_started = time.time()
        await self._start("hub", [sys.executable, "-m", "twinhub", "run", str(self.manifests), *options])

    async def end_hub(self, *, kill: bool = False) -> None:
        """`kill`: at once, with -9. Nothing, where none runs."""
        process = self._processes.pop("hub", None)
        if process and kill:
            process.kill()
        if process:
            await _end(process)

    async def client(self, name: str, on_message: Callable[[bytes, bytes], None]) -> Client:
        """A connection to the broker, for `async with`."""
        return await Client.connect("127.0.0.1", self._port, name, on_message)

    async def null_hub(self) -> None:
        """Start the hub that does nothing."""
        await self._start("null hub", [sys.executable, "-m", "bench.null_hub", "--broker", f"127.0.0.1:{self._port}"])

    async def fleet(self, count: int, *, step_ms: int, silent: int = 0, failing: int = 0) -> int:
        """Start Modbus slaves; returns the first of their ports."""
        base_port = free_ports(count)
        options = {"count": count, "step-ms": step_ms, "blackhole": silent, "exceptions": failing}
        words = [word for name, value in options.items() for word in (f"--{name}", str(value))]
        await self._start("fleet", [str(fleet_program()), "--base-port", str(base_port), *words])
        while not self.said("fleet"):
            self.check("fleet")
            await asyncio.sleep(0.01)
        return base_port

    @property
    def pids(self) -> list[str]:
        """What runs, as the tools want it: `["broker=123", "hub=456"]`."""
        processes = {"broker": self._broker} | self._processes
        return [f"{name}={process.pid}" for name, process in processes.items()]

    async def tool(self, module: str, *words: str) -> Process:
        """Start a tool of ours that uses the broker, with pipes to and from it."""
        return await self.program("-m", module, "--broker", f"127.0.0.1:{self._port}", *words)

    async def program(self, *words: str) -> Process:
        """Start a Python program, with pipes to and from it."""
        command = [sys.executable, *words]
        process = await asyncio.create_subprocess_exec(
            *command, stdin=PIPE, stdout=PIPE, cwd=ROOT, limit=LONGEST_LINE
        )
        self._stack.push_async_callback(_end, process)
        return process

    async def result(self, tool: Process, words: str = "") -> bytes:
        """Hand `words` to a tool; the last line that it prints is its report. LabError when it, or the hub, fails."""
        output, _ = await tool.communicate(words.encode())
        self.check("hub")
        if tool.returncode or not output:
            raise LabError(f"the tool ended with status {tool.returncode}; the hub said:\n{self.said('hub')}")
        return output.splitlines()[-1]

    async def until_known(self, device_id: str) -> None:
        """Wait until the hub answers for this device."""
        known = asyncio.Event()

        def on_message(_: bytes, payload: bytes) -> None:
            if b'"code"' not in payload:
                known.set()

        topic = f"$hw/events/device/{device_id}/twin/get"
        async with await Client.connect("127.0.0.1", self._port, "bench-lab", on_message) as client:
            await client.subscribe([f"{topic}/result"], 0)
            for _ in range(int(READY_WITHIN / 0.1)):
                self.check("hub")
                client.publish(topic.encode(), b'{"event_id":"1","timestamp":1}', 0)
                with suppress(TimeoutError):
                    await asyncio.wait_for(known.wait(), 0.1)
                    return
        raise LabError(
            f"the hub did not answer for {device_id} in {READY_WITHIN:.0f} s; it said:\n{self.said('hub')}"
        )

    async def _start(self, name: str, command: Sequence[str]) -> None:
        with self._log(name).open("wb") as log:
            process = await asyncio.create_subprocess_exec(*command, stdout=log, stderr=log, cwd=ROOT)
        self._stack.push_async_callback(_end, process)
        self._processes[name] = process

    def check(self, name: str) -> None:
        """Raise `LabError` when this process has ended, with what it said last."""
        process = self._processes.get(name)
        if process and process.returncode is not None:
            raise LabError(f"the {name} ended with status {process.returncode}; it said:\n{self.said(name)}")

    def _log(self, name: str) -> Path:
        return self.folder / f"{name}.log"

    def said(self, name: str) -> str:
        """What it said last."""
        return self._log(name).read_text(errors="replace")[-3000:] if name in self._processes else ""


async def _end(process: Process) -> None:
    with suppress(ProcessLookupError):
        process.terminate()
    try:
        await asyncio.wait_for(process.wait(), STOP_WITHIN)
    except TimeoutError:
        process.kill()
        await process.wait()


def fleet_program() -> Path:
    """`modbus_fleet`, compiled if it is older than its source."""
    source, program = ROOT / "bench" / "modbus_fleet.c", ROOT / "build" / "modbus_fleet"
    if not program.exists() or program.stat().st_mtime < source.stat().st_mtime:
        program.parent.mkdir(exist_ok=True)
        subprocess.run(["cc", "-O2", "-Wall", "-o", program, source], check=True)
    return program


def free_ports(count: int) -> int:
    """The first of `count` free TCP ports in a row, below those that the system hands out by itself."""
    for _ in range(200):
        base = random.randrange(20_000, 32_000 - count)
        if all(_is_free(port) for port in range(base, base + count)):
            return base
    raise LabError(f"no {count} free ports in a row between 20000 and 32000")


def _is_free(port: int) -> bool:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        with suppress(OSError):
            probe.bind(("127.0.0.1", port))
            return True
    return False
