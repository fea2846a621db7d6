from __future__ import annotations

import os
import resource
import threading
from contextlib import suppress
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from edged.live_files import publish
from edged.volume_files import File

ONE = {"high": File(b"80", 0o644), "deep/er/low": File(b"5", 0o400)}
OTHER = {"high": File(b"90", 0o644), "deep/new": File(b"1", 0o640)}


def seen(directory: Path) -> dict[str, File]:
    """What a reader finds."""
    found: dict[str, File] = {}
    for folder, folders, names in os.walk(directory, followlinks=True):
        folders[:] = [name for name in folders if not name.startswith("..")]
        for file in (Path(folder, name) for name in names):
            found[str(file.relative_to(directory))] = File(file.read_bytes(), file.stat().st_mode & 0o777)
    return found


def hidden(directory: Path) -> list[str]:
    return [entry.name for entry in directory.iterdir() if entry.name.startswith("..")]


def test_files_are_replaced_all_at_once(tmp_path: Path) -> None:
    publish(tmp_path, ONE)
    assert seen(tmp_path) == ONE
    with (tmp_path / "high").open() as open_before:
        before = (tmp_path / "..data").readlink()
        publish(tmp_path, OTHER)
        assert seen(tmp_path) == OTHER
        assert open_before.read() == "80"
    assert (tmp_path / "..data").readlink() != before
    assert len(hidden(tmp_path)) == 2
    publish(tmp_path, {})
    assert seen(tmp_path) == {}


def test_without_an_edit_nothing_is_written(tmp_path: Path) -> None:
    publish(tmp_path, ONE, os.getgid())
    before = (tmp_path / "..data").readlink()
    publish(tmp_path, ONE, os.getgid())
    assert (tmp_path / "..data").readlink() == before


def test_another_mode_is_an_edit(tmp_path: Path) -> None:
    publish(tmp_path, {"a": File(b"1", 0o644)})
    publish(tmp_path, {"a": File(b"1", 0o600)})
    assert seen(tmp_path) == {"a": File(b"1", 0o600)}


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a file to any group")
def test_a_group_may_read_all(tmp_path: Path) -> None:
    publish(tmp_path, ONE, 12345)
    publish(tmp_path, ONE, 54321)
    assert {(tmp_path / name).stat().st_gid for name in ONE} == {54321}
    assert seen(tmp_path)["deep/er/low"].mode == 0o440


def test_what_was_left_half_written_is_mended(tmp_path: Path) -> None:
    publish(tmp_path, ONE)
    (tmp_path / "..half").mkdir()
    (tmp_path / "..data_next").symlink_to("..half")
    (tmp_path / "high").unlink()
    (tmp_path / "gone").symlink_to("..data/gone")
    publish(tmp_path, ONE)
    assert seen(tmp_path) == ONE
    assert {entry.name for entry in tmp_path.iterdir() if entry.is_symlink()} == {"..data", "high", "deep"}
    assert len(hidden(tmp_path)) == 2


def test_what_cannot_be_written_leaves_what_was_there(tmp_path: Path) -> None:
    publish(tmp_path, ONE)
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    try:
        resource.setrlimit(resource.RLIMIT_FSIZE, (1, hard))
        with pytest.raises(OSError, match="File too large"):
            publish(tmp_path, OTHER)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert seen(tmp_path) == ONE
    publish(tmp_path, OTHER)
    assert len(hidden(tmp_path)) == 2


def test_no_reader_ever_sees_half_of_an_edit(tmp_path: Path) -> None:
    """Whoever opens the set by `..data` finds files of one edit."""
    publish(tmp_path, {"a": File(b"0", 0o644), "b": File(b"0", 0o644)})
    torn: list[tuple[bytes, bytes]] = []
    done = threading.Event()

    def read() -> None:
        while not done.is_set():
            with suppress(FileNotFoundError):  # a set that went meanwhile is opened anew
                directory = os.open(tmp_path / "..data", os.O_RDONLY)
                try:
                    one, other = (Path(f"/proc/self/fd/{directory}", name).read_bytes() for name in ("a", "b"))
                finally:
                    os.close(directory)
                if one != other:
                    torn.append((one, other))

    reader = threading.Thread(target=read)
    reader.start()
    for number in range(100):
        text = str(number).encode()
        publish(tmp_path, {"a": File(text, 0o644), "b": File(text, 0o644)})
    done.set()
    reader.join()
    assert torn == []


NAMES = st.sampled_from(["a", "b", "a.d/x", "a.d/y/z", "c"])
SETS = st.dictionaries(NAMES, st.builds(File, st.binary(max_size=3), st.sampled_from([0o400, 0o644])), max_size=5)


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(SETS, max_size=5))
def test_the_last_set_is_seen(tmp_path: Path, sets: list[dict[str, File]]) -> None:
    for files in sets:
        publish(tmp_path, files)
        assert seen(tmp_path) == files
        assert len(hidden(tmp_path)) == 2


def test_nothing_is_left_of_what_could_not_be_written(tmp_path: Path) -> None:
    publish(tmp_path, ONE)
    before = sorted(hidden(tmp_path))
    for _ in range(2):
        with pytest.raises(OSError, match=f"'{tmp_path}'"):  # the same each time
            publish(tmp_path, {"a": File(b"1", 0o644), "a/b": File(b"2", 0o644)})
    assert sorted(hidden(tmp_path)) == before
    assert seen(tmp_path) == ONE
