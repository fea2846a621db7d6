"""The node's status and its twin."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from edged import node_twin
from edged.node_status import Around, Gauges, NodeStatus, look, meminfo, status_of
from edged.runtime import Info
from twin.rules import Rules

WELL = Gauges(
    cores=4,
    memory=8 * 2**30,
    memory_available=2**30,
    disk=100 * 2**30,
    disk_available=50 * 2**30,
    inodes=1000,
    inodes_free=500,
    pids=300,
    pids_limit=32768,
)
ENGINE = Info("podman", "4.3.1", isolates=True, lacks=())


def status(gauges: Gauges = WELL, info: Info | None = ENGINE, absence: str = "") -> NodeStatus:
    return status_of(gauges, "edge-7", "10.0.0.7", Around(info, absence, link=True))


def word(status: NodeStatus, condition: str) -> str:
    return next(one.status for one in status.conditions if one.type == condition)


def test_meminfo_is_read() -> None:
    text = "MemTotal:       16384 kB\nMemAvailable:    1024 kB\nHugePages_Total:       0\nodd\nBad: x kB\n"
    assert meminfo(text) == {"MemTotal": 16384 * 1024, "MemAvailable": 1024 * 1024}


def test_this_machine_has_something(tmp_path: Path) -> None:
    found = look(tmp_path, "edge-7", Around(ENGINE))
    assert int(found.capacity["cpu"]) > 0
    assert int(found.capacity["memory"].removesuffix("Ki")) > 1000
    assert int(found.capacity["ephemeral-storage"].removesuffix("Ki")) > 1000
    assert found.ready
    assert found.node_info["containerRuntimeVersion"] == "podman://4.3.1"


def test_a_node_that_is_well() -> None:
    found = status()
    assert found.ready
    assert found.capacity["memory"] == "8388608Ki"
    assert [one.status for one in found.conditions] == ["True", "False", "False", "False", "True"]


@pytest.mark.parametrize(
    ("gauges", "pressed"),
    [
        (WELL._replace(memory_available=2**20), "MemoryPressure"),
        (WELL._replace(disk_available=2**30), "DiskPressure"),
        (WELL._replace(inodes_free=10), "DiskPressure"),
        (WELL._replace(pids=32000), "PIDPressure"),
    ],
)
def test_pressure(gauges: Gauges, pressed: str) -> None:
    found = status(gauges)
    assert [one.type for one in found.conditions[1:-1] if one.status == "True"] == [pressed]
    assert node_twin.readings(found)[f"{pressed.removesuffix('Pressure').lower()}-pressure"] == "true"


def test_a_file_system_without_inodes_is_no_pressure() -> None:
    assert word(status(WELL._replace(inodes=0, inodes_free=0)), "DiskPressure") == "False"


def test_an_engine_that_is_away_or_not_there_yet() -> None:
    away = status(absence="podman is not installed")
    assert not away.ready
    assert node_twin.state(away) == "unhealthy"
    assert node_twin.readings(away)["runtime"] == "podman is not installed"
    assert not status(info=None).ready


def test_what_the_engine_lacks_is_said() -> None:
    found = status(info=Info("process", "1", isolates=False, lacks=("networks of their own",)))
    assert "it lacks: networks of their own" in node_twin.readings(found)["runtime"]


def test_the_twin_declares_what_it_says() -> None:
    for strict in (False, True):
        device = node_twin.device_of("edge-7", strict=strict)
        values = node_twin.readings(status(), strict=strict)
        assert values.keys() == {one.name for one in device.properties}
        assert [name for name, text in values.items() if Rules(strict=strict).value_fault(text)] == []
        assert not any(one.writable for one in device.properties)
    assert device.id == node_twin.twin_id("Edge-7") == "default/node.edge-7"
    assert json.loads(node_twin.readings(status())["capacity"])["cpu"] == "4"


@pytest.mark.parametrize(("link", "said"), [(None, "Unknown"), (True, "True"), (False, "False")])
def test_the_link_to_the_cloud(link: bool | None, said: str) -> None:
    found = status_of(WELL, "edge-7", "", Around(ENGINE, link=link))
    assert word(found, "CloudLink") == said
    assert node_twin.readings(found, strict=True)["link"] == said
    assert node_twin.state(found) == "online", "a node does without its cloud"


def test_a_node_without_pods_is_well_and_does_not_claim_an_engine() -> None:
    found = status_of(WELL, "edge-7", "", Around(idle=True))
    assert (word(found, "Ready"), found.ready) == ("Unknown", False)
    assert node_twin.state(found) == "online"
    versions = json.loads(node_twin.readings(found)["versions"])
    assert versions.keys() >= {"twinhubVersion", "pythonVersion", "kernelVersion", "operatingSystem"}
    assert "containerRuntimeVersion" not in versions
