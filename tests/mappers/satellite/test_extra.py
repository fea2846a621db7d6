"""Without the extra, manifests are still checked, and whoever needs it is told what to install."""

from __future__ import annotations

import subprocess
import sys
from typing import Any

import pytest

from device_models import DataType, Property
from mappers.satellite.elements import CBERS_2
from mappers.testing.running import running

D = "default/sat"
WITHOUT = "import sys; sys.modules.update(dict.fromkeys({packages!r})); "


def run(code: str, *packages: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-c", WITHOUT.format(packages=packages) + code]
    return subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)


def test_checking_a_manifest_loads_no_library() -> None:
    code = "import mappers.satellite.mapper; assert not {'sgp4', 'spacepackets'} & set(sys.modules), sys.modules"
    done = run(code)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("package", ["sgp4", "spacepackets"])
def test_the_simulator_says_what_it_needs(package: str) -> None:
    done = run("from mappers.satellite.simulator import main; sys.exit(main(['--port', '0']))", package)
    assert done.returncode == 1
    assert "Traceback" not in done.stderr
    assert package in done.stderr
    assert "pip install 'twinhub[satellite]'" in done.stderr


async def test_telemetry_comes_and_the_rest_says_what_it_needs(
    flying: Any, declare: Any, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    above = Property("elevation", DataType.FLOAT, visitor={"contact": {"station": "x", "value": "elevation"}})
    async with flying() as server:
        monkeypatch.setitem(sys.modules, "sgp4.api", None)
        monkeypatch.setitem(sys.modules, "spacepackets.ecss.tc", None)
        stations = [{"name": "x", "latitude": 1, "longitude": 2}]
        device = declare(server, "wheel.target", more=(above,), elements=list(CBERS_2), stations=stations)
        async with running("satellite", [device]) as side:
            await side.until(lambda: side.value(D, "wheel.target") == "1200")
            await side.until(lambda: side.quality(D, "elevation") == "bad")
            assert (
                side.last(D, "elevation").reason == "orbits need the package sgp4: pip install 'twinhub[satellite]'"
            )
            side.wish(D, **{"wheel.target": "5"})
            await side.until(lambda: "telecommands need the package spacepackets: pip install" in caplog.text)
            assert [state for _, state in side.states] == ["online"]
