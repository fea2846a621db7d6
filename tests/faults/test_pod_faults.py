"""Pods under kill -9: whatever dies and whenever, in the end what is desired runs, and nothing else does."""

from __future__ import annotations

import asyncio
import os
import random
import signal
import sys
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, suppress
from pathlib import Path
from typing import NamedTuple
from uuid import uuid4

import busybox_image
import pytest
from killable import Killable
from podman_engine import podman_engine

from edged.process.runtime import ProcessRuntime
from edged.runtime import Runtime
from eventbus.broker import PrivateBroker
from twinhub.client import TwinClient
from twinhub.errors import CommandError

NODE = "fault"
STEADY = ("steady-0", "steady-1", "steady-2")
"""Nobody touches these."""
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


class Engine(NamedTuple):
    """What a variant runs on."""

    name: str
    image: str
    runtime: Callable[[], Runtime]
    kill_service: Callable[[], Awaitable[None]] | None


class Running(NamedTuple):
    """A process of a pod, as the kernel knows it."""

    pid: int
    started: str
    """Ticks since the machine's start."""


@contextmanager
def processes(state: Path) -> Iterator[Engine]:
    yield Engine("process", "host", lambda: ProcessRuntime(state / "edged" / "process"), None)


@contextmanager
def podman(state: Path) -> Iterator[Engine]:
    """In the directory that edged gives to it, so that the service is the one that edged starts."""
    directory = state / "edged" / "podman"
    directory.mkdir(parents=True, mode=0o700)
    with podman_engine(directory) as engine:
        archive = busybox_image.docker_archive(directory / "image.tar")
        engine.podman("load", "--quiet", "--input", str(archive))
        yield Engine("podman", busybox_image.NAME, engine.runtime, engine.kill)


class Plant:
    """A folder of pods, what is wished of them, and what runs of them."""

    def __init__(self, folder: Path, engine: Engine, broker: str) -> None:
        self._folder = folder
        self._image = engine.image
        self._broker = broker
        self._nonce = uuid4().hex
        self.versions: dict[str, int] = {}
        self.stopped = set[str]()
        self.killed = set[str]()
        """Marks of processes that were killed once: the next end of theirs would have to wait for its turn."""
        settings = f"node: {NODE}\npods: {{runtime: {engine.name}}}\n"
        (folder / "twinhub.yaml").write_text(settings)

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

    def told(self) -> bool:
        """The hub says of each pod what is desired of it."""
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
                    started = (directory / "stat").read_text().rpartition(")")[2].split()[19]
                    found.append((mark, Running(int(directory.name), started)))
        return found

    async def settled(self) -> bool:
        """What runs is what is desired, each once."""
        return Counter(mark for mark, _ in self.running()) == self.desired()


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


async def change(plant: Plant, dice: random.Random, number: int) -> None:
    """Something else is desired."""
    mortal = sorted(plant.versions.keys() - set(STEADY))
    what = dice.choice(("add", "add", "edit", "edit", "remove", "scale")) if len(mortal) > 2 else "add"
    name = dice.choice(mortal) if mortal else ""
    if what == "add" and len(mortal) < 8:
        plant.write(f"mortal-{number}")
    elif what == "edit":
        plant.write(name)
    elif what == "remove":
        plant.remove(name)
    elif what == "scale":
        await plant.scale(name, int(name in plant.stopped))


async def kill(hub: Killable, engine: Engine, plant: Plant, dice: random.Random) -> None:
    """Something dies."""
    what = dice.choice(("hub", "hub", "container", *(["service"] if engine.kill_service else [])))
    if what == "service" and engine.kill_service:
        await engine.kill_service()
    elif what == "container":
        steady = {plant.mark(name) for name in STEADY}
        mortal = [(m, one) for m, one in plant.running() if m not in steady | plant.killed]
        if mortal:
            mark, victim = dice.choice(mortal)
            plant.killed.add(mark)
            with suppress(ProcessLookupError):
                os.kill(victim.pid, signal.SIGKILL)
    else:
        await hub.kill()
        await asyncio.sleep(dice.uniform(0, 0.2))
        await hub.start()


async def found(engine: Engine) -> tuple[int, int]:
    """How many sandboxes and running containers the engine has; one that ended may be kept for its exit status."""
    async with engine.runtime() as runtime:
        ours = await runtime.found(NODE)
    return len(ours.sandboxes), sum(one.state == "running" for one in ours.containers)


async def clear(engine: Engine) -> None:
    async with engine.runtime() as runtime:
        for sandbox in (await runtime.found(NODE)).sandboxes:
            await runtime.remove_sandbox(sandbox.id)


Variant = Callable[[Path], AbstractContextManager[Engine]]


@pytest.mark.fault
@pytest.mark.parametrize(("variant", "rounds"), [(processes, 30), (podman, 10)], ids=["processes", "podman"])
async def test_what_is_desired_runs_once_whatever_is_killed(
    variant: Variant, rounds: int, tmp_path: Path, unused_tcp_port: int
) -> None:
    """podman: fewer rounds, since each of its containers takes its time."""
    seed = random.randrange(1 << 30)
    print("seed", seed)
    dice, folder, state = random.Random(seed), tmp_path / "plant", tmp_path / "s"
    folder.mkdir()
    state.mkdir(mode=0o700)
    with variant(state) as engine:
        async with PrivateBroker(tmp_path / "broker", port=unused_tcp_port) as broker:
            plant = Plant(folder, engine, broker.url)
            for name in STEADY:
                plant.write(name)
            command = [sys.executable, "-m", "twinhub", "run", folder, f"--state-dir={state}", "--broker", broker.url]
            try:
                async with Killable(command, tmp_path / "hub.log") as hub:
                    await kill_and_change(hub, engine, plant, dice, rounds)
            finally:
                await clear(engine)


async def kill_and_change(hub: Killable, engine: Engine, plant: Plant, dice: random.Random, rounds: int) -> None:
    await until(plant.settled, "the first pods run")
    before = dict(plant.running())
    for number in range(rounds):
        await change(plant, dice, number)
        await asyncio.sleep(dice.uniform(0, 0.8))
        await kill(hub, engine, plant, dice)
    await until(plant.settled, f"exactly {plant.desired()} runs; there is {plant.running()}")
    after = dict(plant.running())
    assert {mark: after[mark] for mark in before} == before, "nobody touched those that nobody wished to be touched"
    await hub.kill()
    await hub.start()
    count = len(plant.desired())
    await until(lambda: is_known(plant), "the hub that was killed knows all of them")
    assert dict(plant.running()) == after, "the last one that was started has adopted all of them"

    async def nothing_is_left() -> bool:
        return await found(engine) == (count, count)

    await until(nothing_is_left, "nothing is left of what is not desired: its sandbox may go last")


async def is_known(plant: Plant) -> bool:
    """The twins of all pods say how they are."""
    return await asyncio.to_thread(plant.told)
