"""Who is trusted, who is let in, and what is said when not."""

from __future__ import annotations

import re
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from device_models import Device
from mappers.opcua import trust
from mappers.opcua.rig import RIG
from mappers.testing.running import running
from mappers.testing.side import MemorySide, until

D = "default/thing"
TEMPERATURE = {"t-ro": ("DOUBLE", {"nodeId": "ns=2;s=Boiler.Temperature"})}
USER = {"userName": "operator", "password": "boiler"}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "trust"


@pytest.fixture
async def trusted(boiler: Any, folder: Path, device: Callable[..., Device]) -> Path:
    """A trust folder that knows the server, as a user makes it."""
    async with running("opcua", [_device(boiler, device, folder, **USER)]) as side:
        await until(lambda: "twinhub trust" in _reason(side))
        command = re.findall(r"twinhub trust (\S+) ([0-9a-f]{64})$", _reason(side))
        assert not _good(side)
        [(server, digits)] = command
        trust.trust(Path(server), digits)
        await until(lambda: _good(side))
    return folder


def _device(server: Any, device: Callable[..., Device], folder: Path, **more: Any) -> Device:
    safe = {"securityPolicy": "Basic256Sha256", "trustFolder": str(folder), "timeout": 5}
    return device(server.url, TEMPERATURE, **(safe | more))


def _reason(side: MemorySide) -> str:
    last = side.last(D, "t-ro")
    return last.reason if last else ""


def _good(side: MemorySide) -> bool:
    return side.quality(D, "t-ro") == "good"


async def test_a_server_is_refused_until_it_is_trusted(trusted: Path) -> None:
    assert [each.state for each in trust.certificates(trust.servers(trusted)[0])] == ["trusted"]
    assert (trusted / "own" / "key.pem").stat().st_mode & 0o077 == 0


@pytest.mark.parametrize(
    ("policy", "mode"),
    [
        ("Basic256Sha256", "Sign"),
        ("Aes128_Sha256_RsaOaep", "SignAndEncrypt"),
        ("Aes256Sha256RsaPss", "SignAndEncrypt"),
    ],
)
async def test_policies_and_modes(
    boiler: Any, device: Callable[..., Device], trusted: Path, policy: str, mode: str
) -> None:
    safe = {"securityPolicy": policy, "securityMode": mode}
    async with running("opcua", [_device(boiler, device, trusted, **safe, **USER)]) as side:
        await until(lambda: _good(side))


async def test_a_changed_certificate_is_refused_again(
    boiler: Any, device: Callable[..., Device], trusted: Path
) -> None:
    [server] = trust.servers(trusted)
    [known] = (server / "trusted").iterdir()
    other = b"another certificate"
    known.unlink()
    (server / "trusted" / f"{trust.fingerprint(other)}.der").write_bytes(other)
    async with running("opcua", [_device(boiler, device, trusted, **USER)]) as side:
        await until(lambda: "the server's certificate has changed and is not trusted: SHA-256" in _reason(side))


async def test_a_user_by_certificate(boiler: Any, device: Callable[..., Device], trusted: Path) -> None:
    own = trusted / "own"
    user = {"userCertificate": str(own / "certificate.der"), "userPrivateKey": str(own / "key.pem")}
    async with running("opcua", [_device(boiler, device, trusted, **user)]) as side:
        await until(lambda: _good(side))


async def test_wrong_passwords_are_said_and_never_shown(
    boiler: Any, device: Callable[..., Device], trusted: Path, caplog: Any
) -> None:
    caplog.set_level("DEBUG")
    user = {"userName": "operator", "password": "gehe1m"}
    async with running("opcua", [_device(boiler, device, trusted, **user)]) as side:
        await until(lambda: "the server does not let operator in; check userName and password" in _reason(side))
    assert "gehe1m" not in caplog.text


async def test_files_that_are_not_there_are_named(boiler: Any, device: Callable[..., Device], trusted: Path) -> None:
    missing = {"userName": "operator", "passwordFile": str(trusted / "nothing")}
    async with running("opcua", [_device(boiler, device, trusted, **missing)]) as side:
        await until(lambda: "cannot read passwordFile" in _reason(side))
    shutil.copy(trusted / "own" / "key.pem", trusted / "broken.pem")
    wrong = {"certificate": str(trusted / "broken.pem"), "privateKey": str(trusted / "own" / "key.pem")}
    async with running("opcua", [_device(boiler, device, trusted, **USER, **wrong)]) as side:
        await until(lambda: "are no certificate and key" in _reason(side))


async def test_a_policy_that_the_server_does_not_offer(device: Callable[..., Device], folder: Path) -> None:
    async with RIG.stands(1) as (stand,), running("opcua", [_device(stand, device, folder)]) as side:
        await until(lambda: "the server has no Basic256Sha256 SignAndEncrypt; it has None None" in _reason(side))


async def test_a_password_without_protection_is_remarked_once(
    boiler: Any, device: Callable[..., Device], caplog: Any
) -> None:
    plain = device(boiler.url.replace("localhost", "127.0.0.1"), TEMPERATURE, **USER)
    for _ in range(2):
        async with running("opcua", [plain]) as side:
            await until(lambda side=side: _good(side))  # type: ignore[misc]
    assert len([message for message in caplog.messages if "has not shown who it is" in message]) == 1
