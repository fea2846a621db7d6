"""Pods from manifest to end, on an engine in memory and a clock that leaps."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from memory_runtime import Made, MemoryEngine
from node import Node, container, pod
from virtual_time import run

from edged.edged import Edged, EdgedInUse
from edged.runtime import LABEL, Executed
from edged.status import Waiting
from edged.wanted import BoundDevice, Override

WEB = "default/web"
Story = Callable[[Node], Awaitable[None]]


@pytest.fixture
def tell(tmp_path: Path) -> Callable[..., None]:
    """Runs a story on a node of its own."""

    def of(story: Story, engine: MemoryEngine | None = None, **settings: Any) -> None:
        async def whole() -> None:
            async with Node(tmp_path, engine, **settings) as node:
                await story(node)

        run(whole())

    return of


def ends(code: int, after: float = 1.0) -> Callable[[Made], tuple[float, int]]:
    return lambda made: (after, code)


def waiting(node: Node) -> Waiting:
    status = node.edged.status(WEB)
    return (status.container_statuses[0].state.waiting if status else None) or Waiting("")


async def reason(node: Node, wanted: str, within: float = 60) -> None:
    await node.until(lambda: waiting(node).reason == wanted, within)


def began(node: Node, name: str = "app") -> list[Made]:
    return [made for made in node.engine.ever_started if made.plan.labels[LABEL.container] == name]


def test_a_pod_runs_is_told_and_goes(tell: Callable[..., None]) -> None:
    async def story(node: Node) -> None:
        node.apply(pod())
        status = await node.ready()
        assert status.pod_ip == "10.0.0.2"
        assert {one.type: one.status for one in status.conditions} == dict.fromkeys(
            ("PodScheduled", "Initialized", "ContainersReady", "Ready"), "True"
        )
        assert node.reasons() == ["Scheduled", "Pulled", "Created", "Started"]
        node.apply()
        await node.until(lambda: node.told[-1] == (WEB, None))
        assert not node.engine.sandboxes
        assert node.planner.forgotten == [WEB]

    tell(story)


def test_a_defect_with_the_files_of_one_pod_leaves_the_others(
    tell: Callable[..., None], caplog: pytest.LogCaptureFixture
) -> None:
    async def story(node: Node) -> None:
        node.apply(pod(), pod("other"))
        await node.until(lambda: len(node.engine.running()) == 2)

        async def forget(pod_id: str) -> None:
            raise RecursionError(pod_id)

        node.planner.forget = forget  # type: ignore[method-assign]
        node.apply(pod("other"))
        await node.until(lambda: node.told[-1] == (WEB, None))
        await asyncio.sleep(60)
        assert len(node.engine.running()) == 1

    tell(story)
    assert "default/web: files of it are left" in caplog.text


def test_fifty_steady_pods_are_not_asked_about(tell: Callable[..., None]) -> None:
    async def story(node: Node) -> None:
        node.apply(*(pod(f"pod{number}") for number in range(50)))
        await node.until(lambda: len(node.engine.running()) == 50)
        await asyncio.sleep(1)
        before, told = node.engine.calls.copy(), len(node.told)
        await asyncio.sleep(600)
        assert node.engine.calls - before == {"found": 40}
        assert len(node.told) == told
        assert before["found"] < 200, "looks are shared"

    tell(story)


def test_crashes_are_mended_after_pauses_that_grow(tell: Callable[..., None]) -> None:
    async def story(node: Node) -> None:
        node.engine.programs["app"] = ends(3)
        clock, at = asyncio.get_running_loop().time, list[float]()
        node.apply(pod())
        while len(at) < 9:
            count = len(began(node))
            await node.until(lambda count=count: len(began(node)) > count, 400, every=0.1)
            at.append(clock())
        pauses = [later - earlier - 1 for earlier, later in pairwise(at)]
        assert pauses == pytest.approx([0, 10, 20, 40, 80, 160, 300, 300], abs=0.7)
        await reason(node, "CrashLoopBackOff")
        one = node.status().container_statuses[0]
        assert one.last_state.terminated
        assert (one.last_state.terminated.exit_code, one.last_state.terminated.reason) == (3, "Error")
        assert one.restart_count == 8
        assert waiting(node).message == "back-off 300s restarting failed container=app pod=default_web"
        assert node.status().phase == "Running"
        assert "BackOff" in node.reasons()
        assert len(node.engine.containers) == 2, "one is kept to be looked at"

    tell(story)


def test_a_long_good_run_ends_the_pauses(tell: Callable[..., None]) -> None:
    async def story(node: Node) -> None:
        node.engine.programs["app"] = lambda made: (601, 1) if int(made.plan.labels[LABEL.restarts]) == 3 else (1, 1)
        node.apply(pod())
        await node.until(lambda: len(began(node)) == 4, 100)
        before = asyncio.get_running_loop().time()
        await node.until(lambda: len(began(node)) == 5, 700, every=0.1)
        assert asyncio.get_running_loop().time() - before < 603

    tell(story)


@pytest.mark.parametrize(
    ("policy", "code", "phase", "times"),
    [("Never", 0, "Succeeded", 1), ("Never", 2, "Failed", 1), ("OnFailure", 0, "Succeeded", 1)],
)
def test_a_pod_that_ended(tell: Callable[..., None], policy: str, code: int, phase: str, times: int) -> None:
    async def story(node: Node) -> None:
        node.engine.programs["app"] = ends(code)
        node.apply(pod(restartPolicy=policy))
        status = await node.phase(phase)
        await asyncio.sleep(400)
        assert node.status().phase == phase
        assert len(began(node)) == times
        ready = next(one for one in status.conditions if one.type == "Ready")
        assert ready.reason == ("PodCompleted" if code == 0 else "PodFailed")
        assert not any(sandbox.ready for sandbox in node.engine.sandboxes.values()), "its address is given back"
        await node.kill()
        await node.begin()
        node.apply(pod(restartPolicy=policy))
        await node.phase(phase)
        await asyncio.sleep(100)
        assert len(began(node)) == times

    tell(story)


def test_init_containers_go_first_one_after_the_other(tell: Callable[..., None]) -> None:
    async def story(node: Node) -> None:
        node.engine.programs |= {"first": ends(0, 2), "second": ends(0, 2)}
        node.apply(pod(initContainers=[container("first"), container("second")]))
        await node.until(lambda: began(node, "first"))
        await asyncio.sleep(0.5)
        assert node.status().phase == "Pending"
        assert waiting(node).reason == "PodInitializing"
        initialized = next(one for one in node.status().conditions if one.type == "Initialized")
        assert initialized.message == "containers with incomplete status: [first second]"
        await node.ready()
        assert [made.plan.labels[LABEL.container] for made in node.engine.ever_started] == ["first", "second", "app"]
        assert all(one.ready for one in node.status().init_container_statuses)

    tell(story)


def test_an_init_container_that_fails_holds_the_others_up(tell: Callable[..., None]) -> None:
    async def story(node: Node) -> None:
        node.engine.programs["first"] = lambda made: (1, 0 if int(made.plan.labels[LABEL.restarts]) == 2 else 1)
        node.apply(pod(initContainers=[container("first")]))
        await node.ready(within=30)
        assert len(began(node, "first")) == 3

    tell(story)


def test_one_that_fails_for_good_fails_the_pod(tell: Callable[..., None]) -> None:
    async def story(node: Node) -> None:
        node.engine.programs["first"] = ends(1)
        node.apply(pod(initContainers=[container("first")], restartPolicy="Never"))
        await node.phase("Failed")
        await asyncio.sleep(100)
        assert len(node.engine.ever_started) == 1

    tell(story)


def test_an_image_that_is_never_pulled(tell: Callable[..., None]) -> None:
    async def story(node: Node) -> None:
        node.apply(pod("web", container(image="localhost/new:1", imagePullPolicy="Never")))
        await reason(node, "ErrImageNeverPull")
        assert 'Container image "localhost/new:1" is not present' in waiting(node).message
        node.engine.images.add("localhost/new:1")
        node.edged.images_changed()
        await node.ready(within=1)
        assert node.engine.calls["pull"] == 0

    tell(story)


def test_an_image_that_cannot_be_pulled_is_tried_again(tell: Callable[..., None]) -> None:
    async def story(node: Node) -> None:
        node.apply(pod("web", container(image="reg.example/new:1")))
        await reason(node, "ErrImagePull")
        await reason(node, "ImagePullBackOff")
        await asyncio.sleep(25)
        assert node.engine.calls["pull"] == 2
        node.engine.registry.add("reg.example/new:1")
        await node.ready(within=30)
        assert {"Pulling", "Failed", "BackOff", "Pulled"} <= set(node.reasons())

    tell(story)


def test_a_pull_does_not_outlive_its_wish(tell: Callable[..., None]) -> None:
    async def story(node: Node) -> None:
        node.engine.pull_seconds = 1e6
        node.apply(pod("web", container(image="reg.example/huge:1")))
        await node.until(lambda: "Pulling" in node.reasons())
        node.apply()
        await node.until(lambda: node.edged.status(WEB) is None, within=5)

    tell(story)


def test_a_container_that_cannot_be_started(tell: Callable[..., None]) -> None:
    async def story(node: Node) -> None:
        node.engine.refuse_start.add("app")
        node.apply(pod())
        await reason(node, "RunContainerError")
        await reason(node, "CrashLoopBackOff")
        node.engine.refuse_start.clear()
        await node.ready(within=15)
        assert len(node.engine.containers) == 1

    tell(story)


def test_an_edit_makes_anew_only_what_it_must(tell: Callable[..., None]) -> None:
    async def story(node: Node) -> None:
        node.apply(pod("web", container(), container("side")))
        await node.ready()
        ids = {one.name: one.container_id for one in node.status().container_statuses}
        node.apply(pod("web", container(args=["x"]), container("side"), terminationGracePeriodSeconds=7))
        await node.until(lambda: len(began(node)) == 2)
        await node.ready()
        now = {one.name: one for one in node.status().container_statuses}
        assert now["side"].container_id == ids["side"]
        assert (now["app"].restart_count, now["side"].restart_count) == (1, 0)
        assert any("definition changed" in event.message for event in node.edged.events(WEB))
        node.apply(pod("web", container(args=["x"]), container("side"), hostname="other"))
        await node.until(lambda: len(began(node, "side")) == 2)
        assert len(node.engine.sandboxes) == 1
        assert not node.engine.twice

    tell(story)


def test_what_edged_did_not_see_is_seen_later(tell: Callable[..., None]) -> None:
    async def story(node: Node) -> None:
        node.apply(pod("web", container(), container("side")))
        await node.ready()
        before = node.status()
        await node.kill()
        made = began(node)[0]
        node.engine.exit(made.id, 137, "OOMKilled")
        await asyncio.sleep(10)
        await node.begin()
        await asyncio.sleep(1)
        assert len(node.engine.running()) == 1, "nothing is touched before the declarations are known"
        node.apply(pod("web", container(), container("side")))
        await node.ready()
        app, side = node.status().container_statuses
        assert app.restart_count == 1
        assert app.last_state.terminated
        assert app.last_state.terminated.reason == "OOMKilled"
        assert side == before.container_statuses[1]
        assert node.status().start_time == before.start_time

    tell(story)


def test_a_deleted_manifest_is_followed_after_a_kill_with_its_grace(tell: Callable[..., None]) -> None:
    async def story(node: Node) -> None:
        node.engine.deaf.add("app")
        node.apply(pod(terminationGracePeriodSeconds=5))
        await node.ready()
        await node.kill()
        await node.begin()
        node.apply()
        await asyncio.sleep(4)
        assert node.engine.running()
        await node.until(lambda: not node.engine.sandboxes, within=3)

    tell(story)


def test_deletion_runs_the_hook_and_keeps_the_grace(tell: Callable[..., None]) -> None:
    async def story(node: Node) -> None:
        ran: list[Sequence[str]] = []

        async def execute(made: Made, command: Sequence[str]) -> Executed:
            ran.append(command)
            await asyncio.sleep(3)
            return Executed(0, b"")

        node.engine.execute = execute
        node.engine.deaf.add("app")
        hook = {"preStop": {"exec": {"command": ["bye"]}}}
        node.apply(pod("web", container(lifecycle=hook), terminationGracePeriodSeconds=10))
        await node.ready()
        before = asyncio.get_running_loop().time()
        node.apply()
        await asyncio.sleep(1)
        assert node.status().reason == "Terminating"
        await node.until(lambda: node.edged.status(WEB) is None)
        assert ran == [("bye",)]
        assert asyncio.get_running_loop().time() - before == pytest.approx(10, abs=0.5)
        assert len(node.engine.kills) == 1

    tell(story)


def test_scaled_to_nothing_and_back(tell: Callable[..., None]) -> None:
    async def story(node: Node) -> None:
        node.apply(pod())
        await node.ready()
        node.edged.override(WEB, Override(replicas=0))
        await node.until(lambda: not node.engine.sandboxes)
        assert (node.status().phase, node.status().reason, waiting(node).reason) == ("Pending", "Stopped", "Stopped")
        node.edged.override(WEB, Override(replicas=1))
        await node.ready()

    tell(story)


def test_another_image_and_a_restart_are_wished(tell: Callable[..., None]) -> None:
    async def story(node: Node) -> None:
        node.engine.images.add("localhost/app:2")
        node.apply(pod())
        await node.ready()
        node.edged.override(WEB, Override(images={"app": "localhost/app:2"}))
        await node.until(lambda: [made.plan.image for made in node.engine.running()] == ["localhost/app:2"])
        node.edged.override(WEB, Override(images={"app": "localhost/app:2"}, restart="now"))
        await node.until(lambda: len(began(node)) == 3)
        node.edged.override(WEB, Override(images={"app": "localhost/app:2"}, restart="now"))
        await asyncio.sleep(20)
        assert len(began(node)) == 3

    tell(story)


def test_a_pod_follows_its_device(tell: Callable[..., None]) -> None:
    bound = {"annotations": {"twinhub.io/device": "default/boiler"}}

    async def story(node: Node) -> None:
        boiler = BoundDevice("default/boiler", {"DEVICE_ADDRESS": "10.1.1.1"})
        node.apply(pod(meta=bound))
        await asyncio.sleep(1)
        assert waiting(node).reason == "DeviceAbsent"
        node.edged.device("default/boiler", boiler)
        await node.ready()
        assert began(node)[0].plan.env == boiler.env
        node.edged.device("default/boiler", None)
        await asyncio.sleep(20)
        node.edged.device("default/boiler", boiler)
        await asyncio.sleep(20)
        assert len(began(node)) == 1, "a short absence is borne"
        node.edged.device("default/boiler", None)
        await node.until(lambda: node.status().reason == "DeviceAbsent" and not node.engine.sandboxes)
        await node.kill()
        await node.begin()
        node.apply(pod(meta=bound))
        node.edged.device("default/boiler", boiler)
        await node.ready()
        await node.kill()
        await node.begin()
        node.apply(pod(meta=bound))
        await asyncio.sleep(20)
        node.edged.device("default/boiler", boiler)
        await asyncio.sleep(60)
        assert len(began(node)) == 2, "what is not known yet is not absent"

    tell(story)


def test_what_cannot_be_planned_leaves_what_runs(tell: Callable[..., None]) -> None:
    async def story(node: Node) -> None:
        node.apply(pod())
        await node.ready()
        node.planner.missing.add("web")
        node.apply(pod("web", container(args=["new"])), pod("other"))
        await node.ready("other")
        assert len(began(node)) == 2
        assert node.status().phase == "Running"
        assert "CreateContainerConfigError" in node.reasons()
        node.planner.missing.add("third")
        node.apply(pod("third"))
        await node.phase("Pending", "third")
        state = node.status("third").container_statuses[0].state
        assert state.waiting == Waiting("CreateContainerConfigError", "configmap is not there")

    tell(story)


def probe(**fields: Any) -> dict[str, Any]:
    return {"exec": {"command": ["ask"]}, "periodSeconds": 5, **fields}


def test_liveness_readiness_and_startup(tell: Callable[..., None]) -> None:
    async def story(node: Node) -> None:
        well = {"startup": False, "ready": False, "live": True}

        async def execute(made: Made, command: Sequence[str]) -> Executed:
            return Executed(0 if well[command[0]] else 1, b"not well")

        node.engine.execute = execute
        probes = {
            f"{kind}Probe": {"exec": {"command": [word]}, "periodSeconds": 5}
            for kind, word in (("startup", "startup"), ("readiness", "ready"), ("liveness", "live"))
        }
        node.apply(pod("web", container(**probes)))
        await node.phase("Running")
        await asyncio.sleep(8)
        one = node.status().container_statuses[0]
        assert (one.started, one.ready) == (False, False)
        well["startup"] = True
        await asyncio.sleep(6)
        assert node.status().container_statuses[0].started
        well["ready"] = True
        await node.ready(within=6)
        well["ready"] = False
        await asyncio.sleep(20)
        assert not node.status().container_statuses[0].ready
        well |= {"ready": True, "live": False}
        await node.until(lambda: len(began(node)) == 2, 30)
        messages = [event.message for event in node.edged.events(WEB)]
        assert "Container app failed liveness probe, will be restarted" in messages
        assert "Liveness probe failed: not well" in messages
        well |= {"live": True, "startup": False}
        await node.until(lambda: len(began(node)) == 3, 60)
        assert "Container app failed startup probe, will be restarted" in [
            event.message for event in node.edged.events(WEB)
        ]

    tell(story)


def test_an_engine_that_is_away_marks_its_pods(tell: Callable[..., None]) -> None:
    async def story(node: Node) -> None:
        node.apply(pod())
        await node.ready()
        node.engine.go(up=False)
        await node.until(lambda: node.status().message)
        assert (node.status().phase, node.status().reason) == ("Running", "")
        conditions = {one.type: (one.status, one.reason) for one in node.status().conditions}
        assert conditions["Ready"] == ("Unknown", "RuntimeUnavailable")
        node.apply(pod(), pod("late"))
        assert node.status("late").reason == "Unschedulable"
        node.engine.go(up=True)
        await node.until(lambda: not node.status().message, within=30)
        await node.ready("late")
        assert len(began(node)) == 2

    tell(story)


def test_a_clock_that_jumps_changes_no_pause(tell: Callable[..., None], monkeypatch: pytest.MonkeyPatch) -> None:
    async def story(node: Node) -> None:
        node.engine.programs["app"] = ends(1)
        node.apply(pod("web"), pod("calm", container("calm")))
        await node.until(lambda: len(began(node)) == 2)
        real = time.time
        monkeypatch.setattr(time, "time", lambda: real() + 1e8)
        await asyncio.sleep(6)
        assert len(began(node)) == 2
        monkeypatch.setattr(time, "time", lambda: real() - 1e8)
        await node.until(lambda: len(began(node)) == 3, within=7)
        assert len(began(node, "calm")) == 1

    tell(story)


def test_a_program_that_was_removed_under_never_is_not_run_again(tell: Callable[..., None]) -> None:
    async def story(node: Node) -> None:
        node.apply(pod(restartPolicy="Never"))
        await node.ready()
        node.engine.vanish(began(node)[0].id)
        status = await node.phase("Failed")
        terminated = status.container_statuses[0].state.terminated
        assert terminated
        assert (terminated.exit_code, terminated.reason) == (137, "ContainerStatusUnknown")
        assert len(began(node)) == 1

    tell(story)


def test_a_disk_that_cannot_be_written_is_told(tell: Callable[..., None], tmp_path: Path) -> None:
    async def story(node: Node) -> None:
        blocked = tmp_path / "pods"
        blocked.write_text("not a directory")
        node.apply(pod())
        await reason(node, "CreateContainerError")
        assert "the directory of its log" in waiting(node).message
        blocked.unlink()
        await node.ready(within=15)

    tell(story)


def test_two_of_them_do_not_share_a_directory(tmp_path: Path) -> None:
    async def story() -> None:
        async with Node(tmp_path) as node:
            with pytest.raises(EdgedInUse, match="another edged works in"):
                async with Edged(node.runtime, "edge-1", tmp_path, lambda *_: None):
                    pass
            await node.kill()
            await node.begin()

    run(story())
