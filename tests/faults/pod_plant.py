"""A folder of pods whose desired set changes, and what the kernel says of the processes that run of them."""

from __future__ import annotations

import asyncio
import random
import time
from collections import Counter
from collections.abc import Awaitable, Callable
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple
from uuid import uuid4

from twinhub.client import TwinClient
from twinhub.errors import CommandError

NODE = "fault"
STEADY = ("steady-0", "steady-1", "steady-2")
"""Nobody touches these."""
MOST_MORTAL = 8
PATIENCE = 60.0
POD = """
apiVersion: v1
kind: Pod
metadata: {{name: {name}}}
spec:
  terminationGracePeriodSeconds: 1
  containers:
    - name: main
      image: {image}
      imagePullPolicy: Never
      command: [sleep, "100000"]
      env: [{{name: FAULT, value: {mark}}}]
"""


class Running(NamedTuple):
    """A process of a pod, as the kernel knows it."""

    pid: int
    started: str
    """Ticks since the machine's start."""
    parent: int


class Plant:
    """What is desired, and what runs. A mark is a pod's name and version, unique on the machine."""

    def __init__(self, folder: Path, runtime: str, image: str, broker: str) -> None:
        self._folder = folder
        self._image = image
        self._broker = broker
        self._nonce = uuid4().hex
        self.versions: dict[str, int] = {}
        self.stopped = set[str]()
        (folder / "twinhub.yaml").write_text(f"node: {NODE}\npods: {{runtime: {runtime}}}\n")
        for name in STEADY:
            self.write(name)

    def mark(self, name: str) -> str:
        return f"{self._nonce}.{name}.{self.versions[name]}"

    def write(self, name: str) -> None:
        """Another version of this pod is desired from now on."""
        self.versions[name] = self.versions.get(name, 0) + 1
        text = POD.format(name=name, image=self._image, mark=self.mark(name))
        beside = self._folder / f".{name}"
        beside.write_text(text)
        beside.rename(self._folder / f"{name}.yaml")

    def remove(self, name: str) -> None:
        (self._folder / f"{name}.yaml").unlink()
        del self.versions[name]
        self.stopped.discard(name)

    async def scale(self, name: str, replicas: int) -> None:
        """Wished as soon as the hub is there to hear it and knows the pod; returns when it is durable."""
        await until(lambda: asyncio.to_thread(self._wish, name, replicas), f"{name} is wished to be {replicas}")
        (self.stopped.discard if replicas else self.stopped.add)(name)

    def _wish(self, name: str, replicas: int) -> bool:
        with suppress(CommandError), TwinClient(self._broker, timeout=1) as client:
            client.wish(f"default/pod.{name}", {"replicas": str(replicas)})
            return True
        return False

    async def change(self, dice: random.Random, number: int) -> None:
        """Something else is desired."""
        mortal = sorted(self.versions.keys() - set(STEADY))
        what = dice.choice(("add", "add", "edit", "edit", "remove", "scale")) if len(mortal) > 2 else "add"
        name = dice.choice(mortal) if mortal else ""
        if what == "add" and len(mortal) < MOST_MORTAL:
            self.write(f"mortal-{number}")
        elif what == "edit":
            self.write(name)
        elif what == "remove":
            self.remove(name)
        elif what == "scale":
            await self.scale(name, int(name in self.stopped))

    async def is_known(self) -> bool:
        """The hub says of each pod what is desired of it."""
        return await asyncio.to_thread(self._told)

    def _told(self) -> bool:
        with suppress(CommandError), TwinClient(self._broker, timeout=2) as client:
            for name in self.versions:
                phase = client.twin(f"default/pod.{name}")["phase"].actual
                runs = phase is not None and phase.value == "Running"
                if runs == (name in self.stopped):
                    return False
            return True
        return False

    def desired(self) -> Counter[str]:
        """The marks of what is to run."""
        return Counter(self.mark(name) for name in self.versions if name not in self.stopped)

    def running(self) -> list[tuple[str, Running]]:
        """Mark and process, of everything of ours that there is: asked of the kernel, not of an engine."""
        found = []
        for directory in Path("/proc").glob("[0-9]*"):
            with suppress(OSError):
                mark = _mark(directory)
                if mark.startswith(self._nonce):
                    found.append((mark, _process(directory)))
        return found

    def mortal(self) -> list[tuple[str, Running]]:
        """Those that run and may be harmed."""
        steady = {self.mark(name) for name in STEADY}
        return [(mark, one) for mark, one in self.running() if mark not in steady]

    async def settled(self) -> bool:
        """What runs is what is desired, each once."""
        return Counter(mark for mark, _ in self.running()) == self.desired()


def _process(directory: Path) -> Running:
    fields = (directory / "stat").read_text().rpartition(")")[2].split()
    return Running(int(directory.name), started=fields[19], parent=int(fields[1]))


def _mark(process: Path) -> str:
    """Of a pod's program; empty for all else, such as what keeps one and has its environment."""
    if not (process / "cmdline").read_bytes().startswith(b"sleep\0"):
        return ""
    words = (process / "environ").read_text(errors="replace").split("\0")
    return next((word.removeprefix("FAULT=") for word in words if word.startswith("FAULT=")), "")


async def until(condition: Callable[[], Awaitable[object]], what: str) -> None:
    end = time.monotonic() + PATIENCE
    while not await condition():
        assert time.monotonic() < end, f"in vain: {what}"
        await asyncio.sleep(0.1)
