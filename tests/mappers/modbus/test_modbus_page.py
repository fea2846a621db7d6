"""The page about Modbus is true: it names every field, and its example is valid and is what the simulator is."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

import pytest

from device_models import load
from mappers.mapper import CannotDiscover
from mappers.modbus import spelling
from mappers.modbus.config import ModbusConfig, ModbusVisitor
from mappers.modbus.mapper import ModbusMapper
from mappers.modbus.simulator import Slave
from mappers.protocols import PROTOCOLS
from mappers.testing.running import running

PAGE = (Path(__file__).parents[3] / "docs" / "protocols" / "modbus.md").read_text()


@pytest.mark.parametrize(
    "name",
    [*ModbusConfig.__struct_encode_fields__, *ModbusVisitor.__struct_encode_fields__],
)
def test_every_field_is_in_a_table(name: str) -> None:
    tables = [line for line in PAGE.splitlines() if line.startswith("|")]
    assert any(f"`{name}`" in line for line in tables)


@pytest.mark.parametrize("name", sorted(spelling.UNUSED_CONFIG | spelling.UNUSED_VISITOR))
def test_every_field_without_effect_is_named(name: str) -> None:
    assert f"`{name}`" in PAGE.lower()


async def test_the_example_reads_and_steers_the_simulator(tmp_path: Path) -> None:
    [example] = re.findall(r"```yaml\n(.*?)```", PAGE, re.DOTALL)
    (tmp_path / "room.yaml").write_text(example)
    declared = load(tmp_path / "room.yaml", {"modbus": PROTOCOLS["modbus"].schema})
    assert not declared.problems
    [device] = declared.devices.values()
    slave = Slave()
    await slave.start()
    try:
        async with running("modbus", [replace(device, config=dict(device.config) | {"port": slave.port})]) as side:
            await side.until(lambda: side.value(device.id, "temperature") == "15.0")
            side.wish(device.id, **{"set-point": "25", "heater": "false"})
            await side.until(lambda: side.value(device.id, "set-point") == "25")
            await side.until(lambda: side.value(device.id, "heater") == "false")
            await slave.look()
            assert (slave.set_point, slave.heater) == (25, False)
    finally:
        await slave.stop()


async def test_it_says_why_it_cannot_discover_and_what_to_do() -> None:
    with pytest.raises(CannotDiscover, match="twinhub try"):
        await ModbusMapper.discover("plc", {})
