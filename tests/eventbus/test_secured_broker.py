"""Passwords, access lists, TLS and a limit on messages: a mosquitto that is not ours, with both transports."""

from __future__ import annotations

import asyncio
import os
import subprocess
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from eventbus.broker import find_program
from eventbus.child_process import ChildProcess
from eventbus.connect import transport
from eventbus.transport import BusError, Session, Transport
from tests.eventbus.conftest import Ear, free_port, until

CONFIG = """
{user}
per_listener_settings true
listener {tls} 127.0.0.1
cafile {dir}/ca.pem
certfile {dir}/localhost.pem
keyfile {dir}/localhost.key
require_certificate true
allow_anonymous true
listener {plain} 127.0.0.1
password_file {dir}/passwords
acl_file {dir}/acl
message_size_limit 1000
max_queued_messages 5000
set_tcp_nodelay true
"""


def openssl(directory: Path, *arguments: str) -> None:
    subprocess.run(["openssl", *arguments], cwd=directory, check=True, capture_output=True)


@pytest.fixture(scope="session")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Path:
    directory = tmp_path_factory.mktemp("certificates")
    key = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2"]
    for name in ("ca", "other-ca"):
        subject = ["-subj", f"/CN={name}"]
        openssl(directory, "req", "-x509", *key, "-keyout", f"{name}.key", "-out", f"{name}.pem", *subject)
    for name in ("localhost", "hub"):
        openssl(directory, "req", *key[:-2], "-keyout", f"{name}.key", "-out", f"{name}.csr", "-subj", f"/CN={name}")
        (directory / "ext").write_text(f"subjectAltName=DNS:{name}")
        openssl(directory, "x509", "-req", "-in", f"{name}.csr", "-CA", "ca.pem", "-CAkey", "ca.key", "-days", "2",
                "-CAcreateserial", "-extfile", "ext", "-out", f"{name}.pem")  # fmt: skip
    return directory


class Broker:
    def __init__(self, directory: Path, plain: int, tls: int) -> None:
        self.directory = directory
        self.plain = f"mqtt://127.0.0.1:{plain}"
        self.tls = f"mqtts://localhost:{tls}"

    def tls_files(self, **other: str) -> dict[str, str]:
        files = {"ca_file": "ca.pem", "cert_file": "hub.pem", "key_file": "hub.key"} | other
        return {name: str(self.directory / file) for name, file in files.items() if file}


@pytest.fixture
async def secured(certificates: Path) -> AsyncIterator[Broker]:
    plain, tls = free_port(), free_port()
    (certificates / "acl").write_text("user hub\ntopic readwrite t/#\n")
    (certificates / "passwords").unlink(missing_ok=True)
    subprocess.run(["mosquitto_passwd", "-c", "-b", certificates / "passwords", "hub", "s3cret"], check=True)
    config = certificates / "mosquitto.conf"
    user = "user root" if os.geteuid() == 0 else ""
    config.write_text(CONFIG.format(user=user, dir=certificates, plain=plain, tls=tls))
    program = find_program("mosquitto").path
    child = await ChildProcess.start(program, [program, "-c", str(config)])
    try:
        await until(lambda: "running" in child.last_words)
        yield Broker(certificates, plain, tls)
    finally:
        await child.stop()


@pytest.fixture(params=["mqtt5", "paho"])
def kind(request: pytest.FixtureRequest) -> Any:
    return request.param


async def echo(client: Transport) -> None:
    ear = Ear(client)
    async with client:
        assert client.publish("t/a", b"x" * 500)
        await ear.heard(1)


async def test_right_password(secured: Broker, kind: Any) -> None:
    await echo(transport(Session(secured.plain, "c", username="hub", password="s3cret", subscriptions=["t/+"]), kind))


@pytest.mark.parametrize("credentials", [{}, {"username": "hub"}, {"username": "hub", "password": "wr0ng"}])
async def test_wrong_password_is_an_error_with_advice_and_without_the_password(
    secured: Broker, kind: Any, credentials: dict[str, str], caplog: pytest.LogCaptureFixture
) -> None:
    with pytest.raises(BusError, match="check the user name and the password") as caught:
        async with transport(Session(secured.plain, "c", **credentials), kind):
            pass
    assert secured.plain in str(caught.value)
    assert "wr0ng" not in str(caught.value) + caplog.text


async def test_what_the_access_list_forbids_does_not_stop_the_rest(secured: Broker, kind: Any) -> None:
    client = transport(Session(secured.plain, "c", username="hub", password="s3cret", subscriptions=["t/+"]), kind)
    ear = Ear(client)
    async with client:
        assert client.publish("forbidden", b"1")
        assert client.publish("t/a", b"2")
        await ear.heard(1)
        await until(lambda: not client.statistics().queued)
    assert ear.payloads == [b"2"]
    assert ear.downs == 0


async def test_message_over_the_brokers_limit_is_not_sent_for_ever(secured: Broker, kind: Any) -> None:
    client = transport(Session(secured.plain, "c", username="hub", password="s3cret", subscriptions=["t/+"]), kind)
    ear = Ear(client)
    async with client:
        assert client.publish("t/a", b"x" * 2000)
        assert client.publish("t/a", b"small")
        await ear.heard(1)
        await until(lambda: not client.statistics().queued)
    assert ear.payloads == [b"small"]
    assert ear.downs == 0


async def test_tls_with_certificates_on_both_sides(secured: Broker, kind: Any) -> None:
    await echo(transport(Session(secured.tls, "c", subscriptions=["t/+"], **secured.tls_files()), kind))


async def test_many_messages_through_tls(secured: Broker, kind: Any) -> None:
    """TLS hands out more than one read's worth at a time, and takes less than one write's."""
    client = transport(Session(secured.tls, "c", subscriptions=["t/+"], **secured.tls_files()), kind)
    ear = Ear(client)
    payloads = [b"%d," % i + b"x" * 700 for i in range(2000)]
    async with client:
        for payload in payloads:
            assert client.publish("t/a", payload)
        await ear.heard(2000)
        client.pause()
        client.publish("t/a", b"later")
        assert not ear.messages[2000:]
        client.resume()
        await ear.heard(2001)
    assert ear.payloads == [*payloads, b"later"]


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")  # paho does not close the socket
@pytest.mark.parametrize(
    ("files", "url", "words"),
    [
        ({"ca_file": "other-ca.pem"}, "", "give the CA that signed the broker's certificate"),
        ({"ca_file": ""}, "", "give the CA that signed the broker's certificate"),
        ({}, "127.0.0.1", "use the host name it was made for"),
    ],
)
async def test_broker_that_cannot_be_trusted(
    secured: Broker, kind: Any, files: dict[str, str], url: str, words: str
) -> None:
    address = secured.tls.replace("localhost", url) if url else secured.tls
    with pytest.raises(BusError, match=words):
        async with transport(Session(address, "c", **secured.tls_files(**files)), kind):
            pass


async def test_missing_client_certificate_is_told(
    secured: Broker, kind: Any, caplog: pytest.LogCaptureFixture
) -> None:
    """With TLS 1.3 the refusal comes after the handshake, and mosquitto may close before it can be read."""
    session = Session(secured.tls, "c", **secured.tls_files(cert_file="", key_file=""))
    entering = asyncio.create_task(transport(session, kind).__aenter__())
    await until(lambda: "does it ask for a certificate?" in caplog.text or entering.done())
    entering.cancel()
    await asyncio.wait([entering])
    if not entering.cancelled():
        assert "accepts our certificate and key" in str(entering.exception())


async def test_port_without_tls_is_told(secured: Broker, caplog: pytest.LogCaptureFixture) -> None:
    url = secured.plain.replace("mqtt://127.0.0.1", "mqtts://localhost")
    entering = asyncio.create_task(transport(Session(url, "c", **secured.tls_files()), "mqtt5").__aenter__())
    await until(lambda: "cannot be reached yet" in caplog.text or entering.done())
    entering.cancel()
    with pytest.raises(asyncio.CancelledError):
        await entering
    assert f"{url} cannot be reached yet" in caplog.text
