"""The page about writing a mapper, followed literally: from an empty folder to a set-point that is written.

Only the ports are others, and the package is built without a network.
"""

from __future__ import annotations

import os
import random
import re
import socket
import subprocess
import sysconfig
import time
import venv
from contextlib import ExitStack, suppress
from itertools import pairwise
from pathlib import Path
from typing import NamedTuple

import pytest
from live_plant import PATIENCE, ROOT, process, wait_for

PAGE = (ROOT / "docs" / "write-a-mapper.md").read_text()
LONGEST = 120.0
"""Seconds that one command may take."""


class Block(NamedTuple):
    """A fenced block of the page: `sh`, `sh stays`, `text` (what the block before it shows), `python FILE`."""

    kind: str
    text: str

    @property
    def lines(self) -> list[str]:
        return self.text.splitlines()


BLOCKS = [Block(*found) for found in re.findall(r"^```(\S[^\n]*)\n(.*?)^```", PAGE, re.DOTALL | re.MULTILINE)]


def shows(printed: str, shown: list[str]) -> bool:
    """Whether each of these lines of the page is among what was printed; `...` is anything."""
    patterns = [".*".join(map(re.escape, line.split("..."))) for line in shown]
    return all(re.search(f"^{pattern}$", printed, re.MULTILINE) for pattern in patterns)


def quiet_port() -> int:
    """A free port from below those that the system gives to whoever asks for any: ours is used only seconds later."""
    while True:
        port = random.randrange(20_000, 32_000)
        with socket.socket() as probe, suppress(OSError):
            probe.bind(("127.0.0.1", port))
            return port


class Author:
    """Somebody who does what the page says, beginning in an empty folder."""

    def __init__(self, here: Path, environment: dict[str, str], stack: ExitStack) -> None:
        self.here = here
        self.package = here / "twinhub-acme"
        self.environment = environment
        self.stack = stack
        self.instrument, self.broker = str(quiet_port()), quiet_port()

    def follow(self, block: Block, shown: list[str]) -> None:
        shown = [line.replace("5025", self.instrument) for line in shown]
        commands = [line.replace("5025", self.instrument) for line in block.lines]
        if block.kind == "sh stays":
            self.start(commands, shown)
        elif block.kind == "sh":
            self.type(commands, shown)
        elif block.kind.startswith("python "):
            assert block.text == (self.package / block.kind.split()[1]).read_text()

    def start(self, commands: list[str], shown: list[str]) -> None:
        """In a terminal of its own; it has started when it shows what the page says."""
        [command] = commands
        log = self.package.with_suffix(f".{command.split()[1]}.log")
        words = ["/bin/sh", "-c", f"cd {self.here} && exec {command}"]
        started = self.stack.enter_context(process(words, log, **self.environment))
        wait_for(lambda: shows(log.read_text(), shown) or started.poll() is not None, command)
        assert started.poll() is None, log.read_text()

    def type(self, commands: list[str], shown: list[str]) -> None:
        """One after the other. A value may need a moment to arrive, so whoever does not see it looks again."""
        deadline = time.monotonic() + PATIENCE
        printed = "".join(map(self.run, commands))
        while not shows(printed, shown):
            assert time.monotonic() < deadline, f"{commands} printed:\n{printed}"
            printed = "".join(map(self.run, commands))

    def run(self, command: str) -> str:
        if command.startswith("cd "):
            self.here = self.here / command.removeprefix("cd ")
            return ""
        done = subprocess.run(
            ["/bin/sh", "-c", command], cwd=self.here, env={**os.environ, **self.environment},
            capture_output=True, text=True, timeout=LONGEST, check=False,
        )  # fmt: skip
        assert done.returncode == 0, f"{command}: {done.stdout}{done.stderr}"
        if " new " in command:
            self.take_free_ports()
        return done.stdout

    def take_free_ports(self) -> None:
        """The one thing that is not as on the page: others may use its ports on this machine."""
        manifest = self.package / "manifests" / "acme.yaml"
        manifest.write_text(manifest.read_text().replace("5025", self.instrument))
        manifest.with_name("twinhub.yaml").write_text(f"broker: {{port: {self.broker}}}\n")
        self.environment["TWINHUB_BROKER"] = f"mqtt://127.0.0.1:{self.broker}"


@pytest.fixture
def environment(tmp_path: Path) -> dict[str, str]:
    """A virtual environment that sees what is installed where the tests run, twinhub included."""
    home = tmp_path / "venv"
    venv.create(home, symlinks=True)
    [packages] = home.glob("lib/python*/site-packages")
    (packages / "around.pth").write_text(f"import site; site.addsitedir({sysconfig.get_path('purelib')!r})\n")
    for command in ("twinhub", "pip", "pytest"):
        script = home / "bin" / command
        script.write_text(f'#!/bin/sh\nexec "{home}/bin/python" -m {command} "$@"\n')
        script.chmod(0o755)
    return {
        "PATH": f"{home}/bin:{os.environ['PATH']}",
        "PIP_NO_BUILD_ISOLATION": "0",  # which pip takes for: no isolation
        "PIP_NO_DEPS": "1",
        "PIP_NO_INDEX": "1",
        "COLUMNS": "120",
    }


def test_the_page_followed_literally(tmp_path: Path, environment: dict[str, str]) -> None:
    here = tmp_path / "here"
    here.mkdir()
    with ExitStack() as stack:
        author = Author(here, environment, stack)
        for block, after in pairwise([*BLOCKS, Block("", "")]):
            author.follow(block, after.lines if after.kind == "text" else [])


def test_the_page_shows_all_of_the_code_and_says_how_to_test_it() -> None:
    kinds = [block.kind for block in BLOCKS]
    assert kinds.count("sh stays") == 2
    assert {"python twinhub_acme/config.py", "python twinhub_acme/mapper.py"} <= set(kinds)
    assert any(block.text == "pytest\n" for block in BLOCKS)
