"""A boiler plant for tests: the example's PLC and a hub on a copy of its manifests, as processes on free ports."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from processes import free_port as unlent

from twinhub.client import TwinClient

ROOT = Path(__file__).parents[2]
EXAMPLE = ROOT / "examples" / "boiler-plant"
PATIENCE = 20.0
"""Seconds until a condition that should hold is given up."""


def free_port() -> int:
    """None of those that the system lends to whoever connects: it could be lent before the port is used."""
    return unlent(0)


def wait_for(condition: Callable[[], object], what: str) -> None:
    deadline = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < deadline, f"in vain: {what}"
        time.sleep(0.05)


@contextmanager
def process(command: Sequence[str | Path], log: Path, **environment: str) -> Iterator[subprocess.Popen[bytes]]:
    """A process whose output goes to `log`; asked to end, and made to."""
    env = {**os.environ, **environment}
    with log.open("ab") as out, subprocess.Popen(command, stdout=out, stderr=subprocess.STDOUT, env=env) as started:
        try:
            yield started
        finally:
            end(started, within=10)


def end(process: subprocess.Popen[Any], within: float = 30) -> None:
    """Ask it to end, and make it end: whoever waits for it afterwards does not wait for ever."""
    process.terminate()
    try:
        process.wait(within)
    except subprocess.TimeoutExpired:
        process.kill()


def twinhub(*words: str | Path, text: str | None = None, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run the command line to its end, with `text` on its standard input."""
    command = [sys.executable, "-m", "twinhub", *map(str, words)]
    env = {**os.environ, "COLUMNS": "120", **environment}
    return subprocess.run(command, capture_output=True, text=True, timeout=60, check=False, env=env, input=text)


@dataclass
class Plant:
    """The manifests in `folder`, whose hub listens at `url` while `hub` runs."""

    folder: Path
    state: Path
    log: Path
    plc_port: int
    broker_port: int

    @property
    def url(self) -> str:
        return f"mqtt://127.0.0.1:{self.broker_port}"

    @contextmanager
    def plc(self) -> Iterator[None]:
        log = self.log.with_name("plc.log")
        with process([sys.executable, EXAMPLE / "plc.py", f"--port={self.plc_port}", "--speed=5"], log):
            wait_for(lambda: log.read_text(), "the PLC listens")
            yield

    @contextmanager
    def hub(self, *options: str) -> Iterator[subprocess.Popen[bytes]]:
        command = [sys.executable, "-m", "twinhub", "run", self.folder, f"--state-dir={self.state}", *options]
        before = self.serves()
        with process(command, self.log) as hub:
            wait_for(lambda: self.serves() > before or hub.poll() is not None, "the hub serves")
            assert hub.poll() is None, self.log.read_text()
            yield hub

    def serves(self) -> int:
        """How often a hub has begun to serve."""
        return self.log.read_text().count(" serves ") if self.log.exists() else 0

    def twinhub(self, *words: str | Path) -> subprocess.CompletedProcess[str]:
        return twinhub(*words, TWINHUB_BROKER=self.url)

    def value(self, device: str, name: str) -> str:
        """The reported value; empty while there is none."""
        with TwinClient(self.url) as client:
            twin = client.twin(f"default/{device}").get(name)
        return (twin.actual.value or "") if twin and twin.actual else ""

    def edit(self, file: str, old: str, new: str) -> None:
        path = self.folder / file
        text = path.read_text()
        assert old in text
        path.write_text(text.replace(old, new))


def make_plant(scratch: Path) -> Plant:
    """A copy of the example, on ports of its own."""
    plant = Plant(scratch / "plant", scratch / "state", scratch / "hub.log", free_port(), free_port())
    shutil.copytree(EXAMPLE, plant.folder, ignore=shutil.ignore_patterns(".*", "__pycache__"))
    for file in plant.folder.glob("*.yaml"):
        text = re.sub(r"\b15020\b", str(plant.plc_port), file.read_text())
        file.write_text(re.sub(r"\b18830\b", str(plant.broker_port), text))
    return plant
