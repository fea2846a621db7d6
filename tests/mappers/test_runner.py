from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from mappers.configuration import ConfigurationErrors

A, B = "default/a", "default/b"


async def test_identical_devices_are_not_touched(stage: Any) -> None:
    stage.thing("a", x=1)
    async with stage.run(stage.device("a", "x")) as runner:
        await stage.until(lambda: stage.side.value(A, "x"))
        changes = await runner.apply([stage.device("a", "x")])
        assert changes == ((), (), ("things a",))
    assert stage.world.connects == ["a"]


async def test_only_what_changed_restarts(stage: Any) -> None:
    stage.thing("a", x=1)
    stage.thing("b", x=1, y=3)
    async with stage.run(stage.device("a", "x"), stage.device("b", "x")) as runner:
        await stage.until(lambda: stage.side.value(A, "x") and stage.side.value(B, "x"))
        changes = await runner.apply([stage.device("a", "x"), stage.device("b", "x", "y")])
        assert changes == (("things b",), ("things b",), ("things a",))
        await stage.until(lambda: stage.side.value(B, "y") == "3")
    assert sorted(stage.world.connects) == ["a", "b", "b"]
    assert stage.side.removed == []


async def test_devices_come_and_go(stage: Any) -> None:
    for name in ("a", "b"):
        stage.thing(name, x=1)
    async with stage.run(stage.device("a", "x")) as runner:
        await stage.until(lambda: stage.side.value(A, "x"))
        await runner.apply([stage.device("b", "x")])
        await stage.until(lambda: stage.side.value(B, "x"))
        assert stage.side.removed == [A]
        await runner.apply([])
        assert stage.side.removed == [A, B]
    assert sorted(stage.world.closes) == ["a", "b"]


async def test_a_device_that_joins_a_line_restarts_that_line_only(stage: Any) -> None:
    for name in ("a", "b", "c"):
        stage.thing(name, x=1)
    line = {"line": "l"}
    a, b, c = stage.device("a", "x", config=line), stage.device("b", "x", config=line), stage.device("c", "x")
    async with stage.run(a, c) as runner:
        assert await runner.apply([a, b, c]) == (("things l",), ("things l",), ("things c",))
        await stage.until(lambda: stage.side.value(B, "x"))


async def test_a_bad_edit_is_refused_and_the_old_state_goes_on(stage: Any) -> None:
    stage.thing("a", x=1)
    device = stage.device("a", "x")
    async with stage.run(device) as runner:
        bad = replace(device, config={"thing": "a", "timeout": "soon"})
        with pytest.raises(ConfigurationErrors, match=r"device default/a: protocol\.configData\.timeout"):
            await runner.apply([bad])
        reports = len(stage.side.reports)
        await stage.until(lambda: len(stage.side.reports) > reports + 2)
    assert stage.world.connects == ["a"]


async def test_devices_of_other_protocols_are_ignored(stage: Any) -> None:
    stage.thing("a", x=1)
    async with stage.run(stage.device("a", "x"), replace(stage.device("b", "x"), protocol="external")) as runner:
        assert list(runner.statistics()) == ["things a"]


async def test_leaving_closes_every_link(stage: Any) -> None:
    stage.thing("a", x=1)
    stage.thing("b").silent = True
    async with stage.run(stage.device("a", "x"), stage.device("b", "x", config={"timeout": 60})):
        await stage.until(lambda: stage.side.value(A, "x"))
    assert sorted(stage.world.closes) == ["a", "b"]


async def test_a_defect_of_the_framework_ends_no_other_link(
    stage: Any, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr("mappers.runner.LONGEST_DELAY", 0.05)
    stage.thing("a", x=1)
    stage.thing("b", x=2)
    stage.world.unreachable.add("a")
    spoilt = {"yes"}

    def lost(health: Any, reason: str) -> None:
        if spoilt:
            raise RuntimeError("surprise")

    monkeypatch.setattr("mappers.health.Health.lost", lost)
    async with stage.run(stage.device("a", "x"), stage.device("b", "x")):
        await stage.until(lambda: caplog.text.count("beginning again") >= 2 and stage.side.value(B, "x") == "2")
        spoilt.clear()
        stage.world.unreachable.clear()
        await stage.until(lambda: stage.side.value(A, "x") == "1")


async def test_an_error_of_the_caller_comes_out_as_it_is(stage: Any) -> None:
    stage.thing("a", x=1)
    with pytest.raises(KeyError):
        async with stage.run(stage.device("a", "x")):
            raise KeyError("mine")
