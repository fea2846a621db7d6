"""Whatever is killed, edited, removed or struck, and whenever: in the end exactly what is desired runs, nothing ever
ran twice, and what was healthy was not touched."""

from __future__ import annotations

import asyncio
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)
from memory_runtime import Made, MemoryEngine
from node import Node, container, pod
from virtual_time import VirtualTimeLoop

from edged.edged import _restarted
from edged.pod import Pod
from edged.runtime import LABEL
from edged.wanted import Override

NAMES = ("one", "two", "three")
KINDS: dict[str, Callable[[str, int, int], Pod]] = {
    "plain": lambda name, image, host: pod(name, of(image), hostname=f"h{host}"),
    "pair": lambda name, image, host: pod(name, of(image), container("side"), hostname=f"h{host}"),
    "after init": lambda name, image, host: pod(
        name, of(image), initContainers=[container("init"), container("init2")], hostname=f"h{host}"
    ),
    "crashing": lambda name, image, host: pod(name, of(image), container("crash"), hostname=f"h{host}"),
    "job": lambda name, image, host: pod(name, container("job", args=[str(image)]), restartPolicy="Never"),
    "stubborn": lambda name, image, host: pod(name, of(image), container("flaky"), restartPolicy="OnFailure"),
}
LATE = 5.0
"""Seconds after which nothing that was under way when edged was killed happens any more."""


def of(image: int) -> dict[str, Any]:
    return container(args=[str(image)])


def flaky(made: Made) -> tuple[float, int]:
    return 1.0, 0 if int(made.plan.labels[LABEL.restarts]) >= 2 else 1


class Reconciling(RuleBasedStateMachine):
    def __init__(self) -> None:
        super().__init__()
        self.directory = tempfile.TemporaryDirectory()
        self.runner = asyncio.Runner(loop_factory=VirtualTimeLoop)
        self.desired: dict[str, Pod] = {}
        self.stopped: set[str] = set()
        self.tokens: dict[str, int] = {}
        self.healthy: dict[str, str] = {}
        self.running = False

    @initialize(lags=st.lists(st.sampled_from([0.0, 0.01, 0.3, 2.0]), min_size=1, max_size=8))
    def begin(self, lags: list[float]) -> None:
        programs = {
            "init": lambda made: (1.0, 0),
            "init2": lambda made: (0.5, 0),
            "crash": lambda made: (2.0, 1),
            "job": lambda made: (3.0, 0),
            "flaky": flaky,
        }
        self.engine = MemoryEngine(programs=programs, deaf={"side"})
        self.node = Node(Path(self.directory.name), self.engine)
        self.lags = list(lags)
        self.node.lag = self.lag
        self.start()

    def lag(self) -> float:
        self.lags.append(self.lags.pop(0))
        return self.lags[-1]

    def do(self, work: Callable[[], Any]) -> None:
        async def step() -> None:
            result = work()
            if asyncio.iscoroutine(result):
                await result

        self.runner.run(step())

    def start(self) -> None:
        async def begin() -> None:
            await self.node.begin()
            self.apply()

        self.do(begin)
        self.running = True

    def apply(self) -> None:
        for name in NAMES:
            override = Override(replicas=0 if name in self.stopped else 1, restart=str(self.tokens.get(name, "")))
            self.node.edged.override(f"default/{name}", override)
        self.node.apply(*self.desired.values())

    def disturb(self, name: str) -> None:
        self.healthy = {id_: owner for id_, owner in self.healthy.items() if owner != name}
        if self.running:
            self.do(self.apply)

    @rule(
        name=st.sampled_from(NAMES),
        kind=st.sampled_from(sorted(KINDS)),
        image=st.integers(1, 2),
        host=st.integers(1, 2),
    )
    def declare(self, name: str, kind: str, image: int, host: int) -> None:
        wanted = KINDS[kind](name, image, host)
        if self.desired.get(name) != wanted:
            self.desired[name] = wanted
            self.disturb(name)

    @rule(name=st.sampled_from(NAMES))
    def delete(self, name: str) -> None:
        if self.desired.pop(name, None):
            self.disturb(name)

    @rule(name=st.sampled_from(NAMES))
    def scale(self, name: str) -> None:
        self.stopped ^= {name}
        self.disturb(name)

    @rule(name=st.sampled_from(NAMES))
    def restart(self, name: str) -> None:
        self.tokens[name] = self.tokens.get(name, 0) + 1
        self.disturb(name)

    @rule()
    def declare_the_same(self) -> None:
        if self.running:
            self.do(self.apply)

    @precondition(lambda self: self.running)
    @rule(late=st.one_of(st.none(), st.floats(0, LATE)))
    def kill_edged(self, late: float | None) -> None:
        self.do(lambda: self.node.kill(lambda: late))
        self.running = False

    @precondition(lambda self: not self.running)
    @rule()
    def begin_again(self) -> None:
        self.start()

    @precondition(lambda self: not self.running)
    @rule(upto=st.integers(0, 5000), noise=st.binary(max_size=20))
    def spoil_what_edged_remembers(self, upto: int, noise: bytes) -> None:
        file = Path(self.directory.name) / "remembered.jsonl"
        file.write_bytes(file.read_bytes()[:upto] + noise)

    @rule(which=st.integers(0, 20), code=st.sampled_from([0, 1, 137]))
    def end_a_container(self, which: int, code: int) -> None:
        """With 0 only where that means to start again."""
        if made := self.some_container(which):
            wanted = self.desired.get(owner(made))
            again = wanted is not None and wanted.spec.restart_policy == "Always"
            self.do(lambda: self.engine.exit(made.id, code if again else code or 1))

    @rule(which=st.integers(0, 20))
    def take_a_container_away(self, which: int) -> None:
        if made := self.some_container(which):
            self.do(lambda: self.engine.vanish(made.id))

    @rule(which=st.integers(0, 20), leave=st.booleans())
    def strike_a_sandbox(self, which: int, leave: bool) -> None:
        if made := self.some_container(which):
            self.do(lambda: (self.engine.die if leave else self.engine.remove_sandbox)(made.sandbox))

    @rule()
    def reboot(self) -> None:
        self.healthy.clear()
        self.do(self.engine.reboot)

    @rule(up=st.booleans())
    def engine_service(self, up: bool) -> None:
        self.do(lambda: self.engine.go(up=up))

    @rule(seconds=st.sampled_from([0.0, 0.005, 0.02, 0.1, 0.5, 1.0, 4.0, 40.0]))
    def wait(self, seconds: float) -> None:
        self.do(lambda: asyncio.sleep(seconds))

    @rule()
    def settle(self) -> None:
        """All is well again, and from now on what runs is healthy."""
        if not self.running:
            self.start()
        self.do(lambda: self.engine.go(up=True))
        self.do(lambda: asyncio.sleep(LATE))
        self.do(lambda: self.node.until(self.as_desired, 1500, every=1.0))
        steady = [
            made for made in self.engine.running() if owner(made) in self.desired and name_of(made) in ("app", "side")
        ]
        self.healthy = {made.id: owner(made) for made in steady}

    def some_container(self, which: int) -> Made | None:
        several = list(self.engine.containers.values())
        if not several:
            return None
        made = several[which % len(several)]
        self.healthy = {id_: name for id_, name in self.healthy.items() if name != owner(made)}
        return made

    def as_desired(self) -> bool:
        expected = {
            (name, one.name)
            for name, wanted in self.desired.items()
            if name not in self.stopped
            for one in wanted.spec.containers
            if one.name in ("app", "side")
        }
        lasting = [(owner(made), name_of(made)) for made in self.engine.running()]
        passing = [one for one in lasting if one[1] not in ("app", "side")]
        known = {owner(made) for made in self.engine.containers.values()}
        known |= {one.plan.labels[LABEL.pod].partition("/")[2] for one in self.engine.sandboxes.values()}
        return (
            sorted(one for one in lasting if one not in passing) == sorted(expected)
            and known <= self.desired.keys() - self.stopped
            and all(self.as_planned(made) for made in self.engine.running())
            and all(self.tells(name) for name in self.desired)
        )

    def as_planned(self, made: Made) -> bool:
        """It, and its sandbox, are made from what is wanted now."""
        name = owner(made)
        plan = _restarted(self.node.planner.plan(self.desired[name], None), str(self.tokens.get(name, "")))
        hashes = {wish.container.name: wish.hash for wish in (*plan.init, *plan.containers)}
        whole = self.engine.sandboxes[made.sandbox].plan.labels[LABEL.spec] == plan.hash
        return whole and made.plan.labels[LABEL.spec] == hashes.get(name_of(made))

    def tells(self, name: str) -> bool:
        status = self.node.edged.status(f"default/{name}")
        if status is None:
            return False
        if name in self.stopped:
            return status.reason == "Stopped" and not self.engine.running(f"default/{name}")
        job = self.desired[name].spec.restart_policy == "Never"
        return status.phase in (("Succeeded", "Failed") if job else ("Running",)) and not status.reason

    @invariant()
    def nothing_ran_twice(self) -> None:
        if hasattr(self, "engine"):
            assert not self.engine.twice
            assert all(self.begun_in_order(made) for made in self.engine.ever_started)

    def begun_in_order(self, app: Made) -> bool:
        mine = [name_of(made) for made in self.engine.ever_started if made.sandbox == app.sandbox]
        first = mine.index(name_of(app))
        return "init2" not in mine or name_of(app) != "app" or mine.index("init") < mine.index("init2") < first

    @invariant()
    def the_healthy_live(self) -> None:
        if self.healthy:
            assert self.healthy.keys() <= {made.id for made in self.engine.running()}

    def teardown(self) -> None:
        try:
            if hasattr(self, "engine"):
                self.settle()
                self.do(lambda: asyncio.sleep(700))
                assert self.as_desired()
                self.nothing_ran_twice()
                self.the_healthy_live()
                self.do(self.node.kill)
        finally:
            self.runner.close()
            self.directory.cleanup()


def owner(made: Made) -> str:
    return made.plan.labels[LABEL.pod].partition("/")[2]


def name_of(made: Made) -> str:
    return made.plan.labels[LABEL.container]


def test_what_is_desired_comes_about_whatever_happens() -> None:
    quick = settings(
        max_examples=60,
        phases=(Phase.reuse, Phase.generate),
        stateful_step_count=40,
        deadline=None,
        suppress_health_check=list(HealthCheck),
        print_blob=True,
    )
    run_state_machine_as_test(Reconciling, settings=quick)
