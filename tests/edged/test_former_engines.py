"""What another engine still runs is ended there, once, before the present one begins."""

from __future__ import annotations

import logging
import sys
from pathlib import Path

import pytest
from node import NODE, Node, pod

from edged import former_names
from edged.choice import choose
from edged.engines import engine
from edged.former_engines import leave, note, noted, unnote
from edged.process.images import HOST
from edged.process.runtime import ProcessRuntime
from edged.runtime import LABEL, ContainerPlan, Found, SandboxPlan


async def running(directory: Path) -> ProcessRuntime:
    """An engine of processes on which something of this node, and of another one, runs."""
    runtime = ProcessRuntime(directory / "process")
    async with runtime:
        for node in (NODE, "another"):
            labels = {LABEL.node: node, LABEL.pod: "default/old", LABEL.container: "one"}
            sandbox = await runtime.run_sandbox(SandboxPlan(name=f"old-{node}", hostname="old", labels=labels))
            plan = ContainerPlan(
                name=f"old-one-{node}",
                image=HOST,
                command=("sleep", "1000"),
                env={},
                labels={**labels, LABEL.ending: '{"grace":5}'},
                log_path=str(directory / f"{node}.log"),
            )
            await runtime.start(await runtime.create(sandbox, plan))
    return runtime


async def found(runtime: ProcessRuntime, node: str = NODE) -> Found:
    async with runtime:
        return await runtime.found(node)


async def test_what_is_ours_is_ended_there_before_the_new_engine_begins(tmp_path: Path) -> None:
    old = await running(tmp_path)
    note(tmp_path, "process")
    try:
        async with Node(tmp_path) as node:
            node.apply(pod())
            await node.ready()
            assert await found(old) == Found([], [])
            assert [one.state for one in (await found(old, "another")).containers] == ["running"]
        assert noted(tmp_path) == ()
    finally:
        async with old:
            for one in (await old.found("another")).sandboxes:
                await old.remove_sandbox(one.id)


async def test_an_engine_that_is_away_is_asked_again_another_time(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setitem(sys.modules, "edged.cri", None)
    note(tmp_path, "cri")
    await leave(tmp_path, NODE, ProcessRuntime(tmp_path / "process"))
    assert "what still runs on cri is not looked after any more: " in caplog.text
    assert noted(tmp_path) == ("cri",)


async def test_what_bears_a_former_name_of_the_node_is_ended(tmp_path: Path) -> None:
    runtime = await running(tmp_path)
    assert former_names.noted(tmp_path, "another") == ()
    await leave(tmp_path, NODE, runtime)
    assert await found(runtime, "another") == Found([], [])
    assert [one.state for one in (await found(runtime)).containers] == ["running"]
    assert former_names.noted(tmp_path, NODE) == ()
    async with runtime:
        for one in (await runtime.found(NODE)).sandboxes:
            await runtime.remove_sandbox(one.id)


async def test_a_former_name_is_kept_while_an_engine_is_away(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setitem(sys.modules, "edged.cri", None)
    former_names.noted(tmp_path, "another")
    await leave(tmp_path, NODE, engine("cri", tmp_path))
    assert "what still runs on the present engine as another is not looked after" in caplog.text
    assert former_names.noted(tmp_path, NODE) == ("another",)
    assert former_names.noted(tmp_path, "another") == (NODE,), "it is called so again"


def test_a_change_is_noted_until_it_is_changed_back(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    choose("process", tmp_path)
    assert noted(tmp_path) == ()
    choose("podman", tmp_path)
    assert noted(tmp_path) == ("process",)
    assert "pods run on podman from now on, and not on process any more" in caplog.text
    choose("process", tmp_path)
    assert noted(tmp_path) == ("podman",)
    choose("none", tmp_path)
    assert "what still runs on process goes on" in caplog.text
    assert noted(tmp_path) == ("podman",), "whoever wants no pods may want them again"


@pytest.mark.parametrize("text", [b"\xff", b"", b"process\nnonsense\nprocess\n"])
async def test_a_file_that_is_spoilt_hurts_nobody(tmp_path: Path, text: bytes) -> None:
    (tmp_path / "former-runtimes").write_bytes(text)
    (tmp_path / "node-names").write_bytes(text)
    await leave(tmp_path, NODE, ProcessRuntime(tmp_path / "process"))
    unnote(tmp_path, "process")
    assert noted(tmp_path) == ()
