"""What is decided from what is seen; and that a kill at each single point of the way is made good by the next run."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest
from memory_runtime import MemoryEngine
from node import Node, PlainPlanner, container, pod
from virtual_time import run

from edged.actions import RemoveContainers, RemoveSandboxes, Run, RunSandbox, Stop, StopSandbox
from edged.memory import Failure, Memory, pulls, refused
from edged.pod import Pod
from edged.reconcile import decide
from edged.report import Moment
from edged.runtime import LABEL, ContainerState, FoundContainer, FoundSandbox
from edged.sight import Sight
from edged.wanted import PodPlan

NOW = Moment(now=100.0, wall=1_700_000_000.0, engine="memory")


@pytest.fixture
def planned(tmp_path: Path) -> Callable[[Pod], PodPlan]:
    return lambda pod: PlainPlanner(tmp_path).plan(pod, None)


def sandbox(plan: PodPlan, id_: str = "s0", attempt: int = 0, *, ready: bool = True) -> FoundSandbox:
    return FoundSandbox(id_, plan.sandbox_attempt(attempt).labels, ready, "10.0.0.2", 1_700_000_000.0)


def made(
    plan: PodPlan, state: ContainerState, *, where: str = "s0", name: str = "app", attempt: int = 0, code: int = 0
) -> FoundContainer:
    wish = next(one for one in (*plan.init, *plan.containers) if one.container.name == name)
    labels = wish.attempt(attempt, "{}").labels
    exit_code = code if state == "exited" else None
    return FoundContainer(f"{name}{attempt}{where}", where, labels, state, "i", 1.0, 2.0, 3.0, exit_code, "")


def next_for(plan: PodPlan, *things: FoundSandbox | FoundContainer, memory: Memory = Memory()) -> object:  # noqa: B008
    sandboxes = tuple(one for one in things if isinstance(one, FoundSandbox))
    containers = tuple(one for one in things if isinstance(one, FoundContainer))
    return decide(plan, Sight(sandboxes, containers), memory, NOW).action


def test_from_nothing_to_running(planned: Callable[[Pod], PodPlan]) -> None:
    plan = planned(pod())
    first = next_for(plan)
    assert isinstance(first, RunSandbox)
    assert first.plan.name == "web-0"
    second = next_for(plan, sandbox(plan))
    assert isinstance(second, Run)
    assert (second.existing, second.restarts) == (None, 0)
    third = next_for(plan, sandbox(plan), made(plan, "created"))
    assert isinstance(third, Run)
    assert (third.existing, third.restarts) == ("app0s0", 0)
    assert next_for(plan, sandbox(plan), made(plan, "running")) is None


def test_what_still_runs_in_a_dead_sandbox_ends_before_there_is_another(planned: Callable[[Pod], PodPlan]) -> None:
    plan = planned(pod())
    dead = sandbox(plan, ready=False)
    stop = next_for(plan, dead, made(plan, "running"))
    assert isinstance(stop, Stop)
    assert [one.id for one in stop.endings] == ["app0s0"]
    another = next_for(plan, dead, made(plan, "exited", code=137))
    assert isinstance(another, RunSandbox)
    assert (another.plan.name, another.instead) == ("web-1", ("s0",))
    new = sandbox(plan, "s1", 1)
    again = next_for(plan, dead, new, made(plan, "exited", code=137))
    assert isinstance(again, Run)
    assert (again.sandbox, again.restarts) == ("s1", 1)
    running = made(plan, "running", where="s1", attempt=1)
    assert next_for(plan, dead, new, made(plan, "exited"), running) == RemoveSandboxes(("s0",))


def test_a_dead_sandbox_goes_when_nobody_needs_it(planned: Callable[[Pod], PodPlan]) -> None:
    plan = planned(pod("web", container(), container("side")))
    dead, new = sandbox(plan, ready=False), sandbox(plan, "s1", 1)
    both = [made(plan, "running", where="s1", attempt=1, name=name) for name in ("app", "side")]
    old = [made(plan, "exited", name=name) for name in ("app", "side")]
    assert next_for(plan, dead, new, *old, *both) == RemoveSandboxes(("s0",))


def test_what_nobody_wants_any_more_ends_and_goes(planned: Callable[[Pod], PodPlan]) -> None:
    pair, plain = planned(pod("web", container(), container("side"))), planned(pod())
    side, app = made(pair, "running", name="side"), made(plain, "running")
    stop = next_for(plain, sandbox(plain), app, side)
    assert isinstance(stop, Stop)
    assert [one.name for one in stop.endings] == ["side"]
    gone = next_for(plain, sandbox(plain), app, made(pair, "exited", name="side"))
    assert gone == RemoveContainers(("side0s0",))


def test_containers_without_their_sandbox_and_without_a_known_state_go(planned: Callable[[Pod], PodPlan]) -> None:
    plan = planned(pod())
    assert next_for(plan, sandbox(plan), made(plan, "exited", where="lost")) == RemoveContainers(("app0lost",))
    assert next_for(plan, sandbox(plan), made(plan, "unknown")) == RemoveContainers(("app0s0",))


def test_of_two_that_run_the_older_ends(planned: Callable[[Pod], PodPlan]) -> None:
    plan = planned(pod())
    stop = next_for(plan, sandbox(plan), made(plan, "running"), made(plan, "running", attempt=1))
    assert isinstance(stop, Stop)
    assert [one.id for one in stop.endings] == ["app0s0"]


def test_a_finished_pod_keeps_its_containers_and_gives_its_sandbox_back(planned: Callable[[Pod], PodPlan]) -> None:
    plan = planned(pod(restartPolicy="Never"))
    assert next_for(plan, sandbox(plan), made(plan, "exited", code=1)) == StopSandbox("s0")
    assert next_for(plan, sandbox(plan, ready=False), made(plan, "exited", code=1)) is None


def test_pauses_of_former_images_are_forgotten(planned: Callable[[Pod], PodPlan]) -> None:
    """Whoever may wish for images would else fill memory and disk."""
    memory = Memory()
    for number in range(5):
        plan = planned(pod("web", container(image=f"nowhere/app:{number}")))
        [wish] = plan.containers
        memory = decide(plan, Sight(), memory, NOW).memory
        failure = Failure(pulls("app", wish.hash), "pull", "ErrImagePull", "it is not there", NOW.now)
        memory = refused(memory, "app", failure)
    assert memory.backoffs.keys() == {pulls("app", wish.hash)}


def test_labels_that_say_nonsense_hurt_nobody(planned: Callable[[Pod], PodPlan]) -> None:
    plan = planned(pod())
    one = made(plan, "exited", code=1)
    odd = one._replace(labels={**one.labels, LABEL.restarts: "²many"})
    action = next_for(plan, sandbox(plan), odd)
    assert isinstance(action, Run)
    assert action.restarts == 1


WHOLE = pod("web", container(), container("side"), initContainers=[container("init")])
EDITED = pod("web", container(args=["x"]), container("side"), initContainers=[container("init")])
OTHER = pod("web", container(), container("side"), initContainers=[container("init")], hostname="other")


@dataclass
class Cut:
    """Hangs at one half of one call to the engine: before it happens, or before its answer."""

    at: int
    seen: int = 0

    def __call__(self) -> float:
        self.seen += 1
        return 1e9 if self.seen == self.at else 0.0

    @property
    def reached(self) -> bool:
        return self.seen >= self.at


@pytest.mark.parametrize(
    ("before", "after", "starts"),
    [
        (None, WHOLE, {"init": 1, "app": 1, "side": 1}),
        (WHOLE, EDITED, {"init": 1, "app": 2, "side": 1}),
        (WHOLE, OTHER, {"init": 2, "app": 2, "side": 2}),
        (WHOLE, None, {"init": 1, "app": 1, "side": 1}),
    ],
    ids=["created", "a container edited", "the pod edited", "deleted"],
)
def test_a_kill_at_each_single_point_is_made_good(
    tmp_path: Path, before: Pod | None, after: Pod | None, starts: dict[str, int]
) -> None:
    async def story(at: int) -> bool:
        engine = MemoryEngine(programs={"init": lambda _: (1.0, 0)})
        async with Node(tmp_path / str(at), engine) as node:
            node.lag = lambda: 0.0
            if before:
                node.apply(before)
                await node.ready()
            cut = Cut(at)
            node.lag = cut
            node.apply(*filter(None, [after]))
            await asyncio.sleep(12)
            reached = cut.reached
            await node.kill()
            node.lag = lambda: 0.0
            await node.begin()
            node.apply(*filter(None, [after]))
            await asyncio.sleep(30)
            counted = dict.fromkeys(starts, 0)
            for one in engine.ever_started:
                counted[one.plan.labels[LABEL.container]] += 1
            assert counted == starts, f"cut at {at}"
            assert sorted(one.plan.labels[LABEL.container] for one in engine.running()) == (
                ["app", "side"] if after else []
            )
            assert len(engine.sandboxes) == (1 if after else 0)
            assert not engine.twice
        return reached

    at = 1
    while run(story(at)):
        at += 1
    assert at > 5, "there were points to be cut at"
