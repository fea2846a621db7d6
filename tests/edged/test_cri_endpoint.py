from __future__ import annotations

import socket
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from grpc.aio import server

from edged.cri import CriRuntime
from edged.cri.endpoint import VARIABLE, find, socket_of
from edged.runtime import RuntimeUnavailable


@contextmanager
def listening(path: Path) -> Iterator[Path]:
    with socket.socket(socket.AF_UNIX) as one:
        one.bind(str(path))
        yield path


@pytest.fixture
def absent(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """A machine without an engine."""
    monkeypatch.delenv(VARIABLE, raising=False)
    monkeypatch.setattr("edged.cri.endpoint.SOCKETS", (tmp_path / "a.sock", tmp_path / "b.sock"))
    return tmp_path


def test_the_first_that_is_there(absent: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with listening(absent / "b.sock"):
        assert find() == str(absent / "b.sock")
        with listening(absent / "a.sock"):
            assert find() == str(absent / "a.sock")
        monkeypatch.setenv(VARIABLE, "unix:///elsewhere")
        assert find() == "unix:///elsewhere"


def test_the_forms_of_an_address(tmp_path: Path) -> None:
    with listening(tmp_path / "e.sock") as path:
        assert socket_of(f"unix://{path}") == socket_of(str(path)) == path


@pytest.mark.parametrize("address", ["tcp://1.2.3.4:5", "e.sock", "unix://e.sock"])
def test_what_is_no_address(address: str) -> None:
    with pytest.raises(RuntimeUnavailable, match="unix:///path"):
        socket_of(address)


async def test_no_engine_is_told_with_advice(absent: Path) -> None:
    with pytest.raises(RuntimeUnavailable, match="install containerd"):
        await CriRuntime().__aenter__()
    with pytest.raises(RuntimeUnavailable, match="start its service"):
        await CriRuntime(endpoint=f"unix://{absent}/a.sock").__aenter__()


async def test_an_engine_without_the_interface_is_told_with_advice(tmp_path: Path) -> None:
    engine = server()
    engine.add_insecure_port(f"unix://{tmp_path}/e.sock")
    await engine.start()
    try:
        with pytest.raises(RuntimeUnavailable, match="disabled_plugins"):
            await CriRuntime(endpoint=f"unix://{tmp_path}/e.sock").__aenter__()
    finally:
        await engine.stop(None)


async def test_nobody_at_the_socket_is_an_absence(tmp_path: Path) -> None:
    with listening(tmp_path / "e.sock") as path, pytest.raises(RuntimeUnavailable, match="does not answer"):
        await CriRuntime(endpoint=str(path)).__aenter__()
