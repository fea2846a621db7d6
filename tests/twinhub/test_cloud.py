"""A cloud and an edge as people run them: processes, the boiler plant's PLC, and the command line."""

import json
import signal
import socket
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import NamedTuple

import pytest
from live_cloud import LiveCloud, make_cloud
from live_plant import Plant, free_port, make_plant, twinhub, wait_for

NODE = "boiler-house"
"""As the plant's twinhub.yaml calls it."""


class BothEnds(NamedTuple):
    cloud: LiveCloud
    plant: Plant
    identity: Path
    edge_metrics: int
    """The port."""

    @contextmanager
    def edge(self) -> Iterator[None]:
        with self.plant.hub(f"--identity={self.identity}"):
            yield

    def connected(self) -> bool:
        node = self.cloud.node(NODE)
        return node is not None and node.state == "connected"

    def channels(self) -> set[str]:
        node = self.cloud.node(NODE)
        return {link.channel for link in node.links} if node else set()


def make_both_ends(scratch: Path) -> BothEnds:
    ends = BothEnds(make_cloud(scratch), make_plant(scratch), scratch / f"identity-{NODE}", free_port())
    ends.plant.edit("twinhub.yaml", "cloud:", f"cloud:\n  metricsPort: {ends.edge_metrics}")
    return ends


@pytest.fixture(scope="module")
def both_ends(tmp_path_factory: pytest.TempPathFactory) -> Iterator[BothEnds]:
    """PLC, cloud, and the edge that has joined it; every device has been read and the cloud knows of it."""
    ends = make_both_ends(tmp_path_factory.mktemp("ends"))
    with ExitStack() as stack:
        stack.enter_context(ends.plant.plc())
        stack.enter_context(ends.cloud.running())
        ends.cloud.join(NODE)
        stack.enter_context(ends.edge())
        wait_for(
            lambda: ends.cloud.value("tank", "level") and ends.cloud.value("pump", "speed"), "the cloud has readings"
        )
        yield ends


def test_a_node_is_shown_with_its_links(both_ends: BothEnds) -> None:
    wait_for(lambda: both_ends.channels() >= {"hub", "bus"}, "both channels are open")
    header, row = both_ends.cloud.twinhub("get", "nodes").stdout.splitlines()
    assert header.split() == ["NODE", "STATE", "SINCE", "LINKS", "DEVICES", "WAITING", "ADDRESS"]
    assert row.split()[:2] == [NODE, "connected"]
    assert "hub" in row
    assert "bus" in row


def test_what_is_declared_at_the_edge_appears_in_the_cloud(both_ends: BothEnds) -> None:
    found = json.loads(both_ends.cloud.twinhub("get", "devices", "--json").stdout)
    origins = {one["id"]: one["origin"] for one in found}
    assert {origins[f"default/{name}"] for name in ("boiler", "pump", "tank")} == {NODE}
    shown = both_ends.cloud.twinhub("get", "devices", "pump").stdout
    assert "at the edge" in shown


def test_a_twin_in_the_cloud_is_the_twin_at_the_edge(both_ends: BothEnds) -> None:
    lines = both_ends.cloud.twinhub("get", "twins", "boiler").stdout.splitlines()
    pressure = next(line.split() for line in lines if line.startswith("pressure"))
    assert pressure[2:4] == ["bar", "good"]
    assert 1.0 < float(pressure[1]) < 3.0
    assert both_ends.cloud.value("boiler", "hot") == both_ends.plant.value("boiler", "hot") == "false"
    every = both_ends.cloud.twinhub("get", "twins").stdout
    assert "default/tank" in every


def test_a_value_set_in_the_cloud_reaches_the_plc_and_is_reported_back(both_ends: BothEnds) -> None:
    done = both_ends.cloud.twinhub("set", "pump", "speed-set-point", "1400", "--wait", "--json")
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["met"] is True
    assert both_ends.plant.value("pump", "speed-set-point") == "1400"
    wait_for(lambda: abs(int(both_ends.plant.value("pump", "speed")) - 1400) < 50, "the pump follows")


def test_a_value_set_at_the_edge_is_shown_in_the_cloud(both_ends: BothEnds) -> None:
    assert both_ends.plant.twinhub("set", "pump", "speed-set-point", "1325", "--wait").returncode == 0
    wait_for(lambda: both_ends.cloud.value("pump", "speed-set-point") == "1325", "the cloud knows")
    assert both_ends.cloud.twinhub("set", "pump", "speed-set-point", "1300", "--wait").returncode == 0


def test_a_value_that_may_not_be_set_is_refused(both_ends: BothEnds) -> None:
    for words, advice in (
        (("pump", "speed-set-point", "9000"), "maximum of 2900 rpm"),
        (("pump", "speed", "900"), "read-only"),
        (("pump", "sped-set-point", "900"), "did you mean speed-set-point?"),
        (("pmup", "speed", "900"), "did you mean default/pump?"),
    ):
        done = both_ends.cloud.twinhub("set", *words)
        assert done.returncode == 1
        (line,) = done.stderr.splitlines()
        assert advice in line


def test_readings_that_were(both_ends: BothEnds) -> None:
    ask = ("get", "twins", "boiler", "--property", "flow-temperature")
    wait_for(lambda: len(both_ends.cloud.twinhub(*ask, "--since", "1h").stdout.splitlines()) > 3, "there are some")
    readings = json.loads(both_ends.cloud.twinhub(*ask, "--since", "1h", "--json").stdout)
    assert all(one["quality"] == "good" and 40 < float(one["value"]) < 100 for one in readings)
    assert [one["time"] for one in readings] == sorted(one["time"] for one in readings)
    (then,) = json.loads(both_ends.cloud.twinhub(*ask, "--at", "0s", "--json").stdout)
    assert then["time"] >= readings[-1]["time"]
    done = both_ends.cloud.twinhub(*ask, "--at", "2001-01-01")
    assert done.returncode == 1
    assert "no reading" in done.stderr


def test_log_lines_of_an_edge(both_ends: BothEnds) -> None:
    plant, cloud = both_ends.plant, both_ends.cloud
    plant.edit("tank.yaml", "offset: 5", "offset: five")
    wait_for(lambda: "the edit is refused" in cloud.twinhub("logs", NODE).stdout, "its lines are in the cloud")
    plant.edit("tank.yaml", "offset: five", "offset: 5")
    lines = [json.loads(line) for line in cloud.twinhub("logs", NODE, "--json").stdout.splitlines()]
    assert any(line["level"] == "ERROR" and "tank.yaml" in line["text"] for line in lines)


def test_metrics_of_both_ends(both_ends: BothEnds) -> None:
    in_the_cloud, at_the_edge = metrics(both_ends.cloud.metrics_port), metrics(both_ends.edge_metrics)
    assert f'node="{NODE}"' in in_the_cloud
    assert "# TYPE twinhub_cloud" in in_the_cloud
    assert "# TYPE twinhub_link" in at_the_edge


def metrics(port: int) -> str:
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=10) as answer:
        text: str = answer.read().decode()
    return text


def test_a_device_declared_in_the_cloud_is_served_at_its_edge(both_ends: BothEnds, tmp_path: Path) -> None:
    cloud, plant = both_ends.cloud, both_ends.plant
    text = (plant.folder / "pump.yaml").read_text()
    text = text.replace("name: pump\n", "name: reserve\n").replace(
        "\nspec:\n  deviceModelRef", "\nspec:\n  nodeName: boiler-house\n  deviceModelRef"
    )
    (tmp_path / "reserve.yaml").write_text(text.replace('value: "1250"', 'value: "1350"'))
    first = cloud.twinhub("apply", "-f", tmp_path)
    assert first.stdout.splitlines() == ["devicemodel default/reserve created", "device default/reserve created"], (
        first
    )
    again = cloud.twinhub("apply", "-f", tmp_path / "reserve.yaml")
    assert again.stdout.splitlines() == ["devicemodel default/reserve unchanged", "device default/reserve unchanged"]
    wait_for(lambda: cloud.value("reserve", "speed-set-point") == "1350", "it is served, and its wish is met")
    assert "default/reserve" in plant.twinhub("get").stdout
    edited = (tmp_path / "reserve.yaml").read_text().replace('value: "1350"', 'value: "1375"')
    piped = cloud.twinhub("apply", "-f", "-", text=edited)
    assert piped.stdout.splitlines()[1] == "device default/reserve configured"
    wait_for(lambda: plant.value("reserve", "speed-set-point") == "1375", "the edited wish is met")
    assert cloud.twinhub("delete", "device", "reserve").returncode == 0
    assert cloud.twinhub("delete", "model", "reserve").returncode == 0
    wait_for(lambda: "default/reserve" not in plant.twinhub("get").stdout, "it is gone at the edge")
    assert cloud.twinhub("get", "twins", "reserve").returncode == 1


def test_what_keeps_a_device_from_being_served_is_told_with_advice(both_ends: BothEnds, tmp_path: Path) -> None:
    device = "apiVersion: devices.kubeedge.io/v1beta1\nkind: Device\nmetadata: {name: lost}\n"
    device += "spec: {nodeName: nowhere, deviceModelRef: {name: none}, protocol: {protocolName: external}}\n"
    done = both_ends.cloud.twinhub("apply", "-f", "-", text=device)
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("device default/lost created")
    assert "ModelMissing" in done.stdout
    assert "NodeUnknown" in done.stdout
    assert "ModelMissing" in both_ends.cloud.twinhub("get", "devices", "lost").stdout
    assert both_ends.cloud.twinhub("delete", "device", "lost").returncode == 0


def test_mistakes_in_manifests_are_told_with_their_lines_and_nothing_is_applied(both_ends: BothEnds) -> None:
    good = (
        "apiVersion: devices.kubeedge.io/v1beta1\nkind: DeviceModel\nmetadata: {name: fine}\nspec: {properties: []}\n"
    )
    bad = good.replace("fine", "bad").replace("kind: DeviceModel", "kind: DeviceModell")
    done = both_ends.cloud.twinhub("apply", "-f", "-", text=f"{good}---\n{bad}")
    assert done.returncode == 1
    assert done.stderr.startswith("twinhub: standard input:7: ")
    assert "nothing was applied" in done.stderr
    assert both_ends.cloud.twinhub("delete", "model", "fine").returncode == 1


def test_what_does_not_exist_is_said_so(both_ends: BothEnds) -> None:
    for words, advice in (
        (("get", "nodes", "nowhere"), "twinhub get nodes"),
        (("get", "devices", "pmup"), "twinhub get devices"),
        (("get", "twins", "pmup"), "did you mean default/pump?"),
        (("get", "pump"), "nodes|devices|twins"),
        (("get", "twins", "pump", "--since", "1h"), "--property"),
        (("get", "nodes", "--since", "1h"), "one twin"),
        (("delete", "device", "pmup"), "did you mean default/pump?"),
        (("delete", "device", "pump"), "folder"),
        (("revoke", "nowhere"), "twinhub get nodes"),
        (("logs", "nowhere"), "twinhub get nodes"),
        (("token", "No Name"), "lower-case"),
        (("apply", "-f", "/nowhere/at/all.yaml"), "no such file"),
    ):
        done = both_ends.cloud.twinhub(*words)
        assert done.returncode == 1, words
        assert advice in done.stderr, words
        assert "Traceback" not in done.stderr


def test_only_operators_may_ask(both_ends: BothEnds, tmp_path: Path) -> None:
    cloud = both_ends.cloud
    missing = twinhub("get", "nodes", "--cloud", cloud.address, "--credentials", tmp_path / "none.pem")
    assert missing.returncode == 1
    assert "copy operator.pem" in missing.stderr
    edge = twinhub("get", "nodes", "--cloud", cloud.address, "--credentials", both_ends.identity / "identity.pem")
    assert edge.returncode == 1
    assert "operator" in edge.stderr
    assert "Traceback" not in edge.stderr


def test_credentials_of_another_cloud_are_told_from_no_cloud(both_ends: BothEnds, tmp_path: Path) -> None:
    other = make_cloud(tmp_path)
    with other.running():
        pass
    done = twinhub("get", "nodes", "--cloud", both_ends.cloud.address, **other.environment)
    assert done.returncode == 1
    assert "not the one that" in done.stderr
    done = other.twinhub("get", "nodes")
    assert done.returncode == 1
    assert "no cloud at" in done.stderr
    assert "twinhub cloud" in done.stderr


def test_the_port_of_the_links_is_told_from_that_of_operators(both_ends: BothEnds) -> None:
    cloud = both_ends.cloud
    done = twinhub("get", "nodes", "--cloud", f"localhost:{cloud.link_port}", **cloud.environment)
    assert done.returncode == 1
    assert "is it the right port?" in done.stderr


def test_a_name_that_the_certificate_lacks_is_told(both_ends: BothEnds) -> None:
    done = twinhub("get", "nodes", "--cloud", f"127.0.0.2:{both_ends.cloud.port}", **both_ends.cloud.environment)
    assert done.returncode == 1
    assert "--host 127.0.0.2" in done.stderr


def test_a_token_never_stands_on_a_command_line(both_ends: BothEnds, tmp_path: Path) -> None:
    token = both_ends.cloud.twinhub("token", "paint-shop").stdout.strip()
    done = both_ends.cloud.twinhub("join", "--node", "paint-shop", "--token", token, "--identity", tmp_path)
    assert done.returncode == 1
    assert "--token-file" in done.stderr
    assert token not in done.stderr
    assert list(tmp_path.iterdir()) == []


def test_a_token_is_good_for_one_node_and_one_time(both_ends: BothEnds, tmp_path: Path) -> None:
    cloud = both_ends.cloud
    (tmp_path / "token").write_text(cloud.twinhub("token", "paint-shop").stdout)
    join = ("join", "--token-file", tmp_path / "token", "--node")
    stolen = cloud.twinhub(*join, "other-shop", "--identity", tmp_path / "other")
    assert stolen.returncode == 1
    assert "another node" in stolen.stderr
    joined = cloud.twinhub(*join, "paint-shop", "--identity", tmp_path / "first")
    assert joined.returncode == 0, joined.stderr
    assert "twinhub run DIR" in joined.stdout
    again = cloud.twinhub(*join, "paint-shop", "--identity", tmp_path / "second")
    assert again.returncode == 1
    assert "twinhub token" in again.stderr or "ask for a new one" in again.stderr
    for text in ("", "nonsense", "a.b.c.d"):
        done = cloud.twinhub("join", "--node", "paint-shop", "--identity", tmp_path / "third", text=text)
        assert done.returncode == 1
        assert "token" in done.stderr
        assert "Traceback" not in done.stderr


def test_a_second_cloud_on_the_same_memory_is_refused(both_ends: BothEnds) -> None:
    done = twinhub("cloud", "--state-dir", both_ends.cloud.state, **both_ends.cloud.environment)
    assert done.returncode == 1
    assert "another hub runs on" in done.stderr


def test_an_identity_that_is_not_there_or_of_another_name_is_told(both_ends: BothEnds, tmp_path: Path) -> None:
    (tmp_path / "plant").mkdir()
    (tmp_path / "plant" / "twinhub.yaml").write_text("node: other-name\n")
    done = twinhub("run", tmp_path / "plant", "--identity", tmp_path / "none")
    assert done.returncode == 1
    assert "twinhub join" in done.stderr
    done = twinhub("run", tmp_path / "plant", "--identity", both_ends.identity)
    assert done.returncode == 1
    assert "node: other-name" in done.stderr
    assert f"as {NODE}" in done.stderr


def test_both_ends_agree_after_the_cloud_was_killed(tmp_path: Path) -> None:
    ends = make_both_ends(tmp_path)
    with ends.plant.plc():
        with ends.cloud.running() as cloud:
            ends.cloud.join(NODE)
            with ends.edge():
                wait_for(lambda: ends.cloud.value("pump", "speed-set-point") == "1250", "the cloud knows the pump")
            assert ends.cloud.twinhub("set", "pump", "speed-set-point", "1450").returncode == 0
            cloud.send_signal(signal.SIGKILL)
            cloud.wait(10)
        with ends.edge():
            assert ends.plant.twinhub("set", "boiler", "set-point", "72", "--wait").returncode == 0
            with ends.cloud.running():
                wait_for(lambda: ends.plant.value("pump", "speed-set-point") == "1450", "the wish has waited")
                wait_for(lambda: ends.cloud.value("boiler", "set-point") == "72", "the edge's change has waited")
                wait_for(
                    lambda: json.loads(ends.cloud.twinhub("get", "twins", "pump", "--json").stdout)["unmet"] == [],
                    "nothing is open",
                )


def test_a_revoked_node_is_cut_off_and_may_join_again(tmp_path: Path) -> None:
    ends = make_both_ends(tmp_path)
    with ends.plant.plc(), ends.cloud.running():
        ends.cloud.join(NODE)
        with ends.edge():
            wait_for(ends.connected, "the edge is connected")
            assert ends.cloud.twinhub("revoke", NODE).stdout == f"{NODE} is revoked\n"
            node = ends.cloud.node(NODE)
            assert node is not None
            assert (node.state, node.links) == ("revoked", [])
            wait_for(lambda: "revoked" in ends.plant.log.read_text(), "the edge says why")
        ends.cloud.join(NODE)
        with ends.edge():
            wait_for(ends.connected, "the edge is connected again")


def test_a_cloud_ends_when_it_is_asked_to(tmp_path: Path) -> None:
    cloud = make_cloud(tmp_path)
    with cloud.running("--join", "press-shop") as started:
        wait_for(lambda: "--node press-shop" in cloud.log.read_text(), "the command that joins")
        assert "twinhub join --cloud" in cloud.log.read_text()
        started.terminate()
        assert started.wait(10) == 0
    assert "Traceback" not in cloud.log.read_text()


def test_a_port_in_use_is_said_so(tmp_path: Path) -> None:
    port = free_port()
    with socket.create_server(("0.0.0.0", port)):
        for option, setting in (("--port", "port"), ("--link-port", "linkPort")):
            ports = {"--port": free_port(), "--link-port": free_port(), "--metrics-port": 0} | {option: port}
            words = [f"{name}={number}" for name, number in ports.items()]
            done = twinhub(
                "cloud", "--state-dir", tmp_path / "cloud", *words, TWINHUB_OPERATOR=str(tmp_path / "o.pem")
            )
            assert done.returncode == 1
            assert f"port {port} cannot be used" in done.stderr
            assert f"set {setting}" in done.stderr


def test_mistakes_in_the_settings_keep_it_from_starting(tmp_path: Path) -> None:
    (tmp_path / "cloud.yaml").write_text("port: 99999\nlinkport: 5\n")
    done = twinhub("cloud", "--state-dir", tmp_path)
    assert done.returncode == 1
    assert f"{tmp_path}/cloud.yaml:1: port: " in done.stderr
    assert "did you mean linkPort?" in done.stderr
    done = twinhub("cloud", "--state-dir", tmp_path, "--config", tmp_path / "none.yaml")
    assert done.returncode == 1
    assert "none.yaml" in done.stderr


def test_without_its_extra_a_cloud_says_what_to_install(tmp_path: Path) -> None:
    program = (
        "import sys; sys.modules['aiohttp'] = None; sys.modules['jwt'] = None\n"
        "from twinhub.cli import main; sys.exit(main(['cloud', '--state-dir', sys.argv[1]]))"
    )
    done = subprocess.run([sys.executable, "-c", program, tmp_path], capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert "pip install 'twinhub[cloud]'" in done.stderr
