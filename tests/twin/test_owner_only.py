"""What is for its owner alone."""

import stat
from pathlib import Path

import pytest

from twin import owner_only


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def test_a_file_is_made_so_and_an_open_one_is_closed(tmp_path: Path) -> None:
    owner_only.make(tmp_path / "new")
    (tmp_path / "old").write_text("kept")
    (tmp_path / "old").chmod(0o664)
    owner_only.make(tmp_path / "old")
    assert (mode(tmp_path / "new"), mode(tmp_path / "old")) == (0o600, 0o600)
    assert (tmp_path / "old").read_text() == "kept"


def test_what_the_owner_may_not_do_stays_so(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    (tmp_path / "file").chmod(0o444)
    owner_only.keep(tmp_path / "file", owner_only.FILE)
    assert mode(tmp_path / "file") == 0o400


def test_what_is_not_there_is_passed_over(tmp_path: Path) -> None:
    owner_only.keep(tmp_path / "nothing", owner_only.FILE)
    assert list(tmp_path.iterdir()) == []


def test_a_directory_that_is_everybodys_stays_so(tmp_path: Path) -> None:
    for before, after in ((0o755, 0o700), (0o1777, 0o1777)):
        tmp_path.chmod(before)
        owner_only.keep(tmp_path, owner_only.DIRECTORY)
        assert mode(tmp_path) == after


def test_where_it_cannot_be_it_is_said(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def refuse(_path: Path, _mode: int) -> None:
        raise PermissionError(1, "Operation not permitted")

    monkeypatch.setattr(Path, "chmod", refuse)
    (tmp_path / "file").write_text("")
    owner_only.keep(tmp_path / "file", owner_only.FILE)
    assert "cannot be changed: Operation not permitted" in caplog.text
