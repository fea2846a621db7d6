"""The page about serial lines names every field, and its manifests are valid."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from device_models import Device, load
from mappers.configuration import points_of
from mappers.protocols import PROTOCOLS
from mappers.serial.config import ChecksumConfig, Delimiter, Fixed, Length, Nmea, SerialConfig, SerialVisitor
from mappers.serial.mapper import SerialMapper
from mappers.serial.nmea import FIELDS
from mappers.serial.spelling import UNUSED_CONFIG

PAGE = (Path(__file__).parents[3] / "docs" / "protocols" / "serial.md").read_text()
FORMS = (SerialConfig, SerialVisitor, ChecksumConfig, Delimiter, Fixed, Length, Nmea)


@pytest.mark.parametrize("name", sorted({name for form in FORMS for name in form.__struct_encode_fields__}))
def test_every_field_is_in_a_table(name: str) -> None:
    tables = [line for line in PAGE.splitlines() if line.startswith("|")]
    assert any(f"`{name}`" in line for line in tables)


@pytest.mark.parametrize("name", sorted(UNUSED_CONFIG))
def test_every_field_without_effect_is_named(name: str) -> None:
    assert f"`{name}`" in PAGE.lower()


@pytest.mark.parametrize("kind", FIELDS)
def test_every_sentence_is_named(kind: str) -> None:
    assert kind in PAGE


def test_the_manifests_are_valid(tmp_path: Path) -> None:
    blocks = re.findall(r"```yaml\n(.*?)```", PAGE, re.DOTALL)
    for number, block in enumerate(blocks):
        (tmp_path / f"{number}.yaml").write_text(block)
    declared = load(tmp_path, SCHEMAS)
    assert not declared.problems
    devices: list[Device] = list(declared.devices.values())
    assert len(devices) == len(blocks) == 3
    assert len(points_of(SerialMapper, devices)) == 8


SCHEMAS = {"serial": PROTOCOLS["serial"].schema}
