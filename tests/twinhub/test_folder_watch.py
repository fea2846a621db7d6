import asyncio
import os
from pathlib import Path

import pytest

from twinhub import folder_watch
from twinhub.folder_watch import changes, signature


def test_what_counts_as_a_change(tmp_path: Path) -> None:
    (tmp_path / "plant").mkdir()
    manifest = tmp_path / "plant" / "pump.yaml"
    manifest.write_text("a: 1")
    before = signature(tmp_path)
    assert signature(tmp_path) == before
    (tmp_path / ".twinhub").mkdir()
    (tmp_path / ".twinhub" / "journal").write_text("busy")
    (tmp_path / ".pump.yaml.swp").write_text("an editor's")
    assert signature(tmp_path) == before
    os.utime(manifest, ns=(0, 5))
    assert signature(tmp_path) != before
    manifest.unlink()
    assert signature(tmp_path) == {}


async def test_a_change_is_told_once_it_has_settled(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(folder_watch, "PERIOD", 0.01)
    seen = changes(tmp_path, signature(tmp_path))
    waiting = asyncio.ensure_future(anext(seen))
    for number in range(20):
        (tmp_path / "pump.yaml").write_text("a" * number)
        await asyncio.sleep(0.01)
    assert await asyncio.wait_for(waiting, 5) == signature(tmp_path)
    await seen.aclose()  # type: ignore[attr-defined]
