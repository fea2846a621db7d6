"""The page about OPC-UA names every field, and its manifest is complete."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from mappers.opcua import spelling
from mappers.opcua.config import OpcuaConfig, OpcuaVisitor
from twinhub.cli import main

PAGE = (Path(__file__).parents[3] / "docs" / "protocols" / "opcua.md").read_text()


@pytest.mark.parametrize("name", [*OpcuaConfig.__struct_encode_fields__, *OpcuaVisitor.__struct_encode_fields__])
def test_every_field_is_in_a_table(name: str) -> None:
    assert any(f"`{name}`" in line.split(" | ")[0] for line in PAGE.splitlines() if line.startswith("|"))


@pytest.mark.parametrize("name", sorted(spelling.UNUSED_CONFIG | spelling.UNUSED_VISITOR))
def test_every_field_without_effect_is_named(name: str) -> None:
    assert f"`{name}`" in PAGE.lower()


def test_its_manifest_validates(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    [manifest] = re.findall(r"```yaml\n(.*?)```", PAGE, re.DOTALL)
    (tmp_path / "boiler.yaml").write_text(manifest)
    assert main(["validate", str(tmp_path)]) == 0, capsys.readouterr().out
    assert main(["plan", str(tmp_path)]) == 0
