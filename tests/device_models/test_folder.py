"""Which files are read, and which are refused."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from device_models import folder, yaml_text
from device_models.folder import documents
from device_models.problem import Report


def names_in(path: Path) -> tuple[list[str], list[str]]:
    report = Report()
    read = [str(document.file.relative_to(path)) for document in documents(path, report)]
    return read, [str(problem).replace(str(path), "DIR") for problem in report.sorted()]


def write(path: Path, *names: str) -> None:
    for name in names:
        (path / name).parent.mkdir(parents=True, exist_ok=True)
        (path / name).write_text("a: 1\n", encoding="utf-8")


def test_manifests_are_found_below_the_folder(tmp_path: Path) -> None:
    write(
        tmp_path,
        "b.yaml",
        "a.yml",
        "sub/c.yaml",
        "twinhub.yaml",
        "notes.txt",
        ".hidden.yaml",
        ".git/d.yaml",
        "e.json",
    )
    assert names_in(tmp_path) == (["a.yml", "b.yaml", "sub/c.yaml"], [])


def test_a_mounted_config_map_is_read_once(tmp_path: Path) -> None:
    """Kubernetes mounts one as links into a hidden folder."""
    write(tmp_path, "..2026_11_23/pump.yaml")
    (tmp_path / "..data").symlink_to("..2026_11_23")
    (tmp_path / "pump.yaml").symlink_to("..data/pump.yaml")
    assert names_in(tmp_path) == (["pump.yaml"], [])


def test_folders_that_contain_themselves_do_no_harm(tmp_path: Path) -> None:
    write(tmp_path, "a.yaml")
    (tmp_path / "loop").symlink_to(tmp_path)
    assert names_in(tmp_path) == (["a.yaml"], [])


def test_an_empty_folder_is_remarked(tmp_path: Path) -> None:
    advice = "put *.yaml or *.yml files into this folder"
    assert names_in(tmp_path) == ([], [f"DIR: there are no manifests here; {advice}"])


def test_a_missing_folder_is_an_error(tmp_path: Path) -> None:
    assert names_in(tmp_path / "x") == ([], ["DIR: there is no such file or folder; check the name"])


def test_what_is_no_file_is_not_opened(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.yaml")
    (tmp_path / "dangling.yaml").symlink_to("nowhere")
    words = "is not a file that can be read; check the name"
    assert names_in(tmp_path) == ([], [f"DIR/dangling.yaml: {words}", f"DIR/pipe.yaml: {words}"])


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_what_may_not_be_read_is_told(tmp_path: Path) -> None:
    write(tmp_path, "a.yaml")
    (tmp_path / "a.yaml").chmod(0)
    assert "cannot be read: Permission denied" in names_in(tmp_path)[1][0]


def test_a_large_file_is_refused_and_the_rest_is_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write(tmp_path, "a.yaml", "c.yaml")
    with (tmp_path / "b.yaml").open("wb") as stream:
        stream.truncate(yaml_text.MAX_BYTES + 1)
    assert names_in(tmp_path) == (
        ["a.yaml", "c.yaml"],
        ["DIR/b.yaml: is larger than 8 MiB; split it into several files"],
    )


def test_the_text_of_all_files_is_limited(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write(tmp_path, "a.yaml", "b.yaml", "c.yaml")
    monkeypatch.setattr(folder, "MAX_TEXT", 10)
    assert names_in(tmp_path) == (["a.yaml", "b.yaml"], ["DIR: the manifests are larger than 0 MiB; remove some"])


def test_the_number_of_files_is_limited(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write(tmp_path, "a.yaml", "b.yaml", "c.yaml")
    monkeypatch.setattr(folder, "MAX_FILES", 2)
    read, problems = names_in(tmp_path)
    assert read == ["a.yaml", "b.yaml"]
    assert problems == ["DIR: there are more than 2 manifest files here; join some of them"]


@pytest.mark.parametrize(("raw", "line"), [(b"a: \xff", 1), (b"a: 1\nb: 2\nc: \xe9 d\n", 3)])
def test_what_is_not_utf_8_is_refused(raw: bytes, line: int, tmp_path: Path) -> None:
    (tmp_path / "a.yaml").write_bytes(raw)
    assert names_in(tmp_path) == ([], [f"DIR/a.yaml:{line}: this is not UTF-8 text; save the file as UTF-8"])


def test_a_byte_order_mark_is_no_part_of_the_text(tmp_path: Path) -> None:
    (tmp_path / "a.yaml").write_bytes(b"\xef\xbb\xbfa: 1")
    (document,) = documents(tmp_path, Report())
    assert document.data == {"a": 1}
    assert document.locate(("a",)).line == 1
