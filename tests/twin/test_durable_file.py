"""Replacing a file whole."""

import stat
from pathlib import Path

import pytest

from twin.durable_file import replace


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def test_a_new_file_has_the_permissions_asked_for(tmp_path: Path) -> None:
    replace(tmp_path / "key", b"secret", mode=0o600)
    assert (tmp_path / "key").read_bytes() == b"secret"
    assert mode(tmp_path / "key") == 0o600


def test_permissions_stay_when_none_are_asked_for(tmp_path: Path) -> None:
    (tmp_path / "list").write_bytes(b"old")
    (tmp_path / "list").chmod(0o640)
    replace(tmp_path / "list", b"new")
    assert (tmp_path / "list").read_bytes() == b"new"
    assert mode(tmp_path / "list") == 0o640


def test_what_a_crash_left_behind_is_no_hindrance_and_lends_no_permissions(tmp_path: Path) -> None:
    (tmp_path / ".key.new").write_bytes(b"half of a much longer fi")
    (tmp_path / ".key.new").chmod(0o644)
    replace(tmp_path / "key", b"secret", mode=0o600)
    assert (tmp_path / "key").read_bytes() == b"secret"
    assert mode(tmp_path / "key") == 0o600
    assert [path.name for path in tmp_path.iterdir()] == ["key"]


def test_when_it_fails_the_old_file_stands(tmp_path: Path) -> None:
    (tmp_path / "list").write_bytes(b"old")
    (tmp_path / ".list.new").mkdir()
    with pytest.raises(OSError):
        replace(tmp_path / "list", b"new")
    assert (tmp_path / "list").read_bytes() == b"old"
