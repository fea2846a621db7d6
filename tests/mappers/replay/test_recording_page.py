"""The page about recordings is true: its manifest replays its recording, and it names every field."""

from __future__ import annotations

import re
from pathlib import Path
from typing import cast

import pytest

from device_models.load import load
from eventbus.device_side import Reading
from mappers.protocols import PROTOCOLS
from mappers.replay.config import ReplayConfig
from mappers.testing.running import running

PAGE = (Path(__file__).parents[3] / "docs" / "recording.md").read_text()


def block(kind: str) -> str:
    return cast(re.Match[str], re.search(rf"^```{kind}\n(.*?)^```", PAGE, re.DOTALL | re.MULTILINE))[1]


async def test_the_manifest_of_the_page_replays_its_recording(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("pump.jsonl").write_text(block("json"))
    Path("pump.yaml").write_text(block("yaml").replace("pump.jsonl}", "pump.jsonl, speed: 10}"))
    declared = load(Path("pump.yaml"), {"replay": PROTOCOLS["replay"].schema})
    assert declared.problems == ()
    async with running("replay", declared.devices.values()) as side:
        await side.until(lambda: side.state_of("default/pump") == "offline")
        assert side.value("default/pump", "flow") == "21.5"
        assert side.value("default/pump", "speed") == "1200"
        reasons = [cast(Reading, reading).reason for reading in side.readings("default/pump", "flow")]
    assert reasons == ["", "illegal data address", "connection refused"]


@pytest.mark.parametrize("name", ReplayConfig.__struct_encode_fields__)
def test_every_field_is_in_a_table(name: str) -> None:
    assert any(f"| `{name}` |" in line for line in PAGE.splitlines())
