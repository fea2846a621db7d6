from __future__ import annotations

from typing import Annotated, Any, Literal

import pytest
from msgspec import Meta, Struct

from device_models import DataType, Device, Property
from mappers.configuration import ConfigurationErrors, points_of, timeout_of
from mappers.mapper import Mapper, Point


class Config(Struct, frozen=True, forbid_unknown_fields=True):
    host: str
    port: Annotated[int, Meta(le=65535)] = 1
    timeout: float = 2.5


class Visitor(Struct, frozen=True, forbid_unknown_fields=True):
    kind: Literal["hot", "cold"] | None = None
    number: int = 0


class Some(Mapper[Config, Visitor]):
    Config = Config
    Visitor = Visitor

    async def connect(self) -> None: ...

    async def close(self) -> None: ...

    @classmethod
    def check(cls, point: Point[Config, Visitor]) -> None:
        if point.visitor.number == 13:
            raise ValueError("13 brings bad luck: take 12")


def device(config: dict[str, Any], *visitors: dict[str, Any]) -> Device:
    properties = tuple(Property(f"p{n}", DataType.INT, visitor=visitor) for n, visitor in enumerate(visitors))
    return Device("default", "d", "m", "some", config, properties)


def test_forms_are_filled_and_numbers_may_be_text() -> None:
    [point] = points_of(Some, [device({"host": "h", "port": "502"}, {"kind": "hot", "number": "7"})])
    assert (point.config, point.visitor) == (Config("h", 502), Visitor("hot", 7))
    assert timeout_of(point) == 2.5


@pytest.mark.parametrize(
    ("config", "visitor", "words"),
    [
        ({}, {}, "device default/d: protocol.configData: host is missing; write it"),
        ({"host": "h", "prot": 1}, {}, "protocol.configData: unknown field prot; did you mean port?"),
        ({"host": "h", "zzz": 1}, {}, "unknown field zzz; known are host, port, timeout"),
        ({"host": "h", "port": "x"}, {}, "protocol.configData.port: expected int, got str"),
        ({"host": "h", "port": 70000}, {}, "protocol.configData.port: expected int <= 65535"),
        (
            {"host": "h"},
            {"kind": "warm"},
            "property p0: visitors.configData.kind: Invalid enum value 'warm'; write one of hot, cold",
        ),
        ({"host": "h"}, {"number": 13}, "property p0: visitors.configData: 13 brings bad luck: take 12"),
    ],
)
def test_errors_name_the_place_and_the_remedy(config: dict[str, Any], visitor: dict[str, Any], words: str) -> None:
    with pytest.raises(ConfigurationErrors) as caught:
        points_of(Some, [device(config, visitor)])
    assert words in str(caught.value)


def test_all_errors_come_at_once() -> None:
    with pytest.raises(ConfigurationErrors) as caught:
        points_of(Some, [device({}), device({"host": "h"}, {"number": 13}, {"kind": 1}, {})])
    assert [error.property_name for error in caught.value.errors] == [None, "p0", "p1"]
