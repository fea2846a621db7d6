"""A pod, its ConfigMap and its Secret on their way from an operator's file to a process on a node, and off again."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from live_cloud import LiveCloud, make_cloud
from live_plant import wait_for
from live_pods import Node, make_node

from cloud_sync.api_forms import Pod

VALUE = "correct-horse-battery-staple"
UNKNOWN = (
    "  but: NodeUnknown: the node edge-7 has not joined this cloud; join it: twinhub token edge-7 prints the command"
)
APP = """\
apiVersion: v1
kind: Pod
metadata: {{name: app}}
spec:
  nodeName: {node}
  terminationGracePeriodSeconds: 1
  containers:
    - name: app
      image: host
      imagePullPolicy: Never
      command: [sh, -c, 'echo $$$$ > {folder}/app.pid; echo $PASSWORD $LEVEL > {folder}/said; exec sleep 1000']
      env:
        - {{name: PASSWORD, valueFrom: {{secretKeyRef: {{name: keys, key: password}}}}}}
      envFrom: [{{configMapRef: {{name: settings}}}}]
"""
SOURCES = f"""\
apiVersion: v1
kind: Secret
metadata: {{name: keys}}
stringData: {{password: {VALUE}}}
---
apiVersion: v1
kind: ConfigMap
metadata: {{name: settings}}
data: {{LEVEL: debug}}
"""


@pytest.fixture
def node(tmp_path: Path) -> Iterator[Node]:
    node = make_node(tmp_path)
    yield node
    node.end()


@pytest.fixture
def cloud(tmp_path: Path) -> Iterator[LiveCloud]:
    cloud = make_cloud(tmp_path)
    with cloud.running():
        yield cloud


def shown(cloud: LiveCloud, pod: str = "app") -> Pod | None:
    with cloud.client() as client:
        return next((one for one in client.pods() if one.id == f"default/{pod}"), None)


def runs(cloud: LiveCloud, pod: str = "app") -> bool:
    """As the cloud knows it."""
    found = shown(cloud, pod)
    return found is not None and found.confirmed and found.values.get("phase") == "Running"


def test_a_pod_goes_to_its_node_and_comes_back_as_a_twin(cloud: LiveCloud, node: Node, tmp_path: Path) -> None:
    file = tmp_path / "app.yaml"
    file.write_text(APP.format(node="edge-7", folder=tmp_path) + "---\n" + SOURCES)
    applied = cloud.twinhub("apply", "-f", file)
    assert applied.returncode == 0, applied.stderr
    assert applied.stdout.splitlines() == [
        "configmap default/settings created",
        "secret default/keys created",
        "pod default/app created",
        UNKNOWN,
    ]
    assert "not confirmed" in cloud.twinhub("get", "pods").stdout
    node.declare("folder")
    with node.hub("--identity", str(cloud.join("edge-7"))):
        wait_for(lambda: runs(cloud), "the cloud's pod runs")
        wait_for(lambda: runs(cloud, "folder"), "the folder's pod is known in the cloud")
        assert (tmp_path / "said").read_text() == f"{VALUE} debug\n"
        _, app, folder = cloud.twinhub("get", "pods").stdout.splitlines()
        assert app.split()[:5] == ["default/app", "edge-7", "1/1", "Running", "0"]
        assert app.endswith("here")
        assert folder.endswith("at the edge")
        page = cloud.twinhub("describe", "pod", "app").stdout
        assert "Node:       edge-7\nDeclared:   here\n" in page
        assert "Container app" in page
        assert "unchanged" in cloud.twinhub("apply", "-f", file).stdout
        assert cloud.twinhub("delete", "pod", "app").returncode == 0
        wait_for(lambda: not node.runs("app") and not shown(cloud), "the pod is gone")
        assert cloud.twinhub("delete", "pod", "folder").returncode == 1, "it is the folder's"
        assert node.is_up("folder")


def test_a_pod_that_the_folder_declares_too_says_so(cloud: LiveCloud, node: Node, tmp_path: Path) -> None:
    node.declare("app")
    file = tmp_path / "app.yaml"
    file.write_text(APP.format(node="edge-7", folder=tmp_path))
    with node.hub("--identity", str(cloud.join("edge-7"))):
        wait_for(lambda: runs(cloud), "the folder's pod is known in the cloud")
        assert "SourceMissing" in cloud.twinhub("apply", "-f", file).stdout
        cloud.twinhub("apply", "-f", "-", text=SOURCES)
        app = shown(cloud)
        assert app is not None
        assert [one.type for one in app.conditions] == ["DeclaredTwice"]


def test_a_value_of_a_secret_is_in_nothing_that_is_said(cloud: LiveCloud, node: Node, tmp_path: Path) -> None:
    said = [cloud.twinhub("apply", "-f", "-", "--json", text=SOURCES)]
    said.append(cloud.twinhub("apply", "-f", "-", text=APP.format(node="edge-7", folder=tmp_path)))
    said.append(cloud.twinhub("apply", "-f", "-", text=SOURCES.replace("stringData", "data")))
    said.append(cloud.twinhub("apply", "-f", "-", text=SOURCES.replace(f"{{password: {VALUE}}}", VALUE)))
    assert [one.returncode for one in said] == [0, 0, 1, 1]
    with node.hub("--identity", str(cloud.join("edge-7"))):
        wait_for(lambda: runs(cloud), "the pod runs")
        assert VALUE in (tmp_path / "said").read_text()
        for words in (("get", "secrets"), ("get", "secrets", "--json"), ("get", "pods", "--json"),
                      ("describe", "pod", "app"), ("get", "twins", "--json"), ("get", "devices", "--json"),
                      ("delete", "secret", "keys", "--json")):  # fmt: skip
            said.append(cloud.twinhub(*words))
            assert said[-1].returncode == 0, said[-1].stderr
        assert '"keys":1' in said[5].stdout
    everything = "".join(one.stdout + one.stderr for one in said) + cloud.log.read_text() + node.log.read_text()
    assert VALUE not in everything
