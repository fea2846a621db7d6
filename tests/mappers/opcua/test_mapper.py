"""The mapper against a simulated server, through the framework."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import pytest

from device_models import Device
from mappers.mapper import CannotDiscover, LinkLost
from mappers.opcua.mapper import OpcuaMapper
from mappers.probe import probe
from mappers.testing.running import running
from mappers.testing.side import MemorySide, until

D = "default/thing"

VISITORS: dict[str, tuple[str, dict[str, Any]]] = {
    "temperature": ("DOUBLE", {"browsePath": "Objects/2:Boiler/2:Temperature"}),
    "pressure-ro": ("FLOAT", {"nodeId": "ns=2;s=Boiler.Pressure"}),
    "set-point": ("INT", {"nodeID": "ns=2;s=Boiler.SetPoint"}),
    "burner": ("BOOLEAN", {"browseName": "2:Boiler/2:Burner"}),
    "operator": ("STRING", {"nodeId": "ns=2;s=Boiler.Operator"}),
    "profile": ("STRING", {"nodeId": "ns=2;s=Boiler.Profile"}),
    "batch": ("STRING", {"nodeId": "ns=2;s=Boiler.Batch"}),
    "ghost": ("DOUBLE", {"nodeId": "ns=2;s=Ghost"}),
    "lost-path": ("DOUBLE", {"browsePath": "2:Boiler/2:Ghost"}),
    "rinse": ("STRING", {"method": "2:Boiler/2:Rinse"}),
    "litres": ("DOUBLE", {"method": "2:Boiler/2:Rinse", "output": 0}),
    "report": ("STRING", {"method": "2:Boiler/2:Rinse", "output": 1}),
    "third": ("STRING", {"method": "2:Boiler/2:Rinse", "output": 2}),
}
VARIABLES = ("temperature", "set-point", "burner", "operator", "profile", "batch")


def _good(side: MemorySide, *names: str) -> bool:
    return all(side.quality(D, name) == "good" for name in names)


def _reason(side: MemorySide, name: str) -> str:
    last = side.last(D, name)
    return last.reason if last else ""


@pytest.mark.parametrize("subscribe", ["auto", "never"])
async def test_values_have_the_servers_type_time_and_quality(
    boiler: Any, device: Callable[..., Device], subscribe: str
) -> None:
    async with running("opcua", [device(boiler.url, VISITORS, subscribe=subscribe)]) as side:
        side.wish(D, burner="true", profile="[20.0, 60, 80]", **{"set-point": "60"})
        await until(lambda: _good(side, *VARIABLES, "pressure-ro"))
        await until(lambda: side.value(D, "profile") == "[20.0, 60, 80]")
        assert side.value(D, "batch") == '{"Number":7,"Product":"steam","Masses":[1.5,2.5],"Note":null}'
        await until(lambda: _reason(side, "ghost") == "BadNodeIdUnknown")
        await until(lambda: _reason(side, "lost-path") == "the server has no 2:Boiler/2:Ghost")
        side.wish(D, burner="false")
        await until(lambda: side.quality(D, "pressure-ro") == "uncertain")
        assert _reason(side, "pressure-ro") == "UncertainSensorNotAccurate"
        last = side.last(D, "temperature")
        assert last is not None
        assert time.time() * 1000 - 20_000 < last.time <= time.time() * 1000 + 1
        side.wish(D, burner="true")
        await until(lambda: _good(side, "pressure-ro"))


async def test_equal_json_meets_a_wish_and_is_spelled_like_it(boiler: Any, device: Callable[..., Device]) -> None:
    async with running("opcua", [device(boiler.url, VISITORS)]) as side:
        await until(lambda: _good(side, *VARIABLES))
        wish = '{"Masses": [1], "Number": 9, "Product": "x", "Note": "hi"}'
        side.wish(D, batch=wish, operator="me")
        await until(lambda: side.value(D, "batch") == wish and side.value(D, "operator") == "me")
        back = '{"Number": 7, "Product": "steam", "Masses": [1.5, 2.5]}'
        side.wish(D, batch=back)
        await until(lambda: side.value(D, "batch") == back)


async def test_what_can_never_be_written_is_said_once(
    boiler: Any, device: Callable[..., Device], caplog: Any
) -> None:
    visitors = VISITORS | {"set-point": ("DOUBLE", {"nodeId": "ns=2;s=Boiler.SetPoint"})}
    async with running("opcua", [device(boiler.url, visitors)]) as side:
        await until(lambda: _good(side, *VARIABLES))
        side.wish(D, temperature="3", profile="{}", batch='{"Number": -1}', **{"set-point": "1.5"})
        await until(lambda: len([m for m in caplog.messages if "cannot be set" in m]) == 4)
    said = "\n".join(caplog.messages)
    assert "temperature cannot be set to 3: Bad" in said
    assert "the server wants an array of Double: write a JSON array" in said
    assert "-1 does not fit into the server's UInt32" in said
    assert "the server wants a whole number, 1.5 is none" in said
    assert "trying on" not in said


async def test_a_method_is_called_by_its_arguments(boiler: Any, device: Callable[..., Device], caplog: Any) -> None:
    async with running("opcua", [device(boiler.url, VISITORS)]) as side:
        await until(lambda: _reason(side, "rinse") == "not called yet")
        assert _reason(side, "litres") == "not called yet"
        side.wish(D, rinse="[2, [1, 2]]")
        await until(lambda: side.value(D, "rinse") == "[2, [1, 2]]")
        await until(lambda: side.value(D, "litres") == "10.0" and side.value(D, "report") == "2 zones")
        await until(lambda: _reason(side, "third") == "the method has 2 outputs, counted from 0")
        first = side.last(D, "litres")
        again = '{"arguments": [2, [1, 2]], "call": "again"}'
        side.wish(D, rinse=again)
        await until(lambda: side.value(D, "rinse") == again and side.last(D, "litres") != first)
        second = side.last(D, "litres")
        assert first is not None
        assert second is not None
        assert (second.value, second.time > first.time) == (first.value, True)
        for wrong, why in (
            ("[2]", "the method takes 2 arguments (Seconds, Zones), 1 are given"),
            ('["x", []]', "argument Seconds: the server wants a Double, 'x' is none"),
            ("[-1, [1]]", "BadOutOfRange"),
        ):
            side.wish(D, rinse=wrong)
            await until(lambda why=why: any(why in m for m in caplog.messages))  # type: ignore[misc]
        assert side.value(D, "rinse") == again
    assert not [m for m in caplog.messages if "trying on" in m]


async def test_a_call_whose_answer_was_lost_is_not_repeated(
    boiler: Any, device: Callable[..., Device], caplog: Any
) -> None:
    async with running("opcua", [device(boiler.url, VISITORS, timeout=0.5, keepAlive=0.5)]) as side:
        await until(lambda: _good(side, *VARIABLES))
        side.wish(D, rinse="[1, [1]]")  # after which the arguments are known, and a call is one request
        await until(lambda: side.value(D, "litres") == "2.5")
        boiler.freeze()
        side.wish(D, rinse="[7, [1]]")
        await until(lambda: side.state_of(D) == "offline")
        boiler.thaw()
        await until(lambda: any("the answer was lost" in m for m in caplog.messages))
        await until(lambda: _good(side, *VARIABLES))
        assert side.value(D, "litres") == "2.5"


async def test_a_device_is_tried_without_running(boiler: Any, device: Callable[..., Device]) -> None:
    rows = {row.property: row for row in await probe(device(boiler.url, VISITORS))}
    assert rows["operator"].value == "nobody" or rows["operator"].value == "me"
    assert rows["operator"].where == "ns=2;s=Boiler.Operator"
    assert rows["ghost"].reason == "BadNodeIdUnknown"


async def test_nobody_there_is_said_so(device: Callable[..., Device]) -> None:
    with pytest.raises(LinkLost, match="connect"):
        await probe(device("opc.tcp://127.0.0.1:1/", VISITORS))
    with pytest.raises((LinkLost, OSError)):
        await OpcuaMapper.discover("opc.tcp://127.0.0.1:1/", {})


async def test_the_boiler_is_browsed(boiler: Any) -> None:
    model, thing = (await OpcuaMapper.discover(boiler.url, {"timeout": "7"})).manifests
    declared = {each["name"]: each for each in model["spec"]["properties"]}
    assert declared["temperature"] == {
        "name": "temperature", "type": "DOUBLE", "accessMode": "ReadOnly", "unit": "°C",
        "minimum": "0", "maximum": "120",
    }  # fmt: skip
    kinds = {name: (each["type"], each["accessMode"]) for name, each in declared.items()}
    assert kinds["set-point"] == ("INT", "ReadWrite")
    assert kinds["burner"] == ("BOOLEAN", "ReadWrite")
    assert kinds["profile"] == kinds["batch"] == kinds["rinse"] == ("STRING", "ReadWrite")
    assert kinds["litres"] == ("DOUBLE", "ReadOnly")
    assert "input-arguments" not in kinds
    assert thing["spec"]["protocol"]["configData"] == {"url": boiler.url, "timeout": 7.0}


async def test_what_cannot_be_browsed_says_what_to_do(boiler: Any) -> None:
    for target, options, why in (
        (f"{boiler.url}#2:Nothing", {}, "the server has no 2:Nothing"),
        (boiler.url, {"tiemout": "7"}, "unknown field `tiemout`"),
        ("http://x", {}, "write opc.tcp://HOST:PORT"),
    ):
        with pytest.raises(CannotDiscover, match=why):
            await OpcuaMapper.discover(target, options)


async def test_a_secret_is_never_printed_in_a_manifest(boiler: Any) -> None:
    found = await OpcuaMapper.discover(boiler.url, {"userName": "operator", "password": "boiler"})
    assert "'password'" not in str(found.manifests)
    assert "passwordFile" in found.remarks[0]
