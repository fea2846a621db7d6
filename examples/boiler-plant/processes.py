"""Processes of a demo, which end with it, and the cloud among them."""

from __future__ import annotations

import os
import random
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TypeVar

from twinhub.cloud_client import Address, CloudClient
from twinhub.errors import CommandError

T = TypeVar("T")

TWINHUB = (sys.executable, "-m", "twinhub")
OPERATOR = "operator.pem"
"""The operator's credentials, where the cloud puts them."""
START_TIMEOUT = 20.0
UNLENT = range(20_000, 32_000)
"""Ports below those that Linux lends."""


def free_port(wanted: int) -> int:
    """The wanted port, or any other when somebody uses it, or 0 is wanted. Not one of those that the system lends to
    whoever connects: it could be lent before the port is used."""
    others = random.sample(UNLENT, 100)
    for port in (wanted, *others) if wanted else others:
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
            return port
    sys.exit("there is no free port on this machine")


@contextmanager
def process(command: Sequence[str], log: Path) -> Iterator[subprocess.Popen[bytes]]:
    """A process that ends with us; what it prints goes to `log`."""
    environment = {**os.environ, "TWINHUB_OPERATOR": str(log.parent / OPERATOR)}
    with (
        log.open("wb") as out,
        subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=out, stderr=subprocess.STDOUT, env=environment
        ) as started,
    ):
        try:
            yield started
        finally:
            started.terminate()
            try:
                started.wait(5)
            except subprocess.TimeoutExpired:
                started.kill()


def await_start(started: subprocess.Popen[bytes], found: Callable[[], T | None], name: str, log: Path) -> T:
    """What `found` gives, as soon as it gives something."""
    deadline = time.monotonic() + START_TIMEOUT
    while time.monotonic() < deadline and started.poll() is None:
        if result := found():
            return result
        time.sleep(0.05)
    sys.exit(f"{name} did not start:\n{log.read_text()}")


def start_cloud(stack: ExitStack, scratch: Path, port: int, link_port: int) -> CloudClient:
    """The cloud on these ports, and a connection to it as its operator."""
    state, log = scratch / "cloud", scratch / "cloud.log"
    state.mkdir(mode=0o700)
    settings = f"listen: 127.0.0.1\nport: {port}\nlinkPort: {link_port}\nmetricsPort: 0\n"
    (state / "cloud.yaml").write_text(settings)
    started = stack.enter_context(process([*TWINHUB, "cloud", f"--state-dir={state}"], log))

    address, operator = Address("127.0.0.1", port), scratch / OPERATOR

    def answers() -> bool:
        try:
            with CloudClient(address, operator) as client:
                list(client.nodes())
        except CommandError:
            return False
        return True

    await_start(started, answers, "the cloud", log)
    return stack.enter_context(CloudClient(address, operator))
