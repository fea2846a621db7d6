"""Looking at devices that speak by themselves."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from typing import Any

import pytest
from msgspec import Struct

from device_models import DataType, Device, Property
from mappers import probe as probing
from mappers.mapper import Batch, LinkLost, Listening, Mapper, Point, Raw, Sample
from mappers.preview import plan_text
from mappers.probe import ONLY_SET, SILENT, probe
from mappers.protocols import Protocol


class RadioConfig(Struct, frozen=True):
    says: dict[str, float] = {}
    breaks: bool = False
    silence: float = 0.2


class RadioVisitor(Struct, frozen=True):
    asked: bool = False
    only_set: bool = False


class Radio(Mapper[RadioConfig, RadioVisitor]):
    """Says what its configuration tells it to say, and answers 1 where it is asked."""

    Config = RadioConfig
    Visitor = RadioVisitor

    @classmethod
    def link_of(cls, config: RadioConfig) -> str:
        return "the air"

    async def connect(self) -> None:
        self.open = True

    async def close(self) -> None:
        self.open = False

    def polls(self, point: Point[RadioConfig, RadioVisitor]) -> bool:
        return point.visitor.asked or point.visitor.only_set

    def readable(self, point: Point[RadioConfig, RadioVisitor]) -> bool:
        return point.visitor.asked

    async def read(self, batch: Batch[RadioConfig, RadioVisitor]) -> Sequence[Raw]:
        return [1 for _ in batch.points]

    async def listen(self, listening: Listening) -> None:
        await asyncio.sleep(0)
        said = self.config.says
        listening.deliver({p: Sample(said[p.property.name], 5) for p in self.points if p.property.name in said})
        if self.config.breaks:
            raise LinkLost("the antenna fell off")
        await asyncio.Event().wait()


RADIO = {"radio": Protocol("radio", "radio.mapper:Radio")}


@pytest.fixture(autouse=True)
def known_radio(monkeypatch: pytest.MonkeyPatch) -> None:
    RADIO["radio"].__dict__["mapper"] = Radio
    monkeypatch.setattr(probing, "SHORTEST_EAR", 0.2)


def radio(config: Mapping[str, Any], *names: str) -> Device:
    asked = Property("asked", DataType.INT, visitor={"asked": True})
    return Device("default", "r", "m", "radio", config, (*(Property(name, DataType.FLOAT) for name in names), asked))


async def test_what_it_says_by_itself_is_waited_for() -> None:
    rows = await probe(radio({"says": {"x": 21.5}}, "x"), RADIO)
    assert [(row.property, row.where, row.value) for row in rows] == [
        ("x", "listens to", "21.5"),
        ("asked", "1 points", "1"),
    ]


async def test_what_it_does_not_say_in_time_is_bad() -> None:
    rows = await probe(radio({"says": {"x": 1}}, "x", "y"), RADIO)
    assert [(row.property, row.value, row.reason) for row in rows[:2]] == [("x", "1.0", ""), ("y", None, SILENT)]


async def test_a_link_that_is_lost_while_listening_tells_why() -> None:
    rows = await probe(radio({"breaks": True}, "x"), RADIO)
    assert rows[0].reason == "the antenna fell off"


async def test_a_device_that_says_nothing_at_all_does_not_answer() -> None:
    with pytest.raises(LinkLost, match="does not answer"):
        await probe(radio({}, "x", "y"), RADIO)


def test_the_plan_says_what_is_listened_to() -> None:
    assert plan_text([radio({"says": {}}, "x", "y")], RADIO).splitlines()[-3:] == [
        "    listens to x, y",
        "    every 1 s: 1 points: asked",
        "1 links, 1 devices: 1 properties in 1 requests, 1 requests a second; 2 are listened to",
    ]


async def test_what_can_only_be_set_is_not_waited_for() -> None:
    switch = Property("switch", DataType.INT, visitor={"only_set": True})
    device = Device("default", "d", "m", "radio", {"silence": 3600.0}, (switch,))
    [row] = await probe(device, RADIO)
    assert (row.value, row.quality, row.reason) == (None, "bad", ONLY_SET)
