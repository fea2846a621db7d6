"""A node with pods for tests: a folder of manifests and a hub on it, and pods as processes of this machine."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from live_plant import free_port, process, twinhub, wait_for

from twin.documents import MsgTwin
from twinhub.client import TwinClient
from twinhub.errors import CommandError

POD = """\
apiVersion: v1
kind: Pod
metadata: {{name: {name}{annotations}}}
spec:
  terminationGracePeriodSeconds: 1
  containers:
    - name: app
      image: host
      imagePullPolicy: Never
      command: [sh, -c, 'echo $$$$ > {pid_file}; echo {says}; exec sleep 1000']
"""


@dataclass
class Node:
    """Manifests in `folder`, whose hub listens at `url` while `hub` runs."""

    folder: Path
    state: Path
    log: Path
    port: int

    @property
    def url(self) -> str:
        return f"mqtt://127.0.0.1:{self.port}"

    def declare(self, name: str, says: str = "hello", device: str = "") -> None:
        """Write or edit the manifest of a pod."""
        annotations = f", annotations: {{twinhub.io/device: {device}}}" if device else ""
        text = POD.format(name=name, says=says, pid_file=self._pid_file(name), annotations=annotations)
        (self.folder / f"{name}.yaml").write_text(text)

    def drop(self, name: str) -> None:
        (self.folder / f"{name}.yaml").unlink()

    def pid(self, name: str) -> int:
        """The process that was started last; 0 before."""
        file = self._pid_file(name)
        return int(file.read_text() or 0) if file.exists() else 0

    def runs(self, name: str) -> bool:
        """Its process is there."""
        pid = self.pid(name)
        return pid > 0 and Path(f"/proc/{pid}").exists()

    def _pid_file(self, name: str) -> Path:
        return self.folder.parent / f"{name}.pid"

    @contextmanager
    def hub(self, *options: str) -> Iterator[subprocess.Popen[bytes]]:
        before = self.log.read_text().count(" serves ") if self.log.exists() else 0
        command = [sys.executable, "-m", "twinhub", "run", self.folder, f"--state-dir={self.state}", *options]
        with process(command, self.log) as hub:
            wait_for(lambda: self.log.read_text().count(" serves ") > before or hub.poll() is not None, "it serves")
            assert hub.poll() is None, self.log.read_text()
            yield hub

    def twinhub(self, *words: str) -> subprocess.CompletedProcess[str]:
        return twinhub(*words, TWINHUB_BROKER=self.url)

    def local(self, command: str, *words: str) -> subprocess.CompletedProcess[str]:
        """A command that reaches the hub by its directory."""
        return twinhub(command, f"--state-dir={self.state}", *words)

    def twin(self, device: str) -> dict[str, MsgTwin]:
        """Empty while the hub does not know it."""
        try:
            with TwinClient(self.url) as client:
                return client.twin(f"default/{device}")
        except CommandError:
            return {}

    def says(self, pod: str, name: str) -> str:
        """What the pod's twin reports."""
        found = self.twin(f"pod.{pod}").get(name)
        return (found.actual.value or "") if found and found.actual else ""

    def is_up(self, pod: str) -> bool:
        return self.says(pod, "ready") == "true" and self.runs(pod)

    def end(self) -> None:
        """Nothing that was started here goes on."""
        for file in self.folder.parent.glob("*.pid"):
            if self.runs(file.stem):
                os.kill(self.pid(file.stem), signal.SIGKILL)


def make_node(scratch: Path, runtime: str = "process") -> Node:
    node = Node(scratch / "node", scratch / "state", scratch / "hub.log", free_port())
    node.folder.mkdir()
    settings = f"node: edge-7\nbroker: {{port: {node.port}}}\npods: {{runtime: {runtime}, deviceAwaySeconds: 1}}\n"
    (node.folder / "twinhub.yaml").write_text(settings)
    return node
