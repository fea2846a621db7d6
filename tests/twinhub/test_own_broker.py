"""A hub whose private broker has users: who gets in, who may do what, and that we find our own way."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from live_plant import Plant, free_port, process, twinhub, wait_for
from live_pods import Node, make_node

from edged.node_status import address_of
from twinhub.client import TwinClient
from twinhub.errors import CommandError
from twinhub.state_dir import running_broker

PRESS = """\
apiVersion: devices.kubeedge.io/v1beta1
kind: DeviceModel
metadata: {name: press, namespace: line-2}
spec:
  protocol: external
  properties:
  - {name: force, type: INT, accessMode: ReadWrite, minimum: "0", maximum: "100"}
---
apiVersion: devices.kubeedge.io/v1beta1
kind: Device
metadata: {name: press, namespace: line-2}
spec:
  deviceModelRef: {name: press}
  protocol: {protocolName: external}
"""
USERS = """
  users:
  - {name: dashboard, password: {file: dashboard}, read: ["*"]}
  - {name: hmi, password: {env: HMI_PASSWORD}, steer: [line-2/*]}
  - {name: other, password: {file: dashboard}, steer: [line-3/*]}
"""
PASSWORDS = {"dashboard": "d4shb0ard", "hmi": "hm1-p@ss"}


@pytest.fixture
def node(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Node]:
    """Nothing running."""
    node = make_node(tmp_path)
    node.state = node.folder / ".twinhub"
    (node.folder / "press.yaml").write_text(PRESS)
    (node.folder / "dashboard").write_text(f"{PASSWORDS['dashboard']}\n")
    monkeypatch.setenv("HMI_PASSWORD", PASSWORDS["hmi"])
    settle(node)
    yield node
    node.end()


def settle(node: Node, more: str = "") -> None:
    settings = f"node: edge-7\nbroker:\n  port: {node.port}{more}{USERS}pods: {{runtime: process}}\n"
    (node.folder / "twinhub.yaml").write_text(settings)


def as_user(node: Node, name: str, *words: str, password: str = "") -> subprocess.CompletedProcess[str]:
    """A command with the credentials of a user."""
    url = f"mqtt://{name}:{(password or PASSWORDS[name]).replace('@', '%40')}@127.0.0.1:{node.port}"
    return twinhub(*words, "--timeout", "2", TWINHUB_BROKER=url)


def beside(node: Node, *words: str) -> subprocess.CompletedProcess[str]:
    """A command in the folder of the hub, with no option."""
    environment = {name: value for name, value in os.environ.items() if name != "TWINHUB_BROKER"}
    command = [sys.executable, "-m", "twinhub", *words]
    return subprocess.run(
        command, capture_output=True, text=True, timeout=60, check=False, cwd=node.folder, env=environment
    )


def test_each_may_do_what_the_settings_say(node: Node) -> None:
    for _ in range(2):  # the second time with everything of the first
        with node.hub():
            assert beside(node, "set", "line-2/press", "force", "10").returncode == 0
            assert "line-2/press" in as_user(node, "dashboard", "get").stdout
            assert as_user(node, "hmi", "set", "line-2/press", "force", "20").returncode == 0
            assert "20" in as_user(node, "hmi", "get", "line-2/press", "--json").stdout
            refused = as_user(node, "dashboard", "set", "line-2/press", "force", "30")
            assert "dashboard may not ask that" in refused.stderr
            refused = as_user(node, "other", "set", "line-2/press", "force", "30", password=PASSWORDS["dashboard"])
            assert "other may not ask that" in refused.stderr
            assert "20" in beside(node, "get", "line-2/press", "--json").stdout
    log = node.log.read_text()
    assert not [secret for secret in (*PASSWORDS.values(), own_password(node)) if secret in log]


def own_password(node: Node) -> str:
    return (node.state / "broker-password").read_text()


def test_who_is_not_known_gets_one_sentence(node: Node) -> None:
    with node.hub():
        anonymous = node.twinhub("get")
        wrong = as_user(node, "hmi", "get", password="wr0ng")
    for done, advice in (
        (anonymous, "name a user: mqtt://USER:PASSWORD@HOST"),
        (wrong, "check the user name and the"),
    ):
        assert done.returncode == 1
        assert advice in done.stderr
        assert len(done.stderr.strip().splitlines()) == 1
        assert "wr0ng" not in done.stderr


def test_passwords_that_are_not_there_are_said(node: Node) -> None:
    (node.folder / "dashboard").write_text("\n")
    done = beside(node, "run", ".")
    assert "the password of dashboard is empty" in done.stderr
    (node.folder / "dashboard").unlink()
    done = beside(node, "run", ".")
    assert "cannot read the password file dashboard" in done.stderr
    assert "Traceback" not in done.stderr


def test_what_holds_our_password_is_for_its_owner(node: Node) -> None:
    with node.hub():
        for name in ("broker-password", "broker-url", "broker/users", "broker/acl"):
            assert (node.state / name).stat().st_mode & 0o077 == 0
        url = running_broker(node.state)
        assert url
        assert own_password(node) in url
        assert own_password(node) not in beside(node, "get").stdout
        with TwinClient(url) as client:
            assert client.devices()


def test_mappers_find_their_way_in_and_beside_the_hub(plant: Plant) -> None:
    plant.edit("twinhub.yaml", "broker:", "broker:\n  users: [{name: a, password: {env: HOME}, read: ['*']}]")
    settings = (plant.folder / "twinhub.yaml").read_text()
    for mappers in ("true", "false"):
        (plant.folder / "twinhub.yaml").write_text(f"{settings}\nmappers: {mappers}\n")
        with plant.plc(), plant.hub(), beside_hub(plant, mappers == "false"):
            wait_for(lambda: fresh(plant), f"a reading with mappers: {mappers}")


@contextmanager
def beside_hub(plant: Plant, runs: bool) -> Iterator[None]:
    command = [sys.executable, "-m", "twinhub", "mapper", "run", "modbus", plant.folder, "--state-dir", plant.state]
    if not runs:
        yield
        return
    with process(command, plant.log.with_name("mapper.log")):
        yield


def fresh(plant: Plant) -> bool:
    """A reading of the hub that runs now: its time is after the hub's start."""
    url = running_broker(plant.state)
    if not url:
        return False
    with TwinClient(url) as client:
        speed = client.twin("default/pump").get("speed")
    said = speed.actual if speed else None
    at = said.metadata.timestamp if said and said.metadata else 0
    return at > (plant.state / "broker-url").stat().st_mtime * 1000


def test_a_pod_is_bound_to_the_rights_of_its_device(node: Node) -> None:
    settle(node, "\n  listen: 0.0.0.0")
    node.declare("app", device="line-2/press")
    with node.hub():
        with TwinClient(running_broker(node.state) or "") as client:
            client.wish("line-2/press", {"force": "1"})
        online(node)
        wait_for(lambda: node.runs("app"), "the pod runs")
        environment = Path(f"/proc/{node.pid('app')}/environ").read_text().split("\0")
        env = dict(entry.split("=", 1) for entry in environment if "=" in entry)
        assert env["TWINHUB_BROKER"] == f"mqtt://{address_of() or '127.0.0.1'}:{node.port}"
        user, password = env["TWINHUB_BROKER_USER"], env["TWINHUB_BROKER_PASSWORD"]
        with TwinClient(with_user(env["TWINHUB_BROKER"], user, password), timeout=2) as client:
            client.wish("line-2/press", {"force": "7"})
            with pytest.raises(CommandError, match="may not ask that"):
                client.twin("default/pod.app")
        shown = [beside(node, *words) for words in (("describe", "pod", "app"), ("logs", "app"), ("get", "pods"))]
        assert password not in "".join(done.stdout + done.stderr for done in shown) + node.log.read_text()
        pid = node.pid("app")
    with node.hub():
        online(node)
        wait_for(lambda: "line-2/press" in beside(node, "get").stdout, "the hub is back")
        assert node.pid("app") == pid, "its environment is the same, so it goes on"
        node.drop("app")
        wait_for(lambda: user not in (node.state / "broker" / "acl").read_text(), "its user is gone with it")


def with_user(url: str, user: str, password: str) -> str:
    return url.replace("://", f"://{user.replace('@', '%40').replace('/', '%2F')}:{password}@")


def online(node: Node) -> None:
    """The press says that it is there."""
    with TwinClient(running_broker(node.state) or "") as client:
        client._client.publish("$hw/events/device/line-2/press/state/update", b'{"state": "online"}', qos=1)
        client.twin("line-2/press")


def test_others_come_in_by_tls_alone(node: Node) -> None:
    subject, key = ["-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost"], node.folder / "key.pem"
    certificate = node.folder / "cert.pem"
    made = [
        "openssl",
        "req",
        "-x509",
        "-newkey",
        "ec",
        "-pkeyopt",
        "ec_paramgen_curve:prime256v1",
        "-nodes",
        *subject,
    ]
    subprocess.run([*made, "-keyout", key, "-out", certificate], check=True, capture_output=True)
    port = free_port()
    settle(node, f"\n  listen: 0.0.0.0\n  tls: {{certFile: cert.pem, keyFile: key.pem, port: {port}}}")
    with node.hub():
        url = f"mqtts://dashboard:{PASSWORDS['dashboard']}@localhost:{port}"
        assert "line-2/press" in twinhub("get", "--ca-file", certificate, TWINHUB_BROKER=url).stdout
        assert "line-2/press" in beside(node, "get").stdout
        with pytest.raises(OSError, match="refused"):
            socket.create_connection(("127.0.0.2", node.port), 5)
    (node.folder / "cert.pem").unlink()
    assert "there is no file" in beside(node, "run", ".").stderr
