"""Every protocol, as a user meets it: validate, plan, try, discover and a running hub, on the devices of its rig."""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any, NamedTuple

import pytest
import yaml
from live_plant import free_port

from device_models import Device, Property
from mappers.protocols import PROTOCOLS, BrokenMapper
from mappers.testing.rig import NUMBER, SETTING, Rig, Stand

API = "devices.kubeedge.io/v1beta1"
LIBRARIES = ("asyncua", "bleak", "bumble", "dbus_fast", "pymodbus", "serial", "sgp4", "spacepackets")
PATIENCE = 30.0


class Done(NamedTuple):
    code: int
    out: str
    err: str


def _rigs() -> dict[str, Rig]:
    """By protocol; a second name of a protocol has the same rig, and a stand-in for recorded devices none."""
    found: dict[str, Rig] = {}
    for protocol in PROTOCOLS.values():
        with suppress(BrokenMapper):
            rig: Rig = protocol.part("rig").RIG
            found[rig.protocol] = rig
    return found


RIGS = _rigs()


def test_all_built_in_protocols_have_a_rig() -> None:
    assert {"modbus", "opcua", "ble", "serial", "satellite"} <= RIGS.keys()


@pytest.fixture(params=sorted(RIGS))
def rig(request: pytest.FixtureRequest) -> Rig:
    return RIGS[request.param]


@asynccontextmanager
async def declared(rig: Rig, folder: Path) -> AsyncIterator[Stand]:
    """One device of the protocol, and its manifests in the folder."""
    async with rig.stands(1) as [stand]:
        await stand.show(21)
        folder.joinpath("device.yaml").write_text(yaml.safe_dump_all(manifests(stand.device)))
        yield stand


def manifests(device: Device) -> list[dict[str, Any]]:
    """The device and its model as a user would have written them."""
    properties = [{"name": p.name, "type": str(p.type), "accessMode": str(p.access)} for p in device.properties]
    spec = {
        "deviceModelRef": {"name": device.model},
        "protocol": {"protocolName": device.protocol, "configData": dict(device.config)},
        "properties": [_entry(prop) for prop in device.properties],
    }
    return [
        {
            "apiVersion": API,
            "kind": "DeviceModel",
            "metadata": {"name": device.model},
            "spec": {"properties": properties},
        },
        {"apiVersion": API, "kind": "Device", "metadata": {"name": device.name}, "spec": spec},
    ]


def _entry(prop: Property) -> dict[str, Any]:
    visitor = json.loads(json.dumps(dict(prop.visitor)))
    return {"name": prop.name, "collectCycle": round(prop.collect_cycle * 1000), "visitors": {"configData": visitor}}


async def twinhub(*words: str | Path) -> Done:
    """Run the command line while this process goes on serving the simulated device."""
    command = (sys.executable, "-m", "twinhub", *map(str, words))
    pipe = asyncio.subprocess.PIPE
    process = await asyncio.create_subprocess_exec(*command, stdout=pipe, stderr=pipe)
    async with asyncio.timeout(PATIENCE * 2):
        out, err = await process.communicate()
    return Done(process.returncode or 0, out.decode(), err.decode())


async def test_a_device_is_looked_at_before_a_hub_runs(rig: Rig, tmp_path: Path) -> None:
    async with declared(rig, tmp_path) as stand:
        device = stand.device
        done = await twinhub("validate", tmp_path)
        assert done.code == 0, done
        done = await twinhub("plan", tmp_path, "--json")
        planned = {name for row in json.loads(done.out) for name in row["properties"]}
        assert planned == {prop.name for prop in device.properties}
        done = await twinhub("try", device.id, "--dir", tmp_path, "--json")
        assert done.out, done
        rows = {row["property"]: row for row in json.loads(done.out)}
        assert float(rows[NUMBER]["value"]) == 21, done


async def test_a_hub_shows_the_device_and_steers_it(rig: Rig, tmp_path: Path) -> None:
    port = free_port()
    plant = tmp_path / "plant"
    plant.mkdir()
    (plant / "twinhub.yaml").write_text(f"broker: {{port: {port}}}\n")
    url = f"mqtt://127.0.0.1:{port}"
    async with declared(rig, plant) as stand, hub(plant, tmp_path / "hub.log"):
        device = stand.device
        await until_shown(url, device, NUMBER, 21)
        if device.property(SETTING) is not None:
            done = await twinhub("set", device.id, SETTING, "37", "--wait", "--broker", url)
            assert done.code == 0, done
            assert await stand.setting() == 37


@asynccontextmanager
async def hub(folder: Path, log: Path) -> AsyncIterator[None]:
    with log.open("wb") as out:
        command = (sys.executable, "-m", "twinhub", "run", str(folder))
        process = await asyncio.create_subprocess_exec(*command, stdout=out, stderr=out)
        try:
            yield
        except BaseException as error:
            error.add_note(log.read_text())
            raise
        finally:
            if process.returncode is None:
                process.terminate()
            await process.wait()


async def until_shown(url: str, device: Device, name: str, value: float) -> None:
    async with asyncio.timeout(PATIENCE):
        while True:
            done = await twinhub("get", device.id, name, "--broker", url)
            if done.code == 0 and done.out.strip() and float(done.out) == value:
                return


async def test_looking_at_manifests_imports_no_library(rig: Rig, tmp_path: Path) -> None:
    async with declared(rig, tmp_path):
        code = (
            "import sys; from twinhub.cli import main; "
            f"assert main(['validate', {str(tmp_path)!r}]) == 0; assert main(['plan', {str(tmp_path)!r}]) == 0; "
            f"print(sorted(set({LIBRARIES!r}) & sys.modules.keys()), file=sys.stderr)"
        )
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-c", code, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE
        )
        _, err = await process.communicate()
        assert err.decode().strip() == "[]"


@pytest.mark.parametrize("protocol", sorted(RIGS))
async def test_discovery_says_what_there_is_or_why_not(protocol: str, tmp_path: Path) -> None:
    done = await twinhub("discover", protocol, "127.0.0.1:9")
    assert (done.code, done.out) == (1, "")
    assert done.err.startswith("twinhub: ")
    assert "unexpected" not in done.err
