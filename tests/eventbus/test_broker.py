from __future__ import annotations

import asyncio
import json
import os
import signal
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from eventbus import broker as broker_module
from eventbus import broker_config, broker_lock
from eventbus.broker import PrivateBroker, find_program
from eventbus.connect import transport
from eventbus.listener import Listener
from eventbus.transport import BusError, Session
from tests.eventbus.conftest import Bus, Ear, free_port, until

HUB = """
import asyncio, sys
from pathlib import Path
from eventbus.broker import PrivateBroker

async def main():
    async with PrivateBroker(Path(sys.argv[1]), port=int(sys.argv[2]), kind=sys.argv[3]) as broker:
        print(broker.pid, flush=True)
        await asyncio.sleep(1000)

asyncio.run(main())
"""


def kept(url: str) -> Session:
    return Session(url, "hub", subscriptions=["t/+"], expiry=3600)


@pytest.fixture(params=["mosquitto", "nats"])
def kind(request: pytest.FixtureRequest) -> str:
    return str(request.param)


async def test_it_accepts_mqtt_and_says_which_it_is(tmp_path: Path, kind: str) -> None:
    port = free_port()
    async with PrivateBroker(tmp_path / "new" / "dir", port=port, kind=kind) as broker:
        assert (broker.kind, broker.url) == (kind, f"mqtt://127.0.0.1:{port}")
        async with transport(Session(broker.url, "c")) as client:
            assert client.statistics().connected
        pid = broker.pid
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)


async def test_only_this_machine_reaches_it(mosquitto: PrivateBroker) -> None:
    listening = [line.split() for line in Path("/proc/net/tcp").read_text().splitlines()[1:]]
    addresses = {
        f[1].split(":")[0] for f in listening if f[3] == "0A" and int(f[1].split(":")[1], 16) == mosquitto.port
    }
    assert addresses == {"0100007F"}


async def test_unix_socket(mosquitto: PrivateBroker) -> None:
    for kind in ("mqtt5", "paho"):
        hub = transport(Session(mosquitto.socket_url, "hub", subscriptions=["t/+"]), kind)
        ear = Ear(hub)
        async with hub:
            await Bus(mosquitto, kind).send("t/a", [b"1", b"2"])
            await ear.heard(2)
        assert ear.payloads == [b"1", b"2"]


async def test_it_is_restarted_with_a_line_for_going_and_one_for_coming(
    tmp_path: Path, kind: str, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO", "eventbus.broker")
    async with PrivateBroker(tmp_path, port=free_port(), kind=kind) as broker:
        for _ in range(3):
            caplog.clear()
            pid = broker.pid
            os.kill(pid, signal.SIGKILL)
            await until(lambda: "is back" in caplog.text)
            assert broker.pid != pid
            assert [r.levelname for r in caplog.records] == ["WARNING", "INFO"]
            assert "SIGKILL" in caplog.text
        async with transport(Session(broker.url, "c")) as client:
            assert client.statistics().connected


async def test_sessions_and_their_messages_outlive_a_restart(tmp_path: Path, kind: str) -> None:
    port = free_port()
    async with PrivateBroker(tmp_path, port=port, kind=kind) as broker:
        async with transport(kept(broker.url)):
            pass
        await Bus(broker, "").send("t/a", [b"1", b"2", b"3"])
        await Bus(broker, "").send("t/stored", [b"stored"], retain=True)
    async with PrivateBroker(tmp_path, port=port, kind=kind) as broker:
        hub = transport(kept(broker.url))
        ear = Ear(hub)
        async with hub:
            await ear.heard(4)
        assert ear.ups == [True]
        assert [m.payload for m in ear.messages if m.topic == "t/a"] == [b"1", b"2", b"3"]
        late = transport(Session(broker.url, "late", subscriptions=["t/stored"]))
        ear = Ear(late)
        async with late:
            await ear.heard(1)
        assert ear.messages[0].retained


async def test_when_the_hub_is_killed_the_broker_saves_and_ends(tmp_path: Path, kind: str) -> None:
    port = free_port()
    url = f"mqtt://127.0.0.1:{port}"
    hub = subprocess.Popen([sys.executable, "-c", HUB, str(tmp_path), str(port), kind], stdout=subprocess.PIPE)
    pid = int(await asyncio.to_thread(hub.stdout.readline))
    hub.stdout.close()
    async with transport(kept(url)):
        pass
    async with transport(Session(url, "sender")) as sender:
        assert sender.publish("t/a", b"before the kill")
        await until(lambda: not sender.statistics().queued)
    hub.kill()
    hub.wait()
    async with PrivateBroker(tmp_path, port=port, kind=kind) as broker:  # at once: it waits for the first to end
        assert broker.pid != pid
        again = transport(kept(url))
        ear = Ear(again)
        async with again:
            await ear.heard(1)
    assert ear.payloads == [b"before the kill"]


async def test_two_brokers_do_not_share_a_directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(broker_lock, "TIMEOUT", 0.2)
    async with PrivateBroker(tmp_path, port=free_port()):
        with pytest.raises(BusError, match=f"another broker works in {tmp_path}"):
            async with PrivateBroker(tmp_path, port=free_port()):
                pass


async def test_port_in_use(tmp_path: Path, kind: str) -> None:
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = other.getsockname()[1]
        with pytest.raises(BusError, match=f"cannot listen on 127.0.0.1:{port}.*choose another port"):
            async with PrivateBroker(tmp_path, port=port, kind=kind):
                pass


async def test_unusable_directory(tmp_path: Path, kind: str) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(BusError, match=r"cannot live in .*choose another"):
        async with PrivateBroker(tmp_path / "file" / "dir", port=free_port(), kind=kind):
            pass


async def test_broker_that_ends_at_once_is_quoted(tmp_path: Path) -> None:
    (tmp_path / "mosquitto.db").write_bytes(b"this is no database of mosquitto")
    with pytest.raises(BusError) as caught:
        async with PrivateBroker(tmp_path, port=free_port(), kind="mosquitto"):
            pass
    assert "ended at once" in str(caught.value)
    assert "persistent" in str(caught.value)
    assert str(tmp_path / "mosquitto.conf") in str(caught.value)


async def test_restart_that_fails_is_told_once_and_tried_on(
    mosquitto: PrivateBroker, caplog: pytest.LogCaptureFixture
) -> None:
    config = mosquitto.directory / "mosquitto.conf"
    good = config.read_text()
    config.write_text("nonsense\n")
    pid = mosquitto.pid
    os.kill(pid, signal.SIGKILL)
    caplog.set_level("DEBUG", "eventbus.broker")
    await until(lambda: caplog.text.count("Unknown configuration variable") > 2)
    config.write_text(good)
    async with asyncio.timeout(10), transport(Session(mosquitto.url, "c")):
        pass
    await until(lambda: mosquitto.pid != pid)
    assert caplog.text.count("trying on") == 1


async def test_nats_says_that_it_stands_in(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO", "eventbus.broker")
    async with PrivateBroker(tmp_path, port=free_port(), kind="nats"):
        pass
    assert "nats-server stands in" in caplog.text


def test_mosquitto_is_found_without_roots_path(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "/usr/bin:/bin")
    assert find_program() == ("mosquitto", "/usr/sbin/mosquitto")


def test_stand_in_is_found_beside_our_python(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "/nowhere")
    monkeypatch.setattr(broker_module, "SYSTEM_PLACES", ())
    assert find_program() == ("nats", str(Path(sys.executable).parent / "nats-server"))


def test_without_any_broker_the_user_is_told_what_to_install(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", "/nowhere")
    monkeypatch.setattr(broker_module, "SYSTEM_PLACES", ())
    monkeypatch.setattr(sys, "executable", str(tmp_path / "python"))
    with pytest.raises(BusError, match=r"apt-get install mosquitto.*twinhub\[embedded-broker\]"):
        find_program()


def test_configuration_as_written(tmp_path: Path) -> None:
    text = broker_config.mosquitto(tmp_path, [Listener("127.0.0.1", 1883)], tmp_path / "s", users=False)
    settings = dict(
        line.split(" ", 1) for line in text.splitlines() if line and not line.startswith(("#", "listener"))
    )
    assert settings["set_tcp_nodelay"] == "true"
    assert settings["persistence"] == "true"
    assert ("user" in settings) == (os.geteuid() == 0)
    assert f"listener 1883 127.0.0.1\nlistener 0 {tmp_path}/s\n" in text
    assert json.loads(broker_config.nats(tmp_path, "127.0.0.1", 1883))["mqtt"]["port"] == 1883
