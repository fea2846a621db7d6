"""The socket for commands: who may speak, what it says to nonsense."""

from __future__ import annotations

import asyncio
import socket
import stat
from pathlib import Path

import msgspec
import pytest

from edged.errands import SOCKET, Answer, Errand, Exec, ImageList, Images, Log, LogFile, Refusal
from edged.front_door import FrontDoor


async def serve(errand: Errand) -> Answer:
    if isinstance(errand, Log):
        return LogFile(f"/{errand.pod}/{errand.container}", errand.container)
    if isinstance(errand, Exec):
        raise KeyError(errand.pod)
    return ImageList(())


async def said(directory: Path, line: bytes) -> Answer:
    reader, writer = await asyncio.open_unix_connection(str(directory / SOCKET))
    writer.write(line)
    if not line.endswith(b"\n"):
        writer.write_eof()
    answer = msgspec.json.decode(await reader.readline(), type=Answer)
    writer.close()
    return answer


async def asked(directory: Path, errand: Errand) -> Answer:
    return await said(directory, msgspec.json.encode(errand) + b"\n")


async def test_an_errand_is_answered(tmp_path: Path) -> None:
    async with FrontDoor(tmp_path, serve):
        assert await asked(tmp_path, Log("default/web", "app")) == LogFile("/default/web/app", "app")
        assert await asked(tmp_path, Images()) == ImageList(())


async def test_it_is_for_its_owner_alone_and_leaves_nothing(tmp_path: Path) -> None:
    (tmp_path / SOCKET).write_text("left by a hub that was killed")
    async with FrontDoor(tmp_path, serve):
        mode = (tmp_path / SOCKET).stat().st_mode
        assert stat.S_ISSOCK(mode)
        assert stat.S_IMODE(mode) == 0o600
    assert not (tmp_path / SOCKET).exists()


async def test_a_deep_directory_is_no_obstacle(tmp_path: Path) -> None:
    deep = tmp_path / ("d" * 100) / ("e" * 100)
    deep.mkdir(parents=True)
    async with FrontDoor(deep, serve):
        assert stat.S_ISSOCK((deep / SOCKET).stat().st_mode)


@pytest.mark.parametrize(
    "line",
    [
        b"\n",
        b"",
        b"null\n",
        b"[" * 100_000 + b"\n",
        b'{"type":"Nothing"}\n',
        b'{"type":"Exec","pod":"default/web","command":[]}\n',
        b'{"type":"Exec","pod":"default/web","command":["a"],"within":1e999}\n',
        b"\xff\xfe\n",
        b"x" * 400_000 + b"\n",
    ],
)
async def test_nonsense_is_refused(line: bytes, tmp_path: Path) -> None:
    async with FrontDoor(tmp_path, serve):
        assert isinstance(await said(tmp_path, line), Refusal)
        assert isinstance(await asked(tmp_path, Images()), ImageList)


async def test_a_defect_is_told_and_the_next_one_is_served(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    async with FrontDoor(tmp_path, serve):
        assert isinstance(await asked(tmp_path, Exec("default/web", ("ls",))), Refusal)
        assert isinstance(await asked(tmp_path, Images()), ImageList)
    assert "nobody had thought of" in caplog.text


async def test_who_says_nothing_holds_up_nobody(tmp_path: Path) -> None:
    async with FrontDoor(tmp_path, serve):
        with socket.socket(socket.AF_UNIX) as silent:
            silent.connect(str(tmp_path / SOCKET))
            assert isinstance(await asked(tmp_path, Images()), ImageList)
