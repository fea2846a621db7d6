"""A cloud for tests: `twinhub cloud` as a process on free ports, and what operators type."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from live_plant import free_port, process, twinhub, wait_for

from cloud_sync.api_forms import Node, Twin
from twinhub.cloud_client import Address, CloudClient


@dataclass
class LiveCloud:
    """What it remembers is in `state`; it listens while `running`."""

    state: Path
    port: int
    link_port: int
    metrics_port: int

    @property
    def address(self) -> str:
        return f"localhost:{self.port}"

    @property
    def log(self) -> Path:
        return self.state.with_name("cloud.log")

    @property
    def environment(self) -> dict[str, str]:
        return {"TWINHUB_OPERATOR": str(self.state.with_name("operator.pem"))}

    @contextmanager
    def running(self, *options: str) -> Iterator[subprocess.Popen[bytes]]:
        ports = [f"--port={self.port}", f"--link-port={self.link_port}", f"--metrics-port={self.metrics_port}"]
        command = [sys.executable, "-m", "twinhub", "cloud", f"--state-dir={self.state}", *ports, *options]
        before = self._starts()
        with process(command, self.log, **self.environment) as cloud:
            wait_for(lambda: self._starts() > before or cloud.poll() is not None, "the cloud serves")
            assert cloud.poll() is None, self.log.read_text()
            yield cloud

    def twinhub(self, *words: str | Path, text: str | None = None) -> subprocess.CompletedProcess[str]:
        """Run a command of operators to its end, with `text` on its standard input."""
        return twinhub(*words, "--cloud", self.address, text=text, **self.environment)

    def join(self, node: str) -> Path:
        """The folder of the identity that `node` gets."""
        token = self.twinhub("token", node).stdout
        folder = self.state.with_name(f"identity-{node}")
        done = self.twinhub(
            "join", "--node", node, "--identity", folder, "--link-port", str(self.link_port), text=token
        )
        assert done.returncode == 0, done.stderr
        return folder

    def value(self, device: str, name: str) -> str:
        """The reported value as the cloud has it; empty while it has none."""
        twin = next((twin for twin in self._twins() if twin.device == f"default/{device}"), None)
        actual = twin.twin[name].actual if twin and name in twin.twin else None
        return (actual.value or "") if actual else ""

    def node(self, name: str) -> Node | None:
        with self.client() as client:
            return next((node for node in client.nodes() if node.name == name), None)

    def client(self) -> CloudClient:
        return CloudClient(Address("localhost", self.port), Path(self.environment["TWINHUB_OPERATOR"]))

    def _twins(self) -> list[Twin]:
        with self.client() as client:
            return list(client.twins())

    def _starts(self) -> int:
        return self.log.read_text().count("the cloud is at") if self.log.exists() else 0


def make_cloud(scratch: Path) -> LiveCloud:
    """One that has never run."""
    return LiveCloud(scratch / "cloud", free_port(), free_port(), free_port())
