"""Pods of a running hub: manifests, wishes over MQTT, commands, and what outlives a hub that is killed."""

import json
import os
import stat
from collections.abc import Iterator
from pathlib import Path

import pytest
from live_cloud import make_cloud
from live_plant import twinhub, wait_for
from live_pods import Node, make_node
from paho.mqtt import publish

from edged.errands import Load, Loaded
from eventbus import topics
from twinhub.client import TwinClient
from twinhub.errors import CommandError
from twinhub.hub_door import HubDoor

DEVICE = """\
apiVersion: devices.kubeedge.io/v1beta1
kind: DeviceModel
metadata: {name: valve}
spec: {properties: [{name: open, type: BOOLEAN, accessMode: ReadOnly}]}
---
apiVersion: devices.kubeedge.io/v1beta1
kind: Device
metadata: {name: valve-1}
spec:
  deviceModelRef: {name: valve}
  protocol: {protocolName: external, configData: {tcp: {host: 10.0.0.9, port: 502}}}
"""


@pytest.fixture
def node(tmp_path: Path) -> Iterator[Node]:
    node = make_node(tmp_path)
    yield node
    node.end()


def started_at(node: Node) -> str:
    """When the container of the pod web was started."""
    [container] = json.loads(node.says("web", "containers"))
    return str(container["state"]["running"]["startedAt"])


def retained(node: Node, topic: str) -> bytes | None:
    """What a new subscriber is told at once."""
    with TwinClient(node.url) as client:
        client.subscribe([topic])
        return next((message.payload for message in client.messages(0.5)), None)


def test_a_pod_follows_its_manifest_until_it_is_gone(node: Node) -> None:
    node.declare("web")
    with node.hub():
        wait_for(lambda: node.is_up("web"), "the pod runs")
        first = node.pid("web")
        assert "default/web  1/1    Running" in node.twinhub("get", "pods").stdout
        status = retained(node, topics.pod_status("default/web"))
        assert status
        assert json.loads(status)["containerStatuses"][0]["ready"] is True

        node.declare("web", says="again")
        wait_for(lambda: node.pid("web") != first and node.is_up("web"), "the edited pod replaces it")
        assert not Path(f"/proc/{first}").exists()

        node.declare("other")
        wait_for(lambda: node.is_up("other"), "a pod is added")
        node.drop("web")
        wait_for(lambda: not node.runs("web"), "the deleted pod ends")
        wait_for(lambda: retained(node, topics.pod_status("default/web")) is None, "its status is cleared")
        found = node.twinhub("get", "pods").stdout
        assert "default/web" not in found
        assert "default/other" in found
        assert node.runs("other")


def test_a_wish_stops_a_pod_and_outlives_the_hub(node: Node) -> None:
    node.declare("web")
    with node.hub():
        wait_for(lambda: node.is_up("web"), "the pod runs")
        assert node.twinhub("set", "pod.web", "replicas", "0", "--wait", "--timeout", "20").returncode == 0
        assert not node.runs("web")
        refused = node.twinhub("set", "pod.web", "replicas", "2")
        assert "above the maximum of 1" in refused.stderr
    stopped = node.pid("web")
    with node.hub():
        wait_for(lambda: node.says("web", "reason") == "Stopped", "it is known to be stopped")
        node.declare("web", says="edited")
        wait_for(lambda: "the edit is applied" in node.log.read_text(), "the edit is applied")
        assert node.pid("web") == stopped
        assert node.twinhub("set", "pod.web", "replicas", "1", "--wait", "--timeout", "20").returncode == 0
        wait_for(lambda: node.is_up("web"), "it runs again")


def test_a_wish_that_cannot_be_is_told_once(node: Node) -> None:
    node.declare("web")
    with node.hub():
        wait_for(lambda: node.is_up("web"), "the pod runs")
        assert node.twinhub("set", "pod.web", "image", "a b").returncode == 0
        wait_for(lambda: refusals(node), "the refusal is an event")
        assert node.twinhub("set", "pod.web", "replicas", "0", "--wait", "--timeout", "20").returncode == 0
        assert refusals(node) == [1]


def refusals(node: Node) -> list[int]:
    """How often a wish was refused, by event."""
    events = json.loads(node.twinhub("get", "pod.web", "events").stdout)
    return [event["count"] for event in events if event["reason"] == "WishRefused"]


def test_a_restart_that_is_wished_makes_the_pod_anew_once(node: Node) -> None:
    node.declare("web")
    with node.hub():
        wait_for(lambda: node.is_up("web"), "the pod runs")
        first = node.pid("web")
        node.twinhub("set", "pod.web", "restart", "monday")
        wait_for(lambda: node.pid("web") != first and node.is_up("web"), "it is made anew")
        second = node.pid("web")
        wait_for(lambda: node.says("web", "restart") == "monday", "the wish is met")
    with node.hub():
        wait_for(lambda: node.is_up("web"), "the hub is back")
        assert node.pid("web") == second


def test_an_image_that_is_wished_gives_way_to_an_edited_manifest(node: Node) -> None:
    node.declare("web")
    with node.hub():
        wait_for(lambda: node.is_up("web"), "the pod runs")
        node.twinhub("set", "pod.web", "image", "nowhere/app:2")
        wait_for(lambda: node.says("web", "image") == "nowhere/app:2", "the wish is taken up")
        wait_for(lambda: node.says("web", "reason") == "ErrImageNeverPull", "and cannot be fulfilled")
        manifest = node.folder / "web.yaml"
        manifest.write_text(manifest.read_text().replace("image: host", "image: nowhere/app:3"))
        wait_for(lambda: node.says("web", "image") == "nowhere/app:3", "the manifest has the last word")
        manifest.write_text(manifest.read_text().replace("image: nowhere/app:3", "image: host"))
        wait_for(lambda: node.is_up("web"), "it runs again")
        assert node.says("web", "image") == "host"


def test_a_pod_outlives_a_killed_hub_and_is_adopted(node: Node) -> None:
    node.declare("web")
    with node.hub() as hub:
        wait_for(lambda: node.is_up("web"), "the pod runs")
        before = node.pid("web")
        started = started_at(node)
        hub.kill()
        hub.wait()
    assert node.runs("web")
    with node.hub():
        wait_for(lambda: "Running" in node.twinhub("get", "pods").stdout, "the pod is known again")
        assert node.twinhub("get", "pod.web", "restarts").stdout.strip() == "0"
        assert started_at(node) == started
        assert node.pid("web") == before
        assert node.runs("web")
        assert node.local("exec", "web", "--", "echo", "in").stdout == "in\n"


def test_what_was_deleted_while_the_hub_was_away_is_ended(node: Node) -> None:
    node.declare("web")
    node.declare("other")
    with node.hub():
        wait_for(lambda: node.is_up("web") and node.is_up("other"), "the pods run")
    node.drop("web")
    with node.hub():
        wait_for(lambda: not node.runs("web"), "the deleted pod ends")
        wait_for(lambda: retained(node, topics.pod_status("default/web")) is None, "its status is cleared")
        assert node.runs("other")


def test_a_broken_folder_goes_on_with_the_last_good_pods(node: Node) -> None:
    node.declare("web")
    secret = "apiVersion: v1\nkind: Secret\nmetadata: {name: key}\nstringData: {word: swordfish}\n"
    (node.folder / "key.yaml").write_text(secret)
    with node.hub():
        wait_for(lambda: node.is_up("web"), "the pod runs")
        before = node.pid("web")
        (node.folder / "web.yaml").write_text("apiVersion: v1\nkind: Pod\nmetadata: {name: web}\nspec: {}\n")
        wait_for(lambda: "the edit is refused" in node.log.read_text(), "the bad edit is refused")
        assert node.runs("web")
    with node.hub():
        wait_for(lambda: node.is_up("web"), "the last good pod is known")
        assert node.pid("web") == before
        assert "going on with what was declared last" in node.log.read_text()
    holders = [file for file in node.state.rglob("*") if file.is_file() and b"c3dvcmRmaXNo" in file.read_bytes()]
    assert [file.name for file in holders] == ["catalogue.json"]
    assert stat.S_IMODE(holders[0].stat().st_mode) == 0o600
    assert "swordfish" not in node.log.read_text()


def test_commands_look_into_a_pod(node: Node) -> None:
    node.declare("web", says="ready to serve")
    with node.hub():
        wait_for(lambda: node.is_up("web"), "the pod runs")
        assert stat.S_IMODE((node.state / "edged.sock").stat().st_mode) == 0o600
        wait_for(lambda: node.local("logs", "web").stdout == "ready to serve\n", "its output is there")
        failed = node.local("exec", "web", "-c", "app", "--", "sh", "-c", "echo no; exit 3")
        assert (failed.returncode, failed.stdout) == (3, "no\n")
        assert "before its last restart" in node.local("logs", "web", "--previous").stderr
        described = node.twinhub("describe", "pod", "web").stdout
        assert "Container app" in described
        assert "Started container app" in described
        for words in (
            ["logs", "nobody"],
            ["exec", "nobody", "--", "ls"],
            ["exec", "web", "-c", "nobody", "--", "ls"],
        ):
            done = node.local(*words)
            assert done.returncode == 1
            assert "nobody" in done.stderr
            assert "Traceback" not in done.stderr
    assert "no hub runs in" in node.local("logs", "web").stderr


def test_a_pod_runs_while_its_device_is_online(node: Node) -> None:
    (node.folder / "valve.yaml").write_text(DEVICE)
    node.declare("driver", device="default/valve-1", says="$TWINHUB_DEVICE_ID at $TWINHUB_DEVICE_ADDRESS")
    with node.hub():
        wait_for(lambda: node.says("driver", "reason") == "DeviceAbsent", "the pod waits for its device")
        assert not node.runs("driver")
        say(node, "online")
        wait_for(lambda: node.is_up("driver"), "it runs with its device")
        wait_for(lambda: node.local("logs", "driver").stdout, "it says something")
        assert node.local("logs", "driver").stdout == "default/valve-1 at 10.0.0.9:502\n"
        say(node, "offline")
        wait_for(lambda: not node.runs("driver"), "it ends without its device")
        say(node, "online")
        wait_for(lambda: node.is_up("driver"), "it comes back with it")


def test_a_pod_of_a_device_that_nobody_declares_is_warned_of(node: Node) -> None:
    node.declare("driver", device="default/nobody")
    with node.hub():
        wait_for(lambda: "waits for default/nobody, which is no device of" in node.log.read_text(), "it is warned of")
        (node.folder / "valve.yaml").write_text(DEVICE)
        wait_for(lambda: "the edit is applied" in node.log.read_text(), "another edit")
        assert node.log.read_text().count("default/nobody") == 1
        assert "valve-1, which is no device" not in node.log.read_text()


def say(node: Node, state: str) -> None:
    """The device says how it is."""
    topic = topics.of_device("default/valve-1", topics.STATE_UPDATE)
    publish.single(topic, json.dumps({"state": state}), qos=1, hostname="127.0.0.1", port=node.port)


def test_a_node_without_an_engine_says_why_nothing_runs(tmp_path: Path) -> None:
    node = make_node(tmp_path, runtime="none")
    node.declare("web")
    with node.hub():
        wait_for(lambda: node.says("web", "reason") == "Unschedulable", "the pod has no place")
        assert "this node runs no pods" in node.says("web", "message")
        wait_for(lambda: "ready" in node.twin("node.edge-7"), "the node's twin is there")
        assert "false" in node.twinhub("get", "node.edge-7", "ready").stdout
        assert retained(node, topics.node_status())


def test_pods_are_validated_with_devices(tmp_path: Path) -> None:
    node = make_node(tmp_path)
    (node.folder / "valve.yaml").write_text(DEVICE)
    node.declare("web")
    assert "complete: 1 device, 1 property, 1 pod; no errors" in twinhub("validate", node.folder).stdout
    manifest = node.folder / "web.yaml"
    manifest.write_text(manifest.read_text().replace("command:", "comand:"))
    done = twinhub("validate", node.folder)
    assert done.returncode == 1
    assert "web.yaml:10: spec.containers[0].comand: " in done.stdout


def test_the_names_of_twins_are_kept_for_pods_and_nodes(tmp_path: Path) -> None:
    for name in ("pod.web", "node.edge-7"):
        (tmp_path / "valve.yaml").write_text(DEVICE.replace("valve-1", name))
        done = twinhub("validate", tmp_path)
        assert done.returncode == 1
        assert f"valve.yaml:8: metadata.name: the name '{name}'" in done.stdout + done.stderr


def test_a_cloud_shows_pods_and_wishes_of_them(node: Node, tmp_path: Path) -> None:
    node.declare("web")
    cloud = make_cloud(tmp_path)
    with cloud.running(), node.hub("--identity", str(cloud.join("edge-7"))):
        wait_for(lambda: cloud.value("pod.web", "phase") == "Running", "the cloud knows that the pod runs")
        wait_for(lambda: cloud.value("node.edge-7", "ready") == "true", "the cloud knows that the node is ready")
        assert "above the maximum of 1" in cloud.twinhub("set", "pod.web", "replicas", "2").stderr
        assert cloud.twinhub("set", "pod.web", "replicas", "0", "--wait", "--timeout", "20").returncode == 0
        wait_for(lambda: not node.runs("web"), "the pod ends")


def test_an_image_is_taken_from_a_file_only(node: Node, tmp_path: Path) -> None:
    """From a pipe nothing may ever come."""
    os.mkfifo(tmp_path / "pipe.tar")
    node.declare("web")
    with node.hub():
        wait_for(lambda: node.is_up("web"), "the pod runs")
        for path in (str(tmp_path / "pipe.tar"), "/dev/zero", "a\0b"):
            with pytest.raises(CommandError, match="no file that the hub can read"):
                HubDoor(node.state).ask(Load(path), Loaded)
