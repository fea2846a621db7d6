"""The page about the satellite is true: what it declares runs, and it names every field and parameter."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import yaml

from device_models import ProtocolSchema, load_objects
from mappers.satellite.config import CommandForm, ContactForm, SatelliteConfig, SatelliteVisitor, StationForm
from mappers.satellite.dictionary import FAILURES, PARAMETERS
from mappers.satellite.mapper import SatelliteMapper
from mappers.satellite.simulator.faults import KNOWN
from mappers.testing.running import running

PAGE = (Path(__file__).parents[3] / "docs" / "protocols" / "satellite.md").read_text()
SCHEMAS = {"satellite": ProtocolSchema(SatelliteMapper.config_schema(), SatelliteMapper.visitor_schema())}
FIELDS = {
    name
    for form in (SatelliteConfig, SatelliteVisitor, StationForm, CommandForm, ContactForm)
    for name in form.__struct_encode_fields__
}


async def test_the_manifests_of_the_page_run(flying: Any) -> None:
    [text] = re.findall(r"```yaml\n(.*?)```", PAGE, re.DOTALL)
    declared = load_objects(list(yaml.safe_load_all(text)), SCHEMAS)
    assert list(declared.problems) == []
    [device] = declared.devices.values()
    async with flying() as server:
        device = replace(device, config={**device.config, "port": server.port})
        async with running("satellite", [device]) as side:
            for prop in device.properties:
                await side.until(lambda name=prop.name: side.quality(device.id, name) == "good")
            side.wish(device.id, **{"wheel-target": "100", "imaging": "false"})
            await side.until(lambda: side.value(device.id, "wheel-target") == "100")
            await side.until(lambda: side.value(device.id, "imaging") == "false")


@pytest.mark.parametrize("name", sorted(FIELDS - {"station", "value"}))
def test_every_field_is_named(name: str) -> None:
    assert f"`{name}`" in PAGE


@pytest.mark.parametrize("name", PARAMETERS)
def test_every_parameter_stands_where_it_lies(name: str) -> None:
    parameter = PARAMETERS[name]
    assert f"| `{name}` | {parameter.structure}, {parameter.offset}, {parameter.format} | {parameter.unit} |" in PAGE
    command = parameter.command
    if command is not None:
        assert f"TC[{command.service},{command.subservice}] {command.prefix.hex()} + {parameter.format}" in PAGE


@pytest.mark.parametrize("name", KNOWN)
def test_every_fault_is_named(name: str) -> None:
    assert f"`{name}`" in PAGE


@pytest.mark.parametrize("code", FAILURES)
def test_every_code_of_failure_is_named(code: int) -> None:
    assert f"{code:d} {FAILURES[code]}" in " ".join(PAGE.split())
