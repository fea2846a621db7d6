"""twinhub record: from a device that speaks to a recording that a hub replays."""

from __future__ import annotations

import signal
import sys
import time
from pathlib import Path

from live_plant import Plant, process, twinhub, wait_for

from mappers.recording import Said, read_recording


def test_record_until_interrupted_then_replay_in_a_hub(plant: Plant, tmp_path: Path) -> None:
    file, log = tmp_path / "tank.jsonl", tmp_path / "record.log"
    with plant.plc(), process([sys.executable, "-m", "twinhub", *words(plant, "tank", file)], log) as recorder:
        wait_for(lambda: file.exists() and file.read_text().count('"said"') > 3, "the tank is recorded")
        recorder.send_signal(signal.SIGINT)
        assert recorder.wait(20) == 0, log.read_text()
    assert f"recording default/tank into {file}" in log.read_text()
    assert f"{file}: default/tank spoke " in log.read_text()
    said = [event.values for event in read_recording(file).events if isinstance(event, Said)]
    levels = [values["level"] for values in said if "level" in values]
    assert file.read_text().splitlines()[-1].endswith('"end": true}')

    replay(plant, "tank", file)
    assert twinhub("validate", plant.folder).stdout.startswith("complete: 3 devices")
    tried = twinhub("try", "tank", "level", "--dir", plant.folder)
    assert tried.returncode == 0, tried.stderr
    assert f"raw {levels[0]}" in tried.stdout
    with plant.hub():
        wait_for(lambda: plant.value("tank", "level"), "the replayed level")


def test_it_ends_by_itself_and_writes_nothing_over(plant: Plant, tmp_path: Path) -> None:
    file = tmp_path / "pump.jsonl"
    with plant.plc():
        began = time.monotonic()
        done = twinhub(*words(plant, "pump", file), "--seconds", "1.5")
        assert done.returncode == 0, done.stderr
        assert time.monotonic() - began > 1.5
        before = file.read_bytes()
        again = twinhub(*words(plant, "pump", file), "--seconds", "1")
    assert again.returncode == 1
    (line,) = again.stderr.splitlines()
    assert line.endswith("is there already; remove it, or name another file with --out")
    assert file.read_bytes() == before


def test_what_cannot_be_recorded_is_told(plant: Plant, tmp_path: Path) -> None:
    file = tmp_path / "it.jsonl"
    for name, more, told in (
        ("tanc", [], "did you mean default/tank?"),
        ("tank", ["--seconds", "1"], "spoke 0 times"),  # there is no PLC
    ):
        done = twinhub(*words(plant, name, file), *more)
        assert done.returncode == 1
        assert told in done.stdout + done.stderr
        assert "Traceback" not in done.stderr
    assert '"silent"' in file.read_text()
    replay(plant, "tank", file)
    done = twinhub(*words(plant, "tank", tmp_path / "other.jsonl"))
    assert done.returncode == 1
    assert "default/tank is replayed itself; use the recording that it plays" in done.stderr
    missing = twinhub(
        "record", "pump", "--dir", plant.folder, "--seconds", "1", "--out", tmp_path / "no" / "it.jsonl"
    )
    assert missing.returncode == 1
    assert "cannot be written: No such file or directory" in missing.stderr
    assert twinhub("record", "pump", "--seconds", "0").returncode == 2


def words(plant: Plant, device: str, file: Path) -> list[str]:
    return ["record", device, "--dir", str(plant.folder), "--out", str(file)]


def replay(plant: Plant, device: str, file: Path) -> None:
    """Put the recording in the place of the device, as the manual says."""
    manifest = plant.folder / f"{device}.yaml"
    text = manifest.read_text()
    start = text.index("    protocolName: modbus")
    end = text.index("  properties:", start)
    manifest.write_text(f"{text[:start]}    protocolName: replay\n    configData: {{file: {file}}}\n{text[end:]}")
