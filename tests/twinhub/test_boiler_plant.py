"""The example: its physics, its registers, and the demo as a newcomer sees it."""

import re
import shlex
import signal
import struct
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from live_plant import EXAMPLE, Plant, end, twinhub, wait_for
from pymodbus.client import ModbusTcpClient


def load(name: str) -> ModuleType:
    spec = spec_from_file_location(f"boiler_plant_{name}", EXAMPLE / f"{name}.py")
    assert spec is not None
    assert spec.loader is not None
    module = module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def boiler_plant() -> Any:
    return load("plant").Plant()


def test_the_boiler_keeps_its_set_point(boiler_plant: Any) -> None:
    boiler_plant.step(600)
    boiler_plant.set_point = 75.0
    boiler_plant.step(1200)
    for _ in range(100):
        boiler_plant.step(5)
        assert 70 < boiler_plant.flow_temperature < 80
        assert boiler_plant.return_temperature < boiler_plant.flow_temperature


def test_without_its_burner_it_cools_to_the_room(boiler_plant: Any) -> None:
    boiler_plant.burner_enabled = False
    boiler_plant.step(24 * 3600)
    assert 15 < boiler_plant.flow_temperature < 30
    assert boiler_plant.flame is False


def test_the_pump_follows_its_set_point_with_inertia(boiler_plant: Any) -> None:
    boiler_plant.pump_set_point = 2000.0
    boiler_plant.step(0.5)
    assert 1250 < boiler_plant.pump_speed < 1750
    boiler_plant.step(15)
    assert boiler_plant.pump_speed == pytest.approx(2000, abs=30)
    power = boiler_plant.pump_power
    boiler_plant.pump_set_point = 1000.0
    boiler_plant.step(15)
    assert power > 5 * boiler_plant.pump_power


def test_a_stopped_pump_cannot_overheat_the_boiler(boiler_plant: Any) -> None:
    boiler_plant.pump_enabled, boiler_plant.set_point = False, 95.0
    hottest = 0.0
    for _ in range(2000):
        boiler_plant.step(1)
        hottest = max(hottest, boiler_plant.flow_temperature)
    assert 95 < hottest < 101
    assert boiler_plant.hot


def test_pressure_rises_with_temperature(boiler_plant: Any) -> None:
    cold = boiler_plant.pressure
    boiler_plant.flow_temperature += 20
    assert 0.1 < boiler_plant.pressure - cold < 0.2


def test_the_same_seed_is_the_same_day() -> None:
    plant = load("plant").Plant
    one, two, other = plant(seed=1), plant(seed=1), plant(seed=2)
    for each in (one, two, other):
        each.step(300)
    assert one == two
    assert one != other


def test_the_registers_are_the_map_of_the_manifests(plant: Plant) -> None:
    with plant.plc(), ModbusTcpClient("127.0.0.1", port=plant.plc_port) as client:
        words = client.read_input_registers(0, count=6, device_id=1).registers
        (flow,) = struct.unpack(">f", struct.pack(">HH", *words[:2]))
        assert 55 < flow < 75
        assert 400 < words[2] < 600
        wait_for(lambda: client.read_input_registers(4, count=1, device_id=1).registers[0] & 1, "the flame is lit")
        assert client.read_holding_registers(0, count=1, device_id=1).registers == [700]
        client.write_register(0, 1800, device_id=2)
        wait_for(lambda: client.read_input_registers(0, count=1, device_id=2).registers[0] > 1700, "the pump obeys")


@contextmanager
def demo(scratch: Path, *options: str) -> Iterator[tuple[subprocess.Popen[str], Path]]:
    screen = scratch / "screen"
    command = [sys.executable, str(EXAMPLE / "demo.py"), *options]
    with (
        screen.open("w") as out,
        subprocess.Popen(command, stdout=out, stderr=subprocess.STDOUT, text=True) as started,
    ):
        try:
            yield started, screen
        finally:
            end(started)


def hint(screen: Path, program: str) -> list[str]:
    """The command line with `program` that the demo tells its reader to type."""
    text = screen.read_text().replace("\\\n", " ")
    line = next(line for line in text.splitlines() if line.strip().startswith(program))
    return shlex.split(line)


def operator_hint(screen: Path, program: str) -> subprocess.CompletedProcess[str]:
    """Run the command line with `program` that the demo tells an operator to type."""
    _, *settings = hint(screen, "export TWINHUB_CLOUD")
    _, *words = hint(screen, program)
    return twinhub(*words, **dict(setting.split("=", 1) for setting in settings))


def run_hint(screen: Path, program: str) -> subprocess.CompletedProcess[str]:
    return twinhub(*hint(screen, program)[1:])


def told_of(broker: str) -> list[Path]:
    """The processes whose environment names this broker: those of a pod that is bound to a device."""
    found = []
    for environment in Path("/proc").glob("[0-9]*/environ"):
        with suppress(OSError):
            if f"TWINHUB_BROKER={broker}".encode() in environment.read_bytes():
                found.append(environment)
    return found


def descendants(pid: int) -> list[int]:
    """The processes that this one has started, and those that they have."""
    children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    return [process for child in map(int, children) for process in (child, *descendants(child))]


def test_the_demo_does_what_it_says(tmp_path: Path) -> None:
    with demo(tmp_path, "--speed", "4", "--cut-after", "3600") as (started, screen):
        wait_for(lambda: "default/pump  speed-set-point  1250 rpm  good" in screen.read_text(), "the table is filled")
        follow = hint(screen, "mosquitto_sub")
        with subprocess.Popen([*follow, "-C", "200", "-W", "20"], stdout=subprocess.PIPE, text=True) as follower:
            assert follower.stdout is not None
            assert "/twin/update/document" in follower.stdout.readline()
            subprocess.run(hint(screen, "mosquitto_pub"), check=True)
            assert any('"value":"1450"' in line for line in follower.stdout)
            follower.terminate()
        met = r"speed-set-point  1450 rpm  good  desired 1450  \| cloud  1450  desired 1450$"
        wait_for(lambda: re.search(met, screen.read_text(), re.MULTILINE), "it is met, and the cloud knows")
        wait_for(lambda: re.search(r"pump  speed  14[2-7]\d rpm", screen.read_text()), "the pump follows")
        broker = f"mqtt://127.0.0.1:{follow[follow.index('-p') + 1]}"
        assert twinhub("get", "pump", "speed-set-point", "--broker", broker).stdout == "1450\n"
        wished = operator_hint(screen, "twinhub set")
        assert wished.returncode == 0, wished.stderr
        wait_for(
            lambda: re.search(r"speed-set-point  1300 rpm .* \| cloud  1300", screen.read_text()),
            "what the cloud desires is met",
        )
        assert "default/boiler" in operator_hint(screen, "twinhub get").stdout
        wait_for(lambda: "default/pod.alarm  phase  Running  good" in screen.read_text(), "the pod runs")
        wait_for(lambda: "default/alarm  active  true  good" in screen.read_text(), "the alarm is raised")
        assert "default/alarm  1/1    Running" in run_hint(screen, "twinhub get pods").stdout
        assert "above 65 °C" in run_hint(screen, "twinhub logs").stdout
        assert run_hint(screen, "twinhub set alarm").returncode == 0
        wait_for(lambda: "default/alarm  limit  90 °C  good" in screen.read_text(), "the pod obeys")
        assert told_of(broker), "the pod's processes"
        children = descendants(started.pid)
        assert len(children) >= 5, "PLC, cloud, cable, hub, broker"
        started.send_signal(signal.SIGINT)
        started.wait(30)
        wait_for(lambda: not any(Path(f"/proc/{pid}").exists() for pid in children), "no process is left behind")
        wait_for(lambda: not told_of(broker), "nothing of the pod is left behind")
        assert "no broker" in twinhub("get", "--broker", broker).stderr
        assert "Traceback" not in screen.read_text()


def test_the_demo_cuts_its_cable_and_both_ends_agree_afterwards(tmp_path: Path) -> None:
    with demo(tmp_path, "--speed", "4", "--cut-after", "2", "--cut-for", "4") as (_, screen):
        story = (
            r"the PLC's register has it",
            r"the cable .* is cut for 4 s",
            r"desires 75 °C of the boiler: that waits there",
            r"both ends agree, .*; the PLC keeps 75 °C",
            r"the edge recorded ([1-9]\d*) changes; \1 arrived in the cloud, in order",
        )
        for told in range(1, len(story) + 1):
            so_far = ".*".join(story[:told])
            wait_for(lambda so_far=so_far: re.search(so_far, screen.read_text(), re.DOTALL), story[told - 1])


def test_the_demo_ends_by_itself_after_its_seconds(tmp_path: Path) -> None:
    with demo(tmp_path, "--seconds", "1") as (started, screen):
        assert started.wait(60) == 0
        assert "default/tank" in screen.read_text()
