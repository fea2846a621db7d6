from __future__ import annotations

import asyncio
import logging
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest
from podman_engine import PodmanEngine, podman_engine

from edged.podman import PodmanRuntime, service, settings
from edged.runtime import RuntimeUnavailable


@pytest.fixture(scope="module")
def engine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[PodmanEngine]:
    with podman_engine(tmp_path_factory.mktemp("podman")) as engine:
        yield engine


@pytest.fixture
def nowhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A directory for a runtime, on a machine on which nobody runs podman's service."""
    monkeypatch.delenv("CONTAINER_HOST", raising=False)
    monkeypatch.setattr("edged.podman.runtime.SYSTEM_SOCKET", tmp_path / "absent.sock")
    return tmp_path


async def why_not(runtime: PodmanRuntime) -> str:
    with pytest.raises(RuntimeUnavailable) as failure:
        await runtime.__aenter__()
    return str(failure.value)


async def test_it_is_started_once_and_found_again(engine: PodmanEngine) -> None:
    async with engine.runtime() as first, engine.runtime() as second:
        await asyncio.gather(first.info(), second.info())
        pid = engine.pid()
        assert pid
    async with engine.runtime() as third:
        await third.info()
        assert engine.pid() == pid


async def test_killed_it_is_started_again_and_that_is_said_once(
    engine: PodmanEngine, caplog: pytest.LogCaptureFixture
) -> None:
    async with engine.runtime() as runtime:
        await runtime.info()
        pid = engine.pid()
        caplog.clear()
        await engine.kill()
        await asyncio.gather(*(runtime.images() for _ in range(5)))
        assert engine.pid() not in (0, pid)
    assert [one.getMessage() for one in caplog.records if one.levelno >= logging.WARNING] == [
        "podman's service has ended; starting it again"
    ]


async def test_left_alone_it_ends_and_comes_back_when_it_is_asked(
    engine: PodmanEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(service, "IDLE", 1)
    await engine.kill()
    async with engine.runtime() as runtime:
        await runtime.info()
    async with asyncio.timeout(20):
        while engine.pid():
            await asyncio.sleep(1.5)  # to look is to speak to it
    async with engine.runtime() as runtime:
        assert (await runtime.info()).name == "podman"


async def test_the_environments_socket_is_used(engine: PodmanEngine, nowhere: Path) -> None:
    async with engine.runtime():
        with pytest.MonkeyPatch.context() as patch:
            patch.setenv("CONTAINER_HOST", f"unix://{engine.socket}")
            async with PodmanRuntime(None, nowhere / "own") as runtime:
                assert (await runtime.info()).isolates
    assert not (nowhere / "own").exists()


async def test_a_socket_where_nobody_listens(nowhere: Path) -> None:
    words = await why_not(PodmanRuntime(nowhere / "nobody.sock", nowhere))
    assert "nobody.sock" in words
    assert "apt-get install podman" in words


async def test_podman_is_not_installed(nowhere: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(nowhere))
    runtime = PodmanRuntime(None, nowhere)
    assert "apt-get install podman" in await why_not(runtime)


async def test_the_extra_is_not_installed(nowhere: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "edged.podman.api", None)
    assert "pip install 'twinhub[podman]'" in await why_not(PodmanRuntime(None, nowhere))


async def test_a_door_that_is_no_socket(nowhere: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CONTAINER_HOST", "ssh://somewhere/run/podman.sock")
    assert "unix:///path" in await why_not(PodmanRuntime(None, nowhere))


async def test_a_path_that_no_socket_can_have(nowhere: Path) -> None:
    assert "too long" in await why_not(PodmanRuntime(None, nowhere / ("x" * 120)))


async def test_a_service_that_does_not_start_says_why(nowhere: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    program = nowhere / "podman"
    program.write_text("#!/bin/sh\necho the disk is full >&2\nexit 125\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{nowhere}:/bin:/usr/bin")
    runtime = PodmanRuntime(None, nowhere)
    assert "the disk is full" in await why_not(runtime)
    program.unlink()
    assert "the disk is full" in await why_not(runtime), "it is not tried again at once"


async def test_what_listens_there_is_not_podman(nowhere: Path) -> None:
    async def speak(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"220 mail.example.org\r\n")
        writer.close()

    async with await asyncio.start_unix_server(speak, nowhere / "mail.sock"):
        assert "broke off" in await why_not(PodmanRuntime(nowhere / "mail.sock", nowhere))


@pytest.mark.parametrize(
    ("head", "words"),
    [
        ("200 OK\r\nLibpod-Api-Version: 3.4.2", "podman 3.4.2"),
        ("200 OK", "too old"),
        ("404 Not Found", "not podman"),
    ],
)
async def test_a_service_that_is_too_old_or_somebody_elses(nowhere: Path, head: str, words: str) -> None:
    async def speak(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(f"HTTP/1.1 {head}\r\nContent-Length: 2\r\n\r\nOK".encode())
        writer.close()

    async with await asyncio.start_unix_server(speak, nowhere / "old.sock"):
        assert words in await why_not(PodmanRuntime(nowhere / "old.sock", nowhere))


def test_the_settings_are_toml() -> None:
    read = tomllib.loads(settings.containers_conf())
    assert read["engine"]["exit_command_delay"] < 300


def test_what_an_administrator_chose_is_left(nowhere: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CONTAINERS_CONF", "/their/own.conf")
    monkeypatch.setenv("NOTIFY_SOCKET", "/run/notify")
    environment = settings.service_environment(nowhere)
    assert environment["CONTAINERS_CONF"] == "/their/own.conf"
    assert "NOTIFY_SOCKET" not in environment
    assert not list(nowhere.iterdir())
