"""Mappers of installed packages: found by their entry point, imported when used, and harmless when broken."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from mappers.protocols import BrokenMapper, Protocol

PLAIN = """
from msgspec import Struct
from mappers.mapper import Mapper
class Form(Struct, frozen=True):
    pass
class PlainMapper(Mapper[Form, Form]):
    Config = Visitor = Form
    async def connect(self): pass
    async def close(self): pass
"""
PUMP = """
apiVersion: devices.kubeedge.io/v1beta1
kind: DeviceModel
metadata: {name: pump}
spec: {properties: [{name: speed, type: INT, accessMode: ReadOnly}]}
---
apiVersion: devices.kubeedge.io/v1beta1
kind: Device
metadata: {name: %s}
spec:
  deviceModelRef: {name: pump}
  protocol: {protocolName: %s}
"""


def install(folder: Path, name: str, code: str) -> None:
    """What installing a package does, as far as it matters here."""
    package = folder / f"twinhub_{name}"
    package.mkdir()
    (package / "__init__.py").touch()
    (package / "mapper.py").write_text(code)
    about = folder / f"twinhub_{name}-1.dist-info"
    about.mkdir()
    (about / "METADATA").write_text(f"Metadata-Version: 2.1\nName: twinhub-{name}\nVersion: 1\n")
    (about / "entry_points.txt").write_text(
        f"[twinhub.mappers]\n{name} = twinhub_{name}.mapper:{name.capitalize()}Mapper\n"
    )


def in_python(folder: Path, program: str) -> str:
    """What a program prints in an interpreter that sees the packages in `folder`."""
    command = [sys.executable, "-c", f"import sys; sys.path.insert(0, {str(folder)!r})\n{program}"]
    return subprocess.run(command, capture_output=True, text=True, check=True, timeout=60).stdout


def test_a_broken_package_harms_only_the_devices_that_name_it(tmp_path: Path) -> None:
    install(tmp_path, "plain", PLAIN)
    install(tmp_path, "broken", "import a_library_that_is_not_there")
    manifests = tmp_path / "plant"
    manifests.mkdir()
    (manifests / "pump.yaml").write_text(PUMP % ("good", "plain"))
    program = (
        "from pathlib import Path; from twinhub.manifests import read_manifests\n"
        f"found = read_manifests(Path({str(manifests)!r}))\n"
        "print([d.id for d in found.devices], *found.problems)\n"
        "print('twinhub_broken.mapper' in sys.modules, 'mappers.modbus.mapper' in sys.modules)\n"
    )
    assert in_python(tmp_path, program) == "['default/good']\nFalse False\n"
    (manifests / "other.yaml").write_text((PUMP % ("bad", "broken")).split("---")[1])
    told = in_python(tmp_path, program)
    assert told.startswith("['default/good'] ")
    assert "other.yaml:7: spec.protocol.protocolName: the mapper for broken cannot be loaded: " in told
    assert "No module named 'a_library_that_is_not_there'" in told


def test_a_hub_leaves_the_devices_of_a_broken_mapper_alone(tmp_path: Path) -> None:
    install(tmp_path, "broken", "1 / 0")
    program = (
        "import asyncio, logging; from device_models import Device; from twinhub.mapper_host import MapperHost\n"
        "logging.basicConfig(stream=sys.stdout)\n"
        "async def main():\n"
        "    async with MapperHost(lambda name: None) as host:\n"
        "        await host.apply([Device('default', 'bad', 'm', 'broken')])\n"
        "asyncio.run(main())\n"
    )
    told = in_python(tmp_path, program)
    assert "the mapper for broken cannot be loaded: twinhub_broken.mapper: ZeroDivisionError" in told
    assert "its devices are left alone" in told


@pytest.mark.parametrize(
    ("path", "why"),
    [
        ("not_there.mapper:It", "No module named 'not_there'"),
        ("mappers.modbus.mapper:Missing", "is no Mapper"),
        ("mappers.modbus.mapper:replace", "is no Mapper"),
    ],
)
def test_what_cannot_be_loaded_says_why(path: str, why: str) -> None:
    with pytest.raises(BrokenMapper, match=why) as raised:
        Protocol("x", path).mapper  # noqa: B018 - imports it
    assert "the mapper for x cannot be loaded" in str(raised.value)


def test_forms_that_make_no_schema_are_told(monkeypatch: pytest.MonkeyPatch) -> None:
    protocol = Protocol("x", "")
    monkeypatch.setitem(protocol.__dict__, "mapper", type("Formless", (), {"config_schema": lambda: 1 / "a"}))
    with pytest.raises(BrokenMapper, match="its forms of configuration"):
        protocol.schema  # noqa: B018


def test_parts_are_known_without_importing_them() -> None:
    assert Protocol("modbus", "mappers.modbus.mapper:ModbusMapper").has("plan")
    assert not Protocol("modbus", "mappers.modbus.mapper:ModbusMapper").has("nothing")
    assert not Protocol("x", "not_there.mapper:It").has("simulator")
