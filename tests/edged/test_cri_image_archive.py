from __future__ import annotations

import io
import json
import tarfile
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edged.cri.image_archive import import_archive, names_in
from edged.runtime import RuntimeRefused

LEAF = st.none() | st.booleans() | st.integers() | st.text()
NOTES = LEAF | st.dictionaries(st.just("io.containerd.image.name"), LEAF | st.lists(LEAF))
ENTRY = LEAF | st.dictionaries(st.sampled_from(["annotations", "RepoTags"]), LEAF | st.lists(LEAF) | NOTES)
ANYTHING = LEAF | st.lists(ENTRY) | st.dictionaries(st.just("manifests"), LEAF | st.lists(ENTRY))


def archive(path: Path, **files: Any) -> str:
    with tarfile.open(path, "w") as tar:
        for name, content in files.items():
            data = content if isinstance(content, bytes) else json.dumps(content).encode()
            one = tarfile.TarInfo(f"{name}.json")
            one.size = len(data)
            tar.addfile(one, io.BytesIO(data))
    return str(path)


def test_names_of_a_docker_archive(tmp_path: Path) -> None:
    manifest = [{"RepoTags": ["a:1", "b:1"]}, {"RepoTags": None}, {"RepoTags": ["a:1"]}]
    assert names_in(archive(tmp_path / "a.tar", manifest=manifest)) == ("a:1", "b:1")


def test_names_of_an_oci_archive(tmp_path: Path) -> None:
    short = {"org.opencontainers.image.ref.name": "1"}
    index = {"manifests": [{"annotations": {**short, "io.containerd.image.name": "a:1"}}, {}]}
    assert names_in(archive(tmp_path / "a.tar", index=index)) == ("a:1",)


@pytest.mark.parametrize(
    "files",
    [
        {},
        {"manifest": b"{"},
        {"manifest": b"[" * 100_000},
        {"manifest": [{}]},
        {"manifest": [{"RepoTags": [1, ""]}]},
        {"index": {}},
        {"index": {"manifests": []}},
        {"manifest": b" " * 5_000_000},
    ],
)
def test_what_has_no_names_is_refused(files: Any, tmp_path: Path) -> None:
    with pytest.raises(RuntimeRefused, match=r"a\.tar"):
        names_in(archive(tmp_path / "a.tar", **files))


@given(ANYTHING, st.sampled_from(["manifest", "index"]))
def test_whatever_is_in_it_is_names_or_refused(tmp_path_factory: Any, content: Any, file: str) -> None:
    path = archive(tmp_path_factory.getbasetemp() / "any.tar", **{file: content})
    with suppress(RuntimeRefused):
        assert all(isinstance(name, str) for name in names_in(path))


async def test_without_ctr_there_is_advice(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(RuntimeRefused, match="ctr"):
        await import_archive("a.tar", tmp_path / "c.sock")
