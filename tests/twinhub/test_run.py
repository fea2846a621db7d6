"""`twinhub run`: starts, edits while it runs, what it refuses, how it ends."""

import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

from live_plant import Plant, twinhub, wait_for


def children(pid: int) -> list[int]:
    tasks = Path(f"/proc/{pid}/task").glob("*/children")
    return [int(child) for task in tasks for child in task.read_text().split()]


def alive(pid: int) -> bool:
    return Path(f"/proc/{pid}").exists()


def test_it_ends_at_once_when_asked_and_leaves_nothing_behind(plant: Plant) -> None:
    for number in (signal.SIGTERM, signal.SIGINT):
        with plant.plc(), plant.hub() as hub:
            started = children(hub.pid)
            assert started
            asked = time.monotonic()
            hub.send_signal(number)
            assert hub.wait(5) == 0
            assert time.monotonic() - asked < 2
            wait_for(lambda pids=started: not any(map(alive, pids)), "its broker ends")
    assert "Traceback" not in plant.log.read_text()


def test_a_good_edit_takes_effect(plant: Plant) -> None:
    with plant.plc(), plant.hub():
        wait_for(lambda: plant.value("pump", "speed"), "the first reading")
        plant.edit("pump.yaml", "    - name: power\n      collectCycle: 1000\n", "")
        plant.edit("pump.yaml", 'maximum: "2900"', 'maximum: "1500"')
        wait_for(lambda: "the edit is applied" in plant.log.read_text(), "the edit is applied")
        refused = plant.twinhub("set", "pump", "speed-set-point", "1600")
        assert "maximum of 1500 rpm" in refused.stderr
        (plant.folder / "tank.yaml").unlink()
        wait_for(lambda: "default/tank" not in plant.twinhub("get").stdout, "the tank leaves")
        assert plant.value("pump", "speed")


def test_an_edit_restarts_only_the_connection_it_concerns(plant: Plant) -> None:
    plant.edit("tank.yaml", "ip: 127.0.0.1", "ip: localhost")  # a connection of its own
    with plant.plc(), plant.hub():
        wait_for(lambda: plant.value("pump", "speed") and plant.value("tank", "level"), "the first readings")
        plant.edit("tank.yaml", "collectCycle: 1000", "collectCycle: 900")
        wait_for(lambda: "the edit is applied" in plant.log.read_text(), "the edit is applied")
        assert "links: 1 started, 1 stopped, 1 untouched" in plant.log.read_text()


def test_an_identical_edit_changes_nothing(plant: Plant) -> None:
    with plant.plc(), plant.hub():
        wait_for(lambda: plant.value("pump", "speed"), "the first reading")
        (plant.folder / "pump.yaml").touch()
        plant.edit("boiler.yaml", "# The boiler controller", "# Our boiler controller")
        plant.edit("tank.yaml", "offset: 5", "offfset: 5")  # refused, and by then the earlier edits were looked at
        wait_for(lambda: "the edit is refused" in plant.log.read_text(), "the bad edit is refused")
        assert "the edit is applied" not in plant.log.read_text()


def test_a_bad_edit_is_refused_and_the_old_state_goes_on(plant: Plant) -> None:
    with plant.plc(), plant.hub():
        wait_for(lambda: plant.value("tank", "level"), "the first reading")
        before = plant.value("tank", "level")
        plant.edit("tank.yaml", "type: uint16", "type: uint17")
        wait_for(lambda: "the edit is refused" in plant.log.read_text(), "the edit is refused")
        assert "uint17" in plant.log.read_text()
        wait_for(lambda: plant.value("tank", "level") != before, "the tank is read on")
        plant.edit("tank.yaml", "type: uint17", "type: uint16")
        plant.edit("tank.yaml", "collectCycle: 1000", "collectCycle: 500")
        wait_for(lambda: "the edit is applied" in plant.log.read_text(), "the mended manifest is applied")


def test_a_wish_of_the_manifest_never_comes_back_over_a_later_one(plant: Plant) -> None:
    with plant.plc():
        with plant.hub():
            wait_for(lambda: plant.value("pump", "speed-set-point") == "1250", "the manifest's wish is met")
            assert plant.twinhub("set", "pump", "speed-set-point", "1400", "--wait").returncode == 0
        with plant.hub():
            wait_for(lambda: plant.value("pump", "speed-set-point"), "the hub is back")
            plant.edit("pump.yaml", "description: circulation-pump", "description: circulation-pump-2")
            wait_for(lambda: "circulation-pump-2" in plant.twinhub("get").stdout, "the edit is applied")
            assert plant.value("pump", "speed-set-point") == "1400"
            plant.edit("pump.yaml", 'value: "1250"', 'value: "1300"')
            wait_for(lambda: plant.value("pump", "speed-set-point") == "1300", "the edited wish is met")


def test_a_broken_folder_is_told_whole_and_does_not_start(plant: Plant) -> None:
    plant.edit("pump.yaml", "kind: Device\n", "kind: Devise\n")
    plant.edit("tank.yaml", 'minimum: "20"', 'minimum: "200"')
    for done in (twinhub("run", plant.folder), twinhub("validate", plant.folder)):
        assert done.returncode == 1
        told = done.stdout + done.stderr
        assert "pump.yaml:" in told
        assert "tank.yaml:" in told
        assert "Traceback" not in told


def test_a_broken_folder_goes_on_with_what_was_declared_last(plant: Plant) -> None:
    with plant.plc():
        with plant.hub():
            wait_for(lambda: plant.value("tank", "level"), "the first reading")
        plant.edit("tank.yaml", "offset: 5", "offset: five")
        with plant.hub():
            assert "ERROR" in plant.log.read_text()
            assert "default/tank" in plant.twinhub("get").stdout


def test_a_second_hub_on_the_same_memory_is_refused(plant: Plant) -> None:
    with plant.plc(), plant.hub():
        done = twinhub("run", plant.folder, "--state-dir", plant.state)
        assert done.returncode == 1
        assert "another hub runs on" in done.stderr


def test_a_port_in_use_is_said_so_with_a_way_out(plant: Plant) -> None:
    with socket.create_server(("127.0.0.1", plant.broker_port)):
        done = twinhub("run", plant.folder, "--state-dir", plant.state)
    assert done.returncode == 1
    assert str(plant.broker_port) in done.stderr
    assert "--broker" in done.stderr


def test_a_folder_that_is_none_is_said_so(tmp_path: Path) -> None:
    for words in (["run", tmp_path / "nowhere"], ["mapper", "run", "modbus", tmp_path / "nowhere"]):
        done = twinhub(*words)
        assert done.returncode == 1
        assert "is not a folder" in done.stderr


def test_a_mapper_of_its_own_serves_a_hub_without_mappers(plant: Plant) -> None:
    with (plant.folder / "twinhub.yaml").open("a") as settings:
        settings.write("mappers: false\n")
    with plant.plc(), plant.hub():
        assert plant.value("pump", "speed") == ""
        command = [sys.executable, "-m", "twinhub", "mapper", "run", "modbus", plant.folder]
        with subprocess.Popen(command, stderr=subprocess.DEVNULL) as mapper:
            wait_for(lambda: plant.value("pump", "speed"), "the mapper reports")
            assert plant.twinhub("set", "pump", "speed-set-point", "1350", "--wait").returncode == 0
            mapper.terminate()
            assert mapper.wait(5) == 0


def test_a_broker_by_address(plant: Plant, tmp_path: Path) -> None:
    with plant.plc(), plant.hub():
        other = tmp_path / "other"
        other.mkdir()
        command = [sys.executable, "-m", "twinhub", "run", other, "--broker", plant.url]
        with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as second:
            assert second.stderr is not None
            wait_for(lambda: (other / ".twinhub" / "broker-url").exists(), "the second hub serves")
            second.terminate()
            assert f"on {plant.url}" in second.stderr.read()
