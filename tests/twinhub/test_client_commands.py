"""get, set and watch against a real hub, broker and PLC."""

import json
import os
import pty
import re
import subprocess
import sys

from live_plant import Plant, wait_for


def test_get_lists_the_devices(running_plant: Plant) -> None:
    wait_for(lambda: running_plant.twinhub("get").stdout.count("online") == 4, "all devices are online")
    header, *rows = running_plant.twinhub("get").stdout.splitlines()
    assert header.split() == ["DEVICE", "STATE", "LAST", "ONLINE", "DESCRIPTION"]
    boiler, node, *others = [row.split()[0] for row in rows]
    assert (boiler, *others) == ("default/boiler", "default/pump", "default/tank")
    assert node.startswith("default/node.")
    found = json.loads(running_plant.twinhub("get", "--json").stdout)
    assert {device["id"]: device["description"] for device in found}["default/tank"] == "make-up-water"


def test_get_shows_a_twin_with_units_and_quality(running_plant: Plant) -> None:
    lines = running_plant.twinhub("get", "boiler").stdout.splitlines()
    pressure = next(line.split() for line in lines if line.startswith("pressure"))
    assert pressure[2:4] == ["bar", "good"]
    assert 1.0 < float(pressure[1]) < 3.0
    twin = json.loads(running_plant.twinhub("get", "default/boiler", "--json").stdout)["twin"]
    assert twin["pressure"]["metadata"] == {"type": "float", "unit": "bar"}


def test_get_prints_one_value_alone(running_plant: Plant) -> None:
    assert running_plant.value("boiler", "hot") == "false"
    found = json.loads(running_plant.twinhub("get", "boiler", "hot", "--json").stdout)
    assert found["actual"]["value"] == "false"


def test_what_the_hub_does_not_know_is_said_so(running_plant: Plant) -> None:
    for words, advice in (
        (["get", "bolier"], "twinhub get"),
        (["get", "nodes"], "--cloud"),
        (["get", "pump", "spede"], "speed"),
        (["set", "pump", "sped-set-point", "5"], "did you mean speed-set-point?"),
    ):
        done = running_plant.twinhub(*words)
        assert done.returncode == 1
        assert advice in done.stderr
        assert len(done.stderr.splitlines()) == 1


def test_set_waits_until_the_device_reports_it(running_plant: Plant) -> None:
    done = running_plant.twinhub("set", "pump", "speed-set-point", "1400", "--wait", "--json")
    assert json.loads(done.stdout)["met"] is True, done.stderr
    assert running_plant.value("pump", "speed-set-point") == "1400"
    wait_for(lambda: abs(int(running_plant.value("pump", "speed")) - 1400) < 50, "the pump follows its set-point")


def test_set_is_refused_outside_the_limits(running_plant: Plant) -> None:
    done = running_plant.twinhub("set", "pump", "speed-set-point", "9000")
    assert done.returncode == 1
    assert "maximum of 2900 rpm" in done.stderr


def test_set_on_a_property_that_cannot_be_written_is_refused(running_plant: Plant) -> None:
    done = running_plant.twinhub("set", "pump", "speed", "900")
    assert done.returncode == 1
    assert "refused" in done.stderr


def test_watch_prints_changes_as_json_lines(running_plant: Plant) -> None:
    done = running_plant.twinhub("watch", "boiler", "--json", "--seconds", "2")
    assert done.returncode == 0
    seen = [json.loads(line) for line in done.stdout.splitlines()]
    assert {change["device"] for change in seen} == {"default/boiler"}
    assert sum(change["property"] == "flow-temperature" for change in seen) > 1


def test_watch_draws_a_table_in_place_on_a_terminal(running_plant: Plant) -> None:
    ours, theirs = pty.openpty()
    command = [sys.executable, "-m", "twinhub", "watch", "--seconds", "1", "--broker", running_plant.url]
    with subprocess.Popen(command, stdout=theirs, env={**os.environ, "COLUMNS": "120", "LINES": "40"}):
        os.close(theirs)
        drawn = _read_all(ours)
    frames = drawn.split("\x1b[J")[:-1]
    assert len(frames) > 1
    assert "default/tank" in frames[-1]
    assert re.match("\x1b\\[[0-9]+A\rDEVICE", frames[-1])


def _read_all(descriptor: int) -> str:
    parts = []
    try:
        while part := os.read(descriptor, 65536):
            parts.append(part)
    except OSError:  # the other end of a terminal is gone
        pass
    os.close(descriptor)
    return b"".join(parts).decode()


def test_a_hub_that_runs_here_is_found_without_its_address(running_plant: Plant) -> None:
    here = running_plant.folder / ".twinhub"
    here.symlink_to(running_plant.state)
    command = [sys.executable, "-m", "twinhub", "get", "boiler", "hot"]
    env = {name: value for name, value in os.environ.items() if name != "TWINHUB_BROKER"}
    done = subprocess.run(command, cwd=running_plant.folder, env=env, capture_output=True, text=True, check=False)
    here.unlink()
    assert done.stdout == "false\n", done.stderr
