"""Against node-opcua: values, quality, structures, writes, methods, security, and a restart of it."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

from device_models import Device
from mappers.opcua import trust
from mappers.opcua.mapper import OpcuaMapper
from mappers.testing.running import running
from mappers.testing.side import MemorySide, until

D = "default/thing"

VISITORS: dict[str, tuple[str, dict[str, Any]]] = {
    "flow": ("DOUBLE", {"browsePath": "1:Pump/1:Flow"}),
    "speed": ("INT", {"nodeId": "ns=1;s=Pump.Speed"}),
    "name": ("STRING", {"nodeId": "ns=1;s=Pump.Name"}),
    "fixed": ("INT", {"nodeId": "ns=1;s=Pump.Fixed"}),
    "curve": ("STRING", {"nodeId": "ns=1;s=Pump.Curve"}),
    "limits": ("STRING", {"nodeId": "ns=1;s=Pump.Limits"}),
    "level": ("DOUBLE", {"nodeId": "ns=1;s=Pump.Level"}),
    "broken": ("DOUBLE", {"nodeId": "ns=1;s=Pump.Broken"}),
    "prime": ("STRING", {"method": "ns=1;s=Pump.Prime", "object": "ns=1;s=Pump"}),
    "litres": ("DOUBLE", {"method": "ns=1;s=Pump.Prime", "object": "ns=1;s=Pump", "output": 0}),
} | {f"counter{n}": ("DOUBLE", {"nodeId": f"ns=1;s=Pump.Counter{n}"}) for n in range(20)}


def _good(side: MemorySide, *names: str) -> bool:
    return all(side.quality(D, name) == "good" for name in names)


async def test_it_is_subscribed_in_the_chunks_that_it_allows(pump: Any, device: Callable[..., Device]) -> None:
    async with running("opcua", [device(pump.url, VISITORS)]) as side:
        counters = [f"counter{n}" for n in range(20)]
        await until(lambda: _good(side, *counters, "flow", "speed", "name", "fixed", "curve", "limits"))
        assert side.value(D, "flow") == "12.5"
        assert side.value(D, "curve") == "[1.0,2.5]"
        assert side.value(D, "limits") == '{"Low":1.5,"Names":["a","b"]}'
        level, broken = side.last(D, "level"), side.last(D, "broken")
        assert level is not None
        assert (level.value, level.quality, level.reason) == ("3.0", "uncertain", "UncertainLastUsableValue")
        assert broken is not None
        assert (broken.value, broken.quality, broken.reason) == (None, "bad", "BadSensorFailure")
        seen = len(side.readings(D, "counter7"))
        await until(lambda: len(side.readings(D, "counter7")) > seen + 3)
        values = [float(r.value) for r in side.readings(D, "counter7") if r.value is not None]
        assert values == sorted(set(values)), "each change once, in order"


async def test_it_is_written(pump: Any, device: Callable[..., Device]) -> None:
    async with running("opcua", [device(pump.url, VISITORS)]) as side:
        await until(lambda: _good(side, "speed", "limits"))
        wishes = {"speed": "900", "name": "P-2", "curve": "[3, 4.5, 6]", "limits": '{"Names": [], "Low": 2}'}
        side.wish(D, **wishes)
        for name, wish in wishes.items():
            await until(lambda name=name, wish=wish: side.value(D, name) == wish)  # type: ignore[misc]
        side.wish(D, limits='{"Low": 1.5, "Names": ["a","b"]}', speed="1200", curve="[1,2.5]", name="P-1")
        await until(
            lambda: side.value(D, "limits") == '{"Low": 1.5, "Names": ["a","b"]}' and side.value(D, "name") == "P-1"
        )


async def test_what_it_refuses_for_good_is_not_tried_again(
    pump: Any, device: Callable[..., Device], caplog: Any
) -> None:
    async with running("opcua", [device(pump.url, VISITORS)]) as side:
        await until(lambda: _good(side, "speed", "fixed"))
        side.wish(D, fixed="8", speed="70000", curve="[1e39]")
        await until(lambda: len([r for r in caplog.messages if "cannot be set" in r]) == 3)
    said = " ".join(caplog.messages)
    assert re.search(r"fixed cannot be set to 8: Bad(NotWritable|UserAccessDenied)", said)
    assert "70000 does not fit into the server's UInt16 (0 to 65535)" in said
    assert "trying on" not in said


async def test_its_method_is_called(pump: Any, device: Callable[..., Device]) -> None:
    async with running("opcua", [device(pump.url, VISITORS)]) as side:
        await until(lambda: side.quality(D, "prime") == "bad")
        side.wish(D, prime="[2.5]")
        await until(lambda: side.value(D, "litres") == "5.0" and side.value(D, "prime") == "[2.5]")
        side.wish(D, prime="3")
        await until(lambda: side.value(D, "litres") == "6.0" and side.value(D, "prime") == "3")


async def test_signed_and_encrypted_with_a_user(pump: Any, device: Callable[..., Device], tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.write_text("pump\n")
    safe = {"securityPolicy": "Basic256Sha256", "trustFolder": str(tmp_path / "trust"), "timeout": 5}
    user = {"userName": "operator", "passwordFile": str(secret)}
    async with running("opcua", [device(pump.url, VISITORS, **safe, **user)]) as side:
        await until(lambda: "is not trusted" in (last.reason if (last := side.last(D, "flow")) else ""))
        last = side.last(D, "flow")
        assert last is not None
        folder, digits = re.findall(r"twinhub trust (\S+) ([0-9a-f]{64})", last.reason)[0]
        trust.trust(Path(folder), digits)
        await until(lambda: _good(side, "flow", "counter3"))
        side.wish(D, speed="1100")
        await until(lambda: side.value(D, "speed") == "1100")
        seen = len(side.readings(D, "counter3"))
        await until(lambda: len(side.readings(D, "counter3")) > seen + 25)  # its channels live for two seconds
        assert side.states == [(D, "offline"), (D, "online")]


async def test_it_is_browsed(pump: Any) -> None:
    model, found = (await OpcuaMapper.discover(f"{pump.url}#1:Pump", {})).manifests
    declared = {each["name"]: each for each in model["spec"]["properties"]}
    assert declared["flow"]["type"] == "DOUBLE"
    assert (declared["flow"]["minimum"], declared["flow"]["maximum"], declared["flow"]["unit"]) == ("0", "50", "°C")
    assert declared["fixed"]["accessMode"] == "ReadOnly"
    assert (declared["limits"]["type"], declared["curve"]["type"]) == ("STRING", "STRING")
    assert {"name": "prime", "propertyNames": ["prime"]} in found["spec"]["methods"]


async def test_it_is_found_again_after_a_restart(pump: Any, device: Callable[..., Device]) -> None:
    async with running("opcua", [device(pump.url, VISITORS, keepAlive=0.5, timeout=1)]) as side:
        await until(lambda: _good(side, "counter0"))
        pump.freeze()
        await until(lambda: side.quality(D, "counter0") == "bad")
        pump.kill()
        pump.start()
        await until(lambda: _good(side, "counter0", "limits", "flow"), 120)
        assert len([r for r in side.readings(D, "counter0") if r.quality == "bad"]) >= 1
