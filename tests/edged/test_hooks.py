from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any

import pytest
from memory_runtime import Made, MemoryEngine, MemoryRuntime
from node import container, pod
from virtual_time import run

from edged.hooks import Ending, end, ending_of, written
from edged.pod import ExecAction, Handler, HttpGetAction
from edged.runtime import LABEL, ContainerPlan, Executed, FoundContainer, SandboxPlan


def found(ending: str) -> FoundContainer:
    labels = {LABEL.container: "app", LABEL.ending: ending}
    return FoundContainer("c", "s", labels, "running", "", 0, 0, 0, None, "")


def stopping(**hook: Any) -> dict[str, Any]:
    return container(lifecycle={"preStop": hook}, ports=[{"name": "web", "containerPort": 8080}])


def test_a_container_knows_itself_how_it_ends() -> None:
    declared = pod("web", stopping(httpGet={"port": "web", "path": "/bye"}), terminationGracePeriodSeconds=7)
    ending = ending_of(found(written(declared.spec.containers[0], declared)), None)
    assert ending == Ending(grace=7, pre_stop=Handler(http_get=HttpGetAction(port=8080, path="/bye")))


def test_its_manifest_knows_better() -> None:
    edited = pod("web", container(), terminationGracePeriodSeconds=2)
    assert ending_of(found('{"grace": 99}'), edited) == Ending(grace=2)


@pytest.mark.parametrize("label", ["", "{", "[]", '{"grace": "x"}', '{"preStop": {}}'])
def test_a_label_that_says_nothing_leaves_the_usual_grace(label: str) -> None:
    assert ending_of(found(label), None) == Ending()


def test_a_hook_too_long_for_a_label_is_left_out() -> None:
    declared = pod("web", stopping(exec={"command": ["x" * 5000]}))
    assert ending_of(found(written(declared.spec.containers[0], declared)), None) == Ending()


@pytest.mark.parametrize(
    ("seconds", "code", "total", "trouble"), [(1, 0, 10, ""), (1, 3, 10, "code 3"), (60, 0, 12, "10 s")]
)
def test_hook_and_grace_together(seconds: float, code: int, total: float, trouble: str) -> None:
    async def story() -> None:
        engine = MemoryEngine(deaf={"app"})
        runtime = MemoryRuntime(engine)
        sandbox = await runtime.run_sandbox(SandboxPlan(name="s", hostname="s", labels={}))
        labels = {LABEL.container: "app"}
        plan = ContainerPlan(name="c", image="localhost/app:1", env={}, labels=labels, log_path="none.log")
        id_ = await runtime.create(sandbox, plan)
        await runtime.start(id_)

        async def execute(made: Made, command: Sequence[str]) -> Executed:
            await asyncio.sleep(seconds)
            return Executed(code, b"")

        engine.execute = execute
        clock = asyncio.get_running_loop().time
        before = clock()
        said = await end(runtime, id_, Ending(grace=10, pre_stop=Handler(exec=ExecAction(("bye",)))), "")
        assert trouble in said
        assert clock() - before == pytest.approx(total)
        assert engine.kills == [id_]

    run(story())
