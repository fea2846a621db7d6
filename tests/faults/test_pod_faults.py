"""Pods under kill -9: whatever dies and whenever, in the end what is desired runs, and nothing else does."""

from __future__ import annotations

import asyncio
import os
import random
import signal
import sys
from collections import Counter
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import NamedTuple

import busybox_image
import pytest
from killable import Killable
from pod_plant import NODE, STEADY, Plant, Running, until
from podman_engine import podman_engine

from edged.process.runtime import ProcessRuntime
from edged.runtime import LABEL, FoundContainer, Runtime, RuntimeRefused, RuntimeUnavailable
from eventbus.broker import PrivateBroker


class Engine(NamedTuple):
    """What a variant runs on."""

    name: str
    image: str
    runtime: Callable[[], Runtime]
    monitor: str
    """The program between the engine and a container, as the kernel calls it."""
    kill_service: Callable[[], Awaitable[None]] | None


@contextmanager
def processes(state: Path) -> Iterator[Engine]:
    yield Engine("process", "host", lambda: ProcessRuntime(state / "edged" / "process"), "python", None)


@contextmanager
def podman(state: Path) -> Iterator[Engine]:
    """In the directory that edged gives to it, so that the service is the one that edged starts."""
    directory = state / "edged" / "podman"
    directory.mkdir(parents=True, mode=0o700)
    with podman_engine(directory) as engine:
        archive = busybox_image.docker_archive(directory / "image.tar")
        engine.podman("load", "--quiet", "--input", str(archive))
        yield Engine("podman", busybox_image.NAME, engine.runtime, "conmon", engine.kill)


@contextmanager
def containerd(state: Path) -> Iterator[Engine]:
    """Its service is started again by us, as systemd would."""
    from containerd_engine import containerd_engine  # noqa: PLC0415 - needs an extra

    directory = state / "c"
    directory.mkdir()
    with containerd_engine(directory) as engine, pytest.MonkeyPatch.context() as patch:
        patch.setenv("CONTAINER_RUNTIME_ENDPOINT", f"unix://{engine.socket}")
        archive = busybox_image.docker_archive(directory / "image.tar")
        engine.ctr("images", "import", str(archive))

        async def kill() -> None:
            await engine.kill()
            await asyncio.to_thread(engine.start)

        yield Engine("cri", busybox_image.NAME, engine.runtime, "containerd-shim", kill)


class Harm:
    """What is done to the hub, its engine and its mortal pods, at random."""

    def __init__(self, hub: Killable, engine: Engine, plant: Plant, dice: random.Random) -> None:
        self._hub, self._engine, self._plant, self._dice = hub, engine, plant, dice
        self._killed = set[str]()
        """Marks of what was made to end once: its next end would have to wait for its turn."""

    async def do(self, rounds: int) -> None:
        """So many, the hub twice as often as each other kind."""
        faults = [self._kill_hub, self._kill_hub, self._kill_program, self._kill_monitor]
        faults += [self._remove_container, self._remove_pod]
        if self._engine.kill_service:
            faults.append(self._engine.kill_service)
        chosen = [faults[number % len(faults)] for number in range(rounds)]
        self._dice.shuffle(chosen)
        for number, fault in enumerate(chosen):
            await self._plant.change(self._dice, number)
            await asyncio.sleep(self._dice.uniform(0, 0.8))
            await fault()

    async def _kill_hub(self) -> None:
        await self._hub.kill()
        await asyncio.sleep(self._dice.uniform(0, 0.2))
        await self._hub.start()

    async def _kill_program(self) -> None:
        """The process of a container."""
        if victim := self._victim():
            _kill(victim.pid)

    async def _kill_monitor(self) -> None:
        """What stands between the engine and a container: conmon, containerd's shim, our keeper."""
        if (victim := self._victim()) and _name(victim.parent).startswith(self._engine.monitor):
            _kill(victim.parent)

    def _victim(self) -> Running | None:
        mortal = [(mark, one) for mark, one in self._plant.mortal() if mark not in self._killed]
        mark, victim = self._dice.choice(mortal) if mortal else ("", None)
        self._killed.add(mark)
        return victim

    async def _remove_container(self) -> None:
        """Behind the hub's back."""
        await self._to_one(lambda runtime, one: runtime.remove(one.id))

    async def _remove_pod(self) -> None:
        """Behind the hub's back."""
        await self._to_one(lambda runtime, one: runtime.remove_sandbox(one.sandbox))

    async def _to_one(self, what: Callable[[Runtime, FoundContainer], Awaitable[None]]) -> None:
        async def done() -> bool:
            try:
                async with self._engine.runtime() as runtime:
                    if mortal := [one for one in (await runtime.found(NODE)).containers if _is_mortal(one)]:
                        with suppress(RuntimeRefused):  # the hub was about to remove it itself
                            await what(runtime, self._dice.choice(mortal))
            except RuntimeUnavailable:
                return False  # the hub is just starting it
            return True

        await until(done, "something is removed behind the hub's back")


def _name(pid: int) -> str:
    with suppress(OSError):
        return Path(f"/proc/{pid}/comm").read_text()
    return ""


def _kill(pid: int) -> None:
    with suppress(ProcessLookupError):
        os.kill(pid, signal.SIGKILL)


def _is_mortal(one: FoundContainer) -> bool:
    return one.labels[LABEL.pod].removeprefix("default/") not in STEADY


async def found(engine: Engine) -> Counter[str]:
    """How many sandboxes and running containers of each pod the engine has; one that ended may be kept for its exit
    status."""
    async with engine.runtime() as runtime:
        ours = await runtime.found(NODE)
    running = [one for one in ours.containers if one.state == "running"]
    return Counter(one.labels[LABEL.pod] for one in (*ours.sandboxes, *running))


async def clear(engine: Engine) -> None:
    async with engine.runtime() as runtime:
        for sandbox in (await runtime.found(NODE)).sandboxes:
            await runtime.remove_sandbox(sandbox.id)


ENGINES = {"processes": processes, "podman": podman, "containerd": containerd}


@pytest.fixture
def state(tmp_path: Path) -> Path:
    """The hub's directory; its name is short, as the path of a socket must be."""
    state = tmp_path / "s"
    state.mkdir(mode=0o700)
    return state


@pytest.fixture
def engine(request: pytest.FixtureRequest, state: Path) -> Iterator[Engine]:
    with ENGINES[request.param](state) as engine:
        yield engine


@pytest.mark.fault
@pytest.mark.parametrize(
    ("engine", "rounds"), [("processes", 30), ("podman", 30), ("containerd", 14)], indirect=["engine"]
)
async def test_what_is_desired_runs_once_whatever_is_killed(
    engine: Engine, rounds: int, tmp_path: Path, state: Path, unused_tcp_port: int
) -> None:
    seed = random.randrange(1 << 30)
    print("seed", seed)
    dice, folder = random.Random(seed), tmp_path / "plant"
    folder.mkdir()
    async with PrivateBroker(tmp_path / "broker", port=unused_tcp_port) as broker:
        plant = Plant(folder, engine.name, engine.image, broker.url)
        command = [sys.executable, "-m", "twinhub", "run", folder, f"--state-dir={state}", "--broker", broker.url]
        try:
            async with Killable(command, tmp_path / "hub.log") as hub:
                await harm_and_look(hub, engine, plant, Harm(hub, engine, plant, dice), rounds)
        finally:
            await clear(engine)


async def harm_and_look(hub: Killable, engine: Engine, plant: Plant, harm: Harm, rounds: int) -> None:
    await until(plant.settled, "the first pods run")
    before = dict(plant.running())
    await harm.do(rounds)
    await until(plant.settled, f"exactly {plant.desired()} runs; there is {plant.running()}")
    after = dict(plant.running())
    assert {mark: after[mark] for mark in before} == before, "nobody touched those that nobody wished to be touched"
    await hub.kill()
    await hub.start()
    await until(plant.is_known, "the hub that was killed knows all of them")
    assert dict(plant.running()) == after, "the last one that was started has adopted all of them"
    left = {f"default/{name}": 2 for name in plant.versions if name not in plant.stopped}

    async def nothing_is_left() -> bool:
        return await found(engine) == left

    await until(nothing_is_left, "nothing is left of what is not desired: its sandbox may go last")
