"""What makes a folder look different, and that every such change is told, once it has settled."""

import asyncio
import os
import sys
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from twinhub import folder_notice, folder_watch
from twinhub.folder_notice import mount_kind
from twinhub.folder_watch import FolderWatch, Signature, signature

PATIENCE = 20.0
BURST = 1000
STEPS = st.tuples(st.sampled_from("abc"), st.sampled_from("xyz"), st.integers(0, 3))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Beside which there is room."""
    made = tmp_path / "plant"
    (made / "hall").mkdir(parents=True)
    (made / "hall" / "fan.yaml").write_text("fan")
    (made / "pump.yaml").write_text("pump")
    return made


@pytest.fixture(params=["told", "looked"])
def watched(request: pytest.FixtureRequest, folder: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[FolderWatch]:
    """Both ways of noticing. The rounds of the first one are too rare to help it."""
    monkeypatch.setattr(folder_watch, "PERIOD", 0.01)
    monkeypatch.setattr(folder_watch, "ROUND", 1000.0)
    if request.param == "looked":
        monkeypatch.setattr(folder_notice, "mount_kind", lambda _: "nfs4")
    with FolderWatch(folder, signature(folder)) as watch:
        yield watch


async def told(watch: FolderWatch) -> Signature:
    async with asyncio.timeout(PATIENCE):
        seen = await watch.change()
    assert seen is not None
    return seen


async def after(edit: Callable[[], object], watch: FolderWatch, folder: Path) -> None:
    """An edit is made while somebody waits for one; what is told in the end is how it is."""
    waiting = asyncio.create_task(told(watch))
    await asyncio.sleep(0.05)  # it has looked, and waits for a word
    edit()
    seen = await waiting
    while seen != signature(folder):
        seen = await told(watch)


def test_the_signature_is_of_what_is_visible(tmp_path: Path) -> None:
    manifest = tmp_path / "pump.yaml"
    manifest.write_text("a")
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


def write_over(folder: Path) -> None:
    (folder / "pump.yaml").write_text("another pump")


def rename_over(folder: Path) -> None:
    (folder / ".pump.yaml.new").write_text("another pump")
    (folder / ".pump.yaml.new").rename(folder / "pump.yaml")


def bring_in(folder: Path) -> None:
    (folder.parent / "fan.yaml").write_text("another fan")
    (folder.parent / "fan.yaml").rename(folder / "hall" / "fan.yaml")


def take_out(folder: Path) -> None:
    (folder / "hall" / "fan.yaml").rename(folder.parent / "fan.yaml")


def add_a_folder(folder: Path) -> None:
    (folder / "yard" / "gate").mkdir(parents=True)
    (folder / "yard" / "gate" / "lamp.yaml").write_text("lamp")


def rename_a_folder(folder: Path) -> None:
    (folder / "hall").rename(folder / "shed")


def replace_a_folder(folder: Path) -> None:
    (folder / "hall").rename(folder.parent / "hall")
    (folder / "hall").mkdir()
    (folder / "hall" / "belt.yaml").write_text("belt")


def replace_it(folder: Path) -> None:
    other = folder.parent / "other"
    other.mkdir()
    (other / "belt.yaml").write_text("belt")
    folder.rename(folder.parent / "old")
    other.rename(folder)


EDITS = [write_over, rename_over, bring_in, take_out, add_a_folder, rename_a_folder, replace_a_folder, replace_it]


@pytest.mark.parametrize("edit", EDITS, ids=lambda edit: edit.__name__)
async def test_an_edit_is_told_and_so_is_the_next(
    watched: FolderWatch, folder: Path, edit: Callable[[Path], None]
) -> None:
    await after(partial(edit, folder), watched, folder)
    for path in [folder / "new.yaml", *(one / "new.yaml" for one in folder.iterdir() if one.is_dir())]:
        await after(partial(path.write_text, "new"), watched, folder)


async def test_a_folder_that_is_gone_may_come_back(watched: FolderWatch, folder: Path) -> None:
    away = folder.parent / "away"
    await after(partial(folder.rename, away), watched, folder)
    assert signature(folder) == {}
    await after(partial(away.rename, folder), watched, folder)
    await after(partial(write_over, folder), watched, folder)


async def test_links_are_swapped_as_kubelet_does(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(folder_watch, "ROUND", 1000.0)
    for version in ("..1", "..2"):
        (tmp_path / version).mkdir()
        (tmp_path / version / "pump.yaml").write_text(f"pump {version}")
    (tmp_path / "..data").symlink_to("..1")
    (tmp_path / "pump.yaml").symlink_to("..data/pump.yaml")
    with FolderWatch(tmp_path, signature(tmp_path)) as watch:
        (tmp_path / "..data_tmp").symlink_to("..2")
        await after(partial((tmp_path / "..data_tmp").rename, tmp_path / "..data"), watch, tmp_path)
        behind = tmp_path / "..2" / "pump.yaml"
        await after(partial(behind.write_text, "what a link leads to"), watch, tmp_path)


async def test_a_burst_is_told_once(watched: FolderWatch, folder: Path) -> None:
    for number in range(BURST):
        (folder / f"pump-{number}.yaml").write_text("pump")
    assert await told(watched) == signature(folder)
    assert await watched.change(0.1) is None


async def test_a_file_that_is_being_written_is_waited_for(folder: Path) -> None:
    with FolderWatch(folder, signature(folder)) as watch:
        waiting = asyncio.create_task(told(watch))
        with (folder / "pump.yaml").open("w") as file:
            for half in ("half", " and half"):
                file.write(half)
                file.flush()
                await asyncio.sleep(10 * folder_watch.REST)
        assert await waiting == signature(folder)


async def test_a_folder_that_is_never_at_rest_is_told_all_the_same(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(folder_watch, "LONGEST", 0.1)
    with FolderWatch(folder, signature(folder)) as watch, (folder / "busy.log").open("w") as file:
        waiting = asyncio.create_task(told(watch))
        while not waiting.done():
            file.write("line\n")
            file.flush()
            await asyncio.sleep(0.005)
        assert str(folder / "busy.log") in await waiting


@settings(max_examples=20, deadline=None)
@given(
    st.lists(st.tuples(st.sampled_from("abc"), st.sampled_from("xyz"), st.integers(0, 3)), min_size=1, max_size=40)
)
def test_whatever_happens_the_last_state_is_told(steps: list[tuple[str, str, int]]) -> None:
    async def check(folder: Path) -> None:
        before = signature(folder)
        with FolderWatch(folder, before) as watch:
            waiting = asyncio.create_task(_settled(watch, folder))
            for number, step in enumerate(steps):
                await asyncio.to_thread(_do, folder, step)
                if number % 7 == 0:
                    await asyncio.sleep(0.001)
            (folder / "last.yaml").write_text("last")
            await waiting

    with TemporaryDirectory() as scratch:
        folder = Path(scratch, "plant")
        folder.mkdir()
        asyncio.run(check(folder))


async def _settled(watch: FolderWatch, folder: Path) -> None:
    while str(folder / "last.yaml") not in (seen := await told(watch)):
        pass
    assert seen == signature(folder)


def _do(folder: Path, step: tuple[str, str, int]) -> None:
    """Write, remove or move a file, or move a whole folder."""
    inside, name, kind = step
    place = folder / inside / f"{name}.yaml"
    if kind == 0:
        place.parent.mkdir(exist_ok=True)
        place.write_text(f"{step}")
    elif kind == 1:
        place.unlink(missing_ok=True)
    elif kind == 2 and place.exists():
        place.rename(folder / f"{name}.yaml")
    elif kind == 3 and place.parent.exists():
        place.parent.rename(folder / f"{inside}{len(list(folder.iterdir()))}")


def test_where_the_kernel_does_not_tell_that_is_said(
    folder: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(folder_notice, "mount_kind", lambda _: "fuse.sshfs")
    with FolderWatch(folder, {}):
        assert "is looked at every second: the kernel does not tell of changes on fuse.sshfs" in caplog.text


def test_without_the_library_that_is_said(
    folder: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setitem(sys.modules, "asyncinotify", None)
    with FolderWatch(folder, {}):
        assert "pip install asyncinotify" in caplog.text


def test_the_kind_of_a_mount() -> None:
    assert mount_kind(Path("/proc/self/stat")) == "proc"
    assert mount_kind(Path("/sys")) == "sysfs"
