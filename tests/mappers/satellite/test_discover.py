"""What is heard on a bus can be declared as it is printed."""

from __future__ import annotations

from typing import Any

import pytest
from spacepackets.ccsds.time import CdsShortTimestamp
from spacepackets.ecss.tm import PusTm

from device_models import ProtocolSchema, load_objects
from mappers.mapper import CannotDiscover, LinkLost
from mappers.satellite.dictionary import PARAMETERS
from mappers.satellite.mapper import SatelliteMapper
from mappers.testing.running import running

SCHEMAS = {"satellite": ProtocolSchema(SatelliteMapper.config_schema(), SatelliteMapper.visitor_schema())}


def packet(service: int, subservice: int, data: bytes) -> bytes:
    stamp = CdsShortTimestamp(17707, 0).pack()
    return bytes(PusTm(service, subservice, timestamp=stamp, source_data=data, apid=7).pack())


async def test_what_is_found_can_be_declared_and_runs(flying: Any) -> None:
    async with flying(apid=42) as server:
        found = await SatelliteMapper.discover(f"127.0.0.1:{server.port}", {"silence": "0.5"})
        declared = load_objects(found.manifests, SCHEMAS)
        assert [problem for problem in declared.problems if problem.severity == "error"] == []
        [device] = declared.devices.values()
        assert {prop.name for prop in device.properties} == set(PARAMETERS)
        assert list(found.remarks) == []
        async with running("satellite", [device]) as side:
            for name in PARAMETERS:
                await side.until(lambda name=name: side.quality(device.id, name) == "good")


async def test_what_is_not_known_is_told(saying: Any) -> None:
    async with saying(packet(3, 25, b"\0\x09abc"), packet(5, 1, b"x"), packet(3, 25, b"\0\x02" + bytes(13))) as bus:
        found = await SatelliteMapper.discover(f"{bus.host}:{bus.port}", {"silence": "0.3"})
    assert [manifest["metadata"]["name"] for manifest in found.manifests] == ["satellite-7", "satellite-7"]
    names = [prop["name"] for prop in found.manifests[0]["spec"]["properties"]]
    assert names == ["battery.temperature", "array.temperature", "heater.setPoint", "heater.on"]
    assert [remark.split(" with")[0] for remark in found.remarks] == [
        "apid 7 also sends TM[3,25], structure 9",
        "apid 7 also sends TM[5,1]",
    ]


async def test_silence_noise_and_mistakes_are_told(saying: Any) -> None:
    with pytest.raises(CannotDiscover, match="HOST:PORT"):
        await SatelliteMapper.discover("", {})
    with pytest.raises(ValueError, match="'http' in host:http is no port"):
        await SatelliteMapper.discover("host:http", {})
    with pytest.raises(ValueError, match="must be a number of seconds"):
        await SatelliteMapper.discover("host", {"silence": "long"})
    async with saying() as bus:
        with pytest.raises(LinkLost, match=r"no telemetry within 0.1 s; -o silence=SECONDS listens longer"):
            await SatelliteMapper.discover(f"{bus.host}:{bus.port}", {"silence": "0.1"})
    async with saying(b"HTTP/1.1 400 Bad Request\r\n") as bus:
        with pytest.raises(LinkLost, match="no space packet"):
            await SatelliteMapper.discover(f"{bus.host}:{bus.port}", {"silence": "20"})
    async with saying(packet(5, 1, b"x"), stays=False) as bus:
        found = await SatelliteMapper.discover(f"{bus.host}:{bus.port}", {"silence": "20"})
    assert len(found.remarks) == 1
    with pytest.raises(OSError):
        await SatelliteMapper.discover(f"{bus.host}:{bus.port}", {})
