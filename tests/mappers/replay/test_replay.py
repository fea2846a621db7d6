"""A recording stands in for its device: the same readings, the same silences, and wishes that are met."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any, cast

import pytest
from msgspec import Struct

from device_models import AccessMode, DataType, Device, Property
from eventbus.device_side import DeviceSide
from mappers.configuration import ConfigurationErrors
from mappers.mapper import Failure, Listening, Mapper, Point, Raw, Sample
from mappers.modbus.rig import RIG as MODBUS
from mappers.protocols import PROTOCOLS, Protocol
from mappers.recorder import noting
from mappers.recording import header_of
from mappers.replay.mapper import OVER
from mappers.runner import links
from mappers.tape import Tape
from mappers.testing.replaying import replaying
from mappers.testing.rig import NUMBER, SETTING
from mappers.testing.running import hurry, running
from mappers.testing.side import MemorySide

PUMP = "default/pump"
SPEED = Property("speed", DataType.INT, AccessMode.READ_WRITE, visitor={"register": "holding", "address": 1})
FLOW = Property("flow", DataType.FLOAT, visitor={"register": "input", "address": 7, "type": "uint16", "scale": "0.1"})
DEVICE = Device("default", "pump", "m", "modbus", {"host": "10.0.0.1"}, (SPEED, FLOW))
STARTED = 1785999999958


@asynccontextmanager
async def recorded(
    device: Device, file: Path, protocols: Mapping[str, Protocol] = PROTOCOLS
) -> AsyncIterator[MemorySide]:
    """The device is recorded; what a hub would have heard meanwhile."""
    side = MemorySide()
    with hurry():
        async with noting(device, Tape(file, header_of(device)), protocols, cast(DeviceSide, side)):
            yield side


def tale(file: Path, *lines: Mapping[str, Any], **header: Any) -> Path:
    """A recording of `DEVICE`, as somebody may have written it by hand."""
    first = {"recording": 1, "device": PUMP, "protocol": "modbus", "config": {"host": "h"}, "started": STARTED}
    first["properties"] = {"speed": "INT", "flow": "FLOAT"}
    file.write_text("".join(json.dumps(line) + "\n" for line in (first | header, *lines)))
    return file


def said(side: MemorySide, device_id: str, name: str) -> list[tuple[str | None, str, str]]:
    return [(reading.value, reading.quality, reading.reason) for reading in side.readings(device_id, name)]


async def test_a_modbus_slave_and_its_replay_say_the_same(tmp_path: Path) -> None:
    file = tmp_path / "slave.jsonl"
    async with MODBUS.stands(1) as [stand]:
        device = stand.device
        async with recorded(device, file) as live:
            await stand.show(1)
            await live.until(lambda: live.value(device.id, NUMBER) == "1.0")
            await stand.show(2)
            await live.until(lambda: live.value(device.id, NUMBER) == "2.0")
            await stand.silence()
            await live.until(lambda: live.state_of(device.id) == "offline")
            await stand.whole()
            await stand.show(3)
            await live.until(lambda: live.value(device.id, NUMBER) == "3.0")
            await stand.stop()
            await live.until(lambda: live.state_of(device.id) == "offline")
    assert {reading.quality for reading in live.readings(device.id, NUMBER)} == {"good", "bad"}
    async with running("replay", [replaying(device, file, speed=5)]) as side:
        await side.until(lambda: side.last(device.id, NUMBER) is not None)
        await side.until(lambda: cast(Any, side.last(device.id, NUMBER)).reason == OVER)
    for name in (NUMBER, SETTING):
        assert said(side, device.id, name)[:-1] == said(live, device.id, name)
    assert side.states == live.states


class Words(Struct, frozen=True):
    """No fields."""


class Talker(Mapper[Words, Words]):
    """Says a fixed sequence of things by itself, and is silent in between."""

    Config = Visitor = Words

    async def connect(self) -> None:
        pass

    async def close(self) -> None:
        pass

    def polls(self, point: Point[Words, Words]) -> bool:
        return False

    async def listen(self, listening: Listening) -> None:
        points = {point.property.name: point for point in self.points}
        now = time.time_ns() // 1_000_000
        script: list[dict[str, Raw]] = [
            {"count": 2**60, "name": "ä\ud800", "data": b"\0\xff"},
            {"count": Failure("out of order"), "level": 0.1 + 0.2},
            {"level": Sample(7.5, now - 5000)},
            {"level": Sample(8.5, now - 4000, "uncertain", "drifts")},
        ]
        for values in script:
            listening.deliver({points[name]: raw for name, raw in values.items()})
            await asyncio.sleep(0.05)
        listening.silent(self.points[0].device_id, "asleep")
        await asyncio.sleep(0.05)
        listening.deliver({points["count"]: 1})
        await asyncio.sleep(3600)


async def test_what_a_device_says_by_itself_is_replayed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    talker = Protocol("talker", "")
    monkeypatch.setitem(talker.__dict__, "mapper", Talker)
    protocols = {**PROTOCOLS, "talker": talker}
    monkeypatch.setattr("mappers.replay.mapper.PROTOCOLS", protocols)
    kinds = {"count": DataType.INT, "name": DataType.STRING, "data": DataType.BYTES, "level": DataType.DOUBLE}
    device = Device("default", "talker", "m", "talker", {}, tuple(Property(*each) for each in kinds.items()))
    file = tmp_path / "talker.jsonl"
    async with recorded(device, file, protocols) as live:
        await live.until(lambda: live.value(device.id, "count") == "1")
    async with running("replay", [replaying(device, file)]) as side:
        await side.until(lambda: side.value(device.id, "count") == "1")
    for name in kinds:
        assert said(side, device.id, name)[: len(said(live, device.id, name))] == said(live, device.id, name)
    lags = [
        [heard.at - heard.reading.time for heard in each.heard(device.id, "level") if heard.reading.value]
        for each in (live, side)
    ]
    assert lags[1][1:] == pytest.approx(lags[0][1:], abs=1000)
    assert lags[1][1] > 4000


async def test_conversions_of_the_original_apply(tmp_path: Path) -> None:
    file = tale(tmp_path / "it.jsonl", {"at": 0, "said": {"speed": 3, "flow": 215}}, {"at": 9})
    async with running("replay", [replaying(DEVICE, file)]) as side:
        await side.until(lambda: side.value(PUMP, "speed") == "3")
        assert side.value(PUMP, "flow") == "21.5"


async def test_a_wish_is_met_and_stays(tmp_path: Path) -> None:
    words = [{"at": number / 50, "said": {"speed": number % 2, "flow": number}} for number in range(5000)]
    file = tale(tmp_path / "it.jsonl", *words)
    async with running("replay", [replaying(DEVICE, file)]) as side:
        await side.until(lambda: side.value(PUMP, "speed") == "1")
        side.wish(PUMP, speed="40")
        await side.until(lambda: side.value(PUMP, "speed") == "40")
        since = len(side.readings(PUMP, "flow"))
        await side.until(lambda: len(side.readings(PUMP, "flow")) > since + 5)
        assert side.value(PUMP, "speed") == "40"


async def test_who_is_silent_takes_no_wish(tmp_path: Path) -> None:
    words = (
        {"at": 0, "said": {"speed": 1}},
        {"at": 0.1, "silent": "asleep"},
        {"at": 1, "said": {"flow": 1}},
        {"at": 9},
    )
    async with running("replay", [replaying(DEVICE, tale(tmp_path / "it.jsonl", *words))]) as side:
        await side.until(lambda: side.quality(PUMP, "speed") == "bad")
        side.wish(PUMP, speed="40")
        await side.until(lambda: side.value(PUMP, "speed") == "40")
        assert side.value(PUMP, "flow") == "0.1"


async def test_one_lost_answer_concerns_what_was_asked_for_and_the_second_the_device(tmp_path: Path) -> None:
    file = tale(
        tmp_path / "it.jsonl",
        {"at": 0, "said": {"speed": 1, "flow": 1}},
        {"at": 0.1, "silent": "late", "of": ["flow"]},
        {"at": 0.2, "said": {"speed": 2}},
        {"at": 0.3, "silent": "late", "of": ["flow"]},
        {"at": 0.4, "silent": "late", "of": ["speed"]},
        {"at": 9},
    )
    async with running("replay", [replaying(DEVICE, file)]) as side:
        await side.until(lambda: side.state_of(PUMP) == "offline")
    assert said(side, PUMP, "flow") == [("0.1", "good", ""), (None, "bad", "late")]
    assert said(side, PUMP, "speed") == [("1", "good", ""), ("2", "good", ""), (None, "bad", "late")]
    assert side.states == [(PUMP, "online"), (PUMP, "offline")]


async def test_it_ends_or_begins_again(tmp_path: Path) -> None:
    file = tale(
        tmp_path / "it.jsonl",
        {"at": 0, "said": {"speed": {"sample": 1, "time": STARTED}}},
        {"at": 1, "said": {"speed": {"sample": 2, "time": STARTED + 1000}}},
        {"at": 1.5, "end": True},
    )
    once = replaying(DEVICE, file, speed=10)
    again = replace(replaying(DEVICE, file, speed=10, repeat=True), name="other")
    async with running("replay", [once, again]) as side:
        await side.until(lambda: len(side.readings(again.id, "speed")) >= 6)
        await side.until(lambda: side.state_of(PUMP) == "offline")
    assert said(side, PUMP, "speed") == [("1", "good", ""), ("2", "good", ""), (None, "bad", OVER)]
    values = side.readings(again.id, "speed")[:6]
    assert [reading.value for reading in values] == ["1", "2", "1", "2", "1", "2"]
    times = [reading.time for reading in values]
    assert times == sorted(set(times))
    assert all(abs(heard.at - heard.reading.time) < 60_000 for heard in side.heard(again.id, "speed"))


async def test_several_devices_may_play_one_recording(tmp_path: Path) -> None:
    file = tale(tmp_path / "it.jsonl", {"at": 0, "said": {"speed": 3}}, {"at": 9})
    devices = [replace(replaying(DEVICE, file), name=name) for name in ("one", "two")]
    async with running("replay", devices) as side:
        await side.until(lambda: side.value("default/one", "speed") == side.value("default/two", "speed") == "3")
        side.wish("default/one", speed="40")
        await side.until(lambda: side.value("default/one", "speed") == "40")
        assert side.value("default/two", "speed") == "3"


async def test_a_recording_that_breaks_is_told_and_tried_again(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    file = tale(tmp_path / "it.jsonl", {"at": 0, "said": {"speed": 3}}, {"at": 9})
    good = file.read_text()
    file.write_text(good + "nonsense\n")
    async with running("replay", [replaying(DEVICE, file)]) as side:
        await side.until(lambda: "it.jsonl:4: this line is not understood" in caplog.text)
        tale(file, {"at": 0, "said": {"speed": 3}}, config={"host": "another"})
        await side.until(lambda: cast(Any, side.last(PUMP, "speed")).reason.endswith("check the manifests again"))
        file.write_text(good)
        await side.until(lambda: side.value(PUMP, "speed") == "3")


@pytest.mark.parametrize(
    ("changes", "problem"),
    [
        ({"file": None}, "cannot be read: No such file or directory"),
        ({"properties": {"sped": "INT", "flow": "FLOAT"}}, "has no property speed; did you mean sped?"),
        ({"protocol": "smoke"}, "was recorded with smoke, which no mapper here speaks"),
        ({"protocol": "replay"}, "default/pump is replayed itself"),
        ({"protocol": "gone"}, "the mapper for gone cannot be loaded: "),
        ({"config": {"host": "h", "ports": 5}}, "as a device of modbus: "),
        ({"recording": 7}, "this is no recording"),
    ],
)
def test_what_cannot_be_replayed_is_told_before(
    tmp_path: Path, changes: dict[str, Any], problem: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    gone = {"gone": Protocol("gone", "not_there.mapper:It")}
    monkeypatch.setattr("mappers.replay.mapper.PROTOCOLS", {**PROTOCOLS, **gone})
    file = tmp_path / "it.jsonl"
    if "file" not in changes:
        tale(file, **changes)
    with pytest.raises(ConfigurationErrors, match=problem.replace("?", r"\?")):
        links(PROTOCOLS["replay"], [replaying(DEVICE, file)])


def test_visitors_that_the_original_does_not_understand_are_told(tmp_path: Path) -> None:
    wrong = replace(DEVICE, properties=(replace(SPEED, visitor={"register": "holding", "adress": 1}),))
    with pytest.raises(
        ConfigurationErrors, match="as a device of modbus: unknown field adress; did you mean address"
    ):
        links(PROTOCOLS["replay"], [replaying(wrong, tale(tmp_path / "it.jsonl"))])
