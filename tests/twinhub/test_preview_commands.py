"""plan and try: looking before running."""

import json

from live_plant import Plant, twinhub


def test_plan_prints_the_coalesced_requests(plant: Plant) -> None:
    done = twinhub("plan", plant.folder)
    assert done.returncode == 0
    assert "input 0-4: flow-temperature, flame, hot" in done.stdout
    rows = json.loads(twinhub("plan", plant.folder, "--json").stdout)
    assert sum(len(row["properties"]) for row in rows) == 14
    assert {row["device"] for row in rows} == {"default/boiler", "default/pump", "default/tank"}


def test_try_shows_value_raw_and_other_readings(plant: Plant) -> None:
    with plant.plc():
        done = twinhub("try", "boiler", "--dir", plant.folder)
        assert done.returncode == 0, done.stderr
        assert "set-point: 70.0 °C    (unit 1, holding 0, raw 700)" in done.stdout
        assert "    registers  02bc" in done.stdout
        (row,) = json.loads(twinhub("try", "pump", "speed-set-point", "--dir", plant.folder, "--json").stdout)
        assert row["value"] == "1200"
        assert row["decodings"]["uint16 ABCD"] == "1200"


def test_try_tells_what_cannot_be_read(plant: Plant) -> None:
    plant.edit("pump.yaml", "offset: 3, bit: 0", "offset: 300, bit: 0")
    with plant.plc():
        done = twinhub("try", "pump", "--dir", plant.folder)
        assert done.returncode == 1
        assert "running: bad: " in done.stdout
        assert "speed-set-point: 1200 rpm" in done.stdout


def test_try_tells_who_does_not_answer(plant: Plant) -> None:
    done = twinhub("try", "pump", "--dir", plant.folder)
    assert done.returncode == 1
    assert "default/pump cannot be reached" in done.stderr


def test_names_that_are_not_declared(plant: Plant) -> None:
    for words, advice in (
        (["pumpe"], "did you mean default/pump?"),
        (["pump", "sped"], "did you mean speed?"),
    ):
        done = twinhub("try", *words, "--dir", plant.folder)
        assert done.returncode == 1
        assert advice in done.stderr


def test_broken_manifests_are_told_first(plant: Plant) -> None:
    plant.edit("tank.yaml", "offset: 5", "offset: five")
    for done in (twinhub("plan", plant.folder), twinhub("try", "pump", "--dir", plant.folder)):
        assert done.returncode == 1
        assert "tank.yaml:" in done.stderr
