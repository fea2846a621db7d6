"""The page about Bluetooth is true: it names every field and every known characteristic, and its example runs."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

import pytest

from device_models import load
from mappers.ble import spelling
from mappers.ble.assigned import ASSIGNED
from mappers.ble.config import BleConfig, BleVisitor
from mappers.ble.converter import DataConverter
from mappers.ble.simulator import Simulation
from mappers.ble.uuids import short_uuid
from mappers.protocols import PROTOCOLS
from mappers.testing.running import running

PAGE = (Path(__file__).parents[3] / "docs" / "protocols" / "ble.md").read_text()
FORMS = (BleConfig, BleVisitor, DataConverter)


@pytest.mark.parametrize("name", sorted({name for form in FORMS for name in form.__struct_encode_fields__}))
def test_every_field_is_in_a_table(name: str) -> None:
    tables = [line for line in PAGE.splitlines() if line.startswith("|")]
    assert any(f"`{name}`" in line for line in tables)


@pytest.mark.parametrize("name", sorted(spelling.UNUSED_CONFIG))
def test_every_field_without_effect_is_named(name: str) -> None:
    assert f"`{name}`" in PAGE.lower()


@pytest.mark.parametrize("uuid", sorted(ASSIGNED))
def test_every_known_characteristic_is_in_the_table(uuid: str) -> None:
    known = ASSIGNED[uuid]
    written = "yes" if known.encode else "no"
    assert f"| `{short_uuid(uuid)}` | {known.name} | {known.type} | {known.unit} | {written} |" in PAGE


async def test_the_example_reads_and_steers_the_simulator(tmp_path: Path) -> None:
    [example] = re.findall(r"```yaml\n(.*?)```", PAGE, re.DOTALL)
    (tmp_path / "kitchen.yaml").write_text(example)
    declared = load(tmp_path / "kitchen.yaml", {"ble": PROTOCOLS["ble"].schema})
    assert not declared.problems
    [device] = declared.devices.values()
    async with Simulation(1) as air:
        device = replace(device, config=dict(device.config) | {"adapter": air.adapter})
        async with running("ble", [device]) as side:
            await side.until(lambda: side.value(device.id, "temperature") == "20.0")
            await side.until(lambda: side.value(device.id, "battery") == "100")
            await side.until(lambda: side.value(device.id, "strength") == "-50")
            side.wish(device.id, mode="night")
            await side.until(lambda: side.value(device.id, "mode") == "night")
            await side.until(lambda: side.value(device.id, "set-point") == "16")
            assert air.sensors[0].setpoint == 16
