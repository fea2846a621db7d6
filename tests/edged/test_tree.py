from __future__ import annotations

import os
from pathlib import Path

import pytest

from edged import tree


def deep(directory: Path, levels: int) -> None:
    directory.mkdir()
    here = os.open(directory, os.O_RDONLY)
    for _ in range(levels):
        os.mkdir("d", dir_fd=here)
        below = os.open("d", os.O_RDONLY, dir_fd=here)
        os.close(here)
        here = below
    os.close(here)


def test_however_deep_it_is(tmp_path: Path) -> None:
    deep(tmp_path / "tree", 3000)
    tree.remove(tmp_path / "tree")
    assert not any(tmp_path.iterdir())


def test_no_link_is_followed(tmp_path: Path) -> None:
    (tmp_path / "kept").mkdir(mode=0o755)
    (tmp_path / "kept" / "file").write_text("mine")
    (tmp_path / "tree" / "a").mkdir(parents=True)
    for link in ("tree/link", "tree/a/link", "top"):
        (tmp_path / link).symlink_to(tmp_path / "kept")
    tree.remove(tmp_path / "tree")
    tree.remove(tmp_path / "top")
    assert [one.name for one in tmp_path.iterdir()] == ["kept"]
    assert (tmp_path / "kept").stat().st_mode & 0o777 == 0o755
    assert (tmp_path / "kept" / "file").read_text() == "mine"


def test_names_that_are_moved_up_meet_nothing(tmp_path: Path) -> None:
    (tmp_path / "tree" / "a" / "b" / "c").mkdir(parents=True)
    for number in range(5):
        (tmp_path / "tree" / f".{os.getpid()}-{number}").mkdir()
    (tmp_path / "tree" / f".{os.getpid()}-5").touch()
    tree.remove(tmp_path / "tree")
    assert not any(tmp_path.iterdir())


@pytest.mark.parametrize("mode", [0o000, 0o555])
def test_what_was_made_unreadable_goes_too(tmp_path: Path, mode: int) -> None:
    closed = tmp_path / "tree" / "a" / "b"
    (closed / "c").mkdir(parents=True)
    (closed / "file").touch()
    for directory in (closed, closed.parent, tmp_path / "tree"):
        directory.chmod(mode)
    child = os.fork()
    if not child:  # as root everything is readable
        _without_rights(tmp_path)
    assert os.waitpid(child, 0)[1] == 0
    assert not any(tmp_path.iterdir())


def _without_rights(directory: Path) -> None:
    code = 1
    try:
        if os.getuid() == 0:
            for place, _, _ in [*os.walk(directory)]:
                os.chown(place, 65534, 65534)
            os.chdir(directory)
            os.setuid(65534)
        else:
            os.chdir(directory)
        tree.remove(Path("tree"))
        code = 0
    finally:
        os._exit(code)


def test_what_is_not_there_is_no_error(tmp_path: Path) -> None:
    tree.remove(tmp_path / "absent")
    (tmp_path / "file").touch()
    tree.remove(tmp_path / "file")
    assert not any(tmp_path.iterdir())
