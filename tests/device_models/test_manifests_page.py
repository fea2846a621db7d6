"""The page about manifests is true: its examples load, and its tables miss nothing."""

from __future__ import annotations

import re
from pathlib import Path

from device_models import Conversion, Deadband, ProtocolSchema, folder, load, schemas, template, yaml_text

PAGE = (Path(__file__).parents[2] / "docs/manifests.md").read_text(encoding="utf-8")


def blocks(language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", PAGE, re.DOTALL)


def test_its_examples_load(tmp_path: Path, protocols: dict[str, ProtocolSchema]) -> None:
    for number, block in enumerate(blocks("yaml")):
        (tmp_path / f"{number}.yaml").write_text(block, encoding="utf-8")
    (tmp_path / "boilers.csv").write_text(blocks("csv")[0], encoding="utf-8")
    declared = load(tmp_path, protocols)
    assert declared.problems == ()
    assert set(declared.devices) == {
        "default/boiler-1",
        "default/door-1",
        *(f"default/hall-boiler-{nr}" for nr in (1, 2, 100)),
    }
    temperature, setpoint = declared.devices["default/boiler-1"].properties
    assert (temperature.conversion, temperature.deadband) == (Conversion(scale=0.1), Deadband(absolute=0.5))
    assert (temperature.collect_cycle, setpoint.desired) == (0.5, "60")
    assert declared.devices["default/hall-boiler-100"].config == {"port": 502, "ip": "10.0.4.100", "slaveID": 17}


def test_its_message_is_the_one_that_is_given(tmp_path: Path, protocols: dict[str, ProtocolSchema]) -> None:
    (tmp_path / "a.yaml").write_text(blocks("yaml")[0].replace("type: FLOAT", "type: integer"), encoding="utf-8")
    told = str(load(tmp_path, protocols).problems[0])
    assert told.split(": ", 1)[1] in PAGE


def test_its_table_has_every_key_of_the_extension() -> None:
    for key in schemas.read("twinhub")["properties"]:
        assert f"| `{key}` |" in PAGE


def test_its_table_has_every_field_of_kubeedge() -> None:
    spec = schemas.read("Device")["properties"]["spec"]["properties"]
    of_property = spec["properties"]["items"]["properties"]
    for name in (*spec, *of_property, *of_property["pushMethod"]["properties"]):
        assert name in PAGE


def test_its_limits_are_those_of_the_code() -> None:
    plain = PAGE.replace(" ", "")
    for limit in (
        yaml_text.MAX_VALUES,
        folder.MAX_FILES,
        template.MAX_INSTANCES,
        template.MAX_CELL,
        template.MAX_PATTERN,
    ):
        assert str(limit) in plain
    for size in (yaml_text.MAX_BYTES, folder.MAX_TEXT, template.MAX_SIZE):
        assert f"{size // 2**20}MiB" in plain
    assert f"{yaml_text.MAX_DEPTH} levels" in PAGE
