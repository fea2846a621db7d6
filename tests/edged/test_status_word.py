"""STATUS as kubectl prints it, on the way of whole pods."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest
from memory_runtime import MemoryEngine
from node import Node, container, pod
from virtual_time import run

from edged.pod import Pod
from edged.status import ContainerState, ContainerStatus, PodStatus, Running, Terminated, Waiting
from edged.status_word import word
from edged.wanted import Override


def one(state: ContainerState, *, ready: bool = False) -> ContainerStatus:
    return ContainerStatus(name="app", image="i", ready=ready, started=ready, restart_count=0, state=state)


UP = one(ContainerState(running=Running("")), ready=True)
DONE = one(ContainerState(terminated=Terminated(0, "Completed")))
FAILED = one(ContainerState(terminated=Terminated(1, "Error")))
LATER = one(ContainerState(waiting=Waiting("PodInitializing")))
PULLING = one(ContainerState(waiting=Waiting("ErrImagePull")))


@pytest.mark.parametrize(
    ("init", "app", "expected"),
    [
        ([], [UP], "Running"),
        ([], [DONE], "Completed"),
        ([], [FAILED], "Error"),
        ([], [UP, DONE], "NotReady"),
        ([], [PULLING, FAILED], "ErrImagePull"),
        ([LATER], [LATER], "Init:0/1"),
        ([DONE, UP], [LATER], "Init:1/2"),
        ([FAILED], [LATER], "Init:Error"),
        ([DONE, PULLING], [LATER], "Init:ErrImagePull"),
        ([DONE], [LATER], "PodInitializing"),
        ([DONE], [UP], "Running"),
    ],
)
def test_words(init: list[ContainerStatus], app: list[ContainerStatus], expected: str) -> None:
    status = PodStatus(phase="Running", init_container_statuses=tuple(init), container_statuses=tuple(app))
    assert word(status) == expected


def passed(tmp_path: Path, engine: MemoryEngine, wanted: Pod, seconds: float) -> list[str]:
    """The words of a pod's life, and of its end."""

    async def story() -> list[str]:
        async with Node(tmp_path, engine) as node:
            node.apply(wanted)
            await asyncio.sleep(seconds)
            node.edged.override(wanted.id, Override(replicas=0))
            await asyncio.sleep(60)
            words = [word(status) for _, status in node.told if status]
            return [one for index, one in enumerate(words) if words[index - 1 : index] != [one]]

    return run(story())


def test_the_life_of_a_pod(tmp_path: Path) -> None:
    engine = MemoryEngine(programs={"first": lambda _: (1.0, 0)}, deaf={"app"})
    wanted = pod("web", container(), initContainers=[container("first")])
    assert passed(tmp_path, engine, wanted, 10) == [
        "Init:0/1",
        "PodInitializing",
        "Running",
        "Terminating",
        "Stopped",
    ]


def test_the_life_of_one_that_does_not_come_up(tmp_path: Path) -> None:
    engine = MemoryEngine(programs={"first": lambda _: (1.0, 1)})
    wanted = pod("web", container(), initContainers=[container("first")])
    words = passed(tmp_path, engine, wanted, 16)
    assert words[:2] == ["Init:0/1", "Init:Error"]
    assert "Init:CrashLoopBackOff" in words
    assert words[-1] == "Stopped"


def test_the_life_of_a_job(tmp_path: Path) -> None:
    engine = MemoryEngine(programs={"app": lambda _: (1.0, 0)})
    words = passed(tmp_path, engine, pod(restartPolicy="Never"), 5)
    assert words == ["ContainerCreating", "Running", "Completed", "Stopped"]
