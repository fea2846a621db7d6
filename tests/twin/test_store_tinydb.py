"""What is TinyDB's own: the file in a person's hands."""

import json
import logging
import os
from pathlib import Path
from typing import Any

import pytest

from twin import store_tinydb
from twin.store import Entry, StoreError, open_store

FILE = """{
  "catalogue": {
    "Device/default/pump-01": {
      "value": {
        "note": "größer als ½",
        "spec": {
          "properties": []
        }
      },
      "version": 1
    },
    "DeviceModel/default/pump": {
      "value": {},
      "version": 2
    }
  },
  "revision": {
    "last": {
      "number": 2
    }
  }
}
"""


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "catalogue.json"


async def put(path: Path, key: str, value: dict[str, Any]) -> int:
    async with open_store(path) as store:
        return await store.put(key, value)


async def test_the_file_is_sorted_and_indented(path: Path) -> None:
    await put(path, "Device/default/pump-01", {"spec": {"properties": []}, "note": "größer als ½"})
    await put(path, "DeviceModel/default/pump", {})
    assert path.read_text(encoding="utf-8") == FILE


async def test_an_edit_by_hand_is_taken_in_at_once(path: Path) -> None:
    path.write_text(FILE, encoding="utf-8")
    async with open_store(path) as store:
        path.write_text(FILE.replace("größer", "kleiner").replace('"version": 2', '"version": 40'), encoding="utf-8")
        assert await store.put("new", {}) == 41
        entry = await store.get("Device/default/pump-01")
        assert entry is not None
        assert entry.value["note"] == "kleiner als ½"
        assert [e.version for e in await store.list()] == [1, 40, 41]


async def test_a_file_removed_by_hand_comes_back_with_the_next_change(path: Path) -> None:
    path.write_text(FILE, encoding="utf-8")
    async with open_store(path) as store:
        path.unlink()
        await store.put("new", {})
    async with open_store(path) as store:
        assert len(await store.list()) == 3


BROKEN = [
    (FILE.replace('"version": 1\n', '"version": 1,\n'), r":11: .*property name.*\(column 5\)"),
    (FILE.replace('"value": {},', "<<<<<<< ours"), r":13: "),
    (FILE.replace('"version": 1', '"version": NaN'), r":10: NaN is not JSON"),
    (
        FILE.replace("DeviceModel/default/pump", "Device/default/pump-01"),
        r":3,12: 'Device/default/pump-01' stands twice",
    ),
    (FILE.replace('"version": 1', '"version": "1"'), r":3: Device/default/pump-01 must be .* whole number N from 1"),
    (FILE.replace('"version": 1', '"version": 0'), r":3: Device/default/pump-01 must be"),
    (FILE.replace('"value": {}', '"value": []'), r":12: DeviceModel/default/pump: .*must be a JSON object, not list"),
    (FILE.replace("default/pump-01", "default//pump"), r":3: 'Device/default//pump' is not a key"),
    (FILE.replace('"number"', '"numbr"'), r":17: beside the entries there is only"),
    (FILE.replace('"revision"', '"revison"'), r":1: beside the entries there is only"),
    (FILE[:100], r":\d: "),
    ("", r":1: Expecting value"),
    ("[]", r":1: the file must be an object"),
    ("null", r":1: the file must be an object"),
    ('{"catalogue": 1}', r":1: the file must be an object"),
    ('{"catalogue": ' * 100_000, r":1: nested too deeply"),
]


@pytest.mark.parametrize(("content", "error"), BROKEN, ids=[str(n) for n in range(len(BROKEN))])
async def test_a_broken_file_is_refused_with_its_line_and_left_alone(path: Path, content: str, error: str) -> None:
    path.write_text(content, encoding="utf-8")
    with pytest.raises(StoreError, match=rf"^{path}{error}.*; mend this, or put back a copy of the file"):
        await put(path, "new", {})
    assert path.read_text(encoding="utf-8") == content


async def test_bytes_that_are_not_utf8_are_refused_with_their_line(path: Path) -> None:
    path.write_bytes(FILE.encode("latin-1"))
    with pytest.raises(StoreError, match=f"^{path}:5: this is not UTF-8"):
        await put(path, "new", {})


async def test_a_file_broken_while_open_is_refused_until_it_is_mended(path: Path) -> None:
    path.write_text(FILE, encoding="utf-8")
    async with open_store(path) as store:
        path.write_text(FILE[:-3], encoding="utf-8")
        for refused in (store.get("a"), store.list(), store.put("a", {}), store.delete("a")):
            with pytest.raises(StoreError, match="mend this"):
                await refused
        path.write_text(FILE, encoding="utf-8")
        assert await store.put("a", {}) == 3


async def test_a_failed_write_leaves_the_store_as_it_was(path: Path) -> None:
    async with open_store(path) as store:
        await store.put("a", {"n": 1})
        in_the_way = path.with_name(".catalogue.json.new")
        in_the_way.mkdir()
        for failing in (store.put("a", {"n": 2}), store.put("b", {}), store.delete("a")):
            with pytest.raises(StoreError, match=f"{path}.*Is a directory"):
                await failing
            assert await store.list() == [Entry("a", {"n": 1}, 1)]
        in_the_way.rmdir()
        assert await store.put("b", {}) == 2


async def test_what_a_killed_writer_left_is_in_nobodys_way(path: Path) -> None:
    await put(path, "a", {})
    path.with_name(".catalogue.json.new").write_text('{"half')
    assert await put(path, "b", {}) == 2
    assert sorted(json.loads(path.read_text())["catalogue"]) == ["a", "b"]


async def test_a_symbolic_link_is_kept(tmp_path: Path, path: Path) -> None:
    real = tmp_path / "real.json"
    real.write_text(FILE, encoding="utf-8")
    path.symlink_to(real)
    await put(path, "a", {})
    assert path.is_symlink()
    assert '"a"' in real.read_text(encoding="utf-8")


async def test_a_second_opener_is_told_who_has_it(path: Path) -> None:
    async with open_store(path) as store:
        with pytest.raises(StoreError, match=f"is in use by process {os.getpid()}: stop that one, or"):
            await put(path, "a", {})
        await store.put("b", {})
    assert await put(path, "a", {}) == 2


async def test_past_its_limit_it_warns_once_and_names_the_cure(
    path: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(store_tinydb, "LIMIT", 3)
    async with open_store(path) as store:
        for n in range(6):
            await store.put(f"k{n}", {})
            assert len(caplog.records) == (n >= 3)
    (record,) = caplog.records
    assert (record.levelno, record.name) == (logging.WARNING, "twin")
    assert record.getMessage().startswith(f"{path} holds more than 3 entries")
    assert f"sqlite:{path.with_suffix('.db')}" in record.getMessage()
    async with open_store(path):
        assert len(caplog.records) == 2
