"""Folders of pods, as users and tools write them: good ones, and broken ones with the words about them."""

from __future__ import annotations

import copy
import random
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from device_models import load, load_objects
from edged.declared import DeclaredPods, PodReader

HERE = Path(__file__).parent
GOOD = """
apiVersion: v1
kind: Pod
metadata: {name: alarm, namespace: plant, labels: {app: alarm}}
spec:
  containers:
  - name: watch
    image: localhost/alarm:1
    env:
    - {name: LEVEL, valueFrom: {configMapKeyRef: {name: levels, key: high}}}
    - {name: CODE, valueFrom: {secretKeyRef: {name: door, key: code}}}
    ports: [{containerPort: 8080, name: web}]
    livenessProbe: {httpGet: {port: web}}
    volumeMounts: [{name: settings, mountPath: /etc/alarm}]
  volumes:
  - {name: settings, configMap: {name: levels, defaultMode: 0640}}
---
apiVersion: v1
kind: ConfigMap
metadata: {name: levels, namespace: plant}
data: {high: "80"}
binaryData: {logo: "AAEC"}
---
apiVersion: v1
kind: Secret
metadata: {name: door, namespace: plant}
type: Opaque
data: {code: MTIzNA==, other: "YWFh\\n"}
stringData: {other: bbb}
"""


def read(folder: Path, *texts: str) -> DeclaredPods:
    for index, text in enumerate(texts):
        (folder / f"{index}.yaml").write_text(text, encoding="utf-8")
    reader = PodReader()
    load(folder, {}, others=reader.take)
    return reader.declared()


def pod_with(container: str = "", spec: str = "", metadata: str = "") -> str:
    return (
        f"apiVersion: v1\nkind: Pod\nmetadata: {{name: a{metadata}}}\n"
        f"spec:\n  containers:\n  - {{name: c, image: i{container}}}\n{spec}"
    )


def told(declared: DeclaredPods) -> list[str]:
    return [f"{Path(problem.file).name}:{str(problem).partition(':')[2]}" for problem in declared.problems]


def test_a_folder_of_pods_is_read(tmp_path: Path) -> None:
    declared = read(tmp_path, GOOD)
    assert declared.problems == ()
    pod = declared.pods["plant/alarm"]
    assert pod.id == "plant/alarm"
    volume = pod.spec.volumes[0].config_map
    assert volume is not None
    assert volume.default_mode == 0o640
    assert declared.config_maps["plant/levels"].files == {"high": b"80", "logo": b"\0\1\2"}
    assert declared.secrets["plant/door"].files == {"code": b"1234", "other": b"bbb"}
    assert declared.sources.secrets.keys() == {"plant/door"}


def test_a_whole_number_may_be_written_as_a_fraction(tmp_path: Path) -> None:
    probe = "livenessProbe: {tcpSocket: {port: 80.0}, periodSeconds: 5.0}, resources: {limits: {cpu: 2.0}}"
    pod = read(tmp_path, pod_with(f", {probe}")).pods["default/a"]
    found = pod.spec.containers[0].liveness_probe
    assert found is not None
    assert found.period_seconds == 5
    assert found.tcp_socket is not None
    assert isinstance(found.tcp_socket.port, int)


def test_nobody_sees_a_secret(tmp_path: Path) -> None:
    declared = read(tmp_path, GOOD)
    assert "1234" not in repr(declared)
    assert "MTIz" not in repr(declared)


@pytest.mark.parametrize("file", sorted((HERE / "manifests").glob("*.yaml")), ids=lambda file: file.stem)
def test_what_tools_write_is_taken(file: Path) -> None:
    reader = PodReader()
    assert load(file, {}, others=reader.take).problems == ()
    declared = reader.declared()
    assert [problem for problem in declared.problems if problem.severity == "error"] == []
    assert declared.pods or declared.config_maps or declared.secrets


@pytest.mark.parametrize("file", sorted((HERE / "manifests" / "refused").glob("*.yaml")), ids=lambda file: file.stem)
def test_what_tools_write_and_nobody_could_run_is_refused(file: Path) -> None:
    """The words stand in the file's first line."""
    reader = PodReader()
    load(file, {}, others=reader.take)
    words = [f"{problem.path}: {problem.message}" for problem in reader.declared().problems]
    assert words == [
        line.removeprefix("# refused: ") for line in file.read_text().splitlines() if "# refused" in line
    ]


def test_all_that_is_wrong_is_told_at_once_with_its_place(tmp_path: Path) -> None:
    text = """apiVersion: v1
kind: Pod
metadata: {name: Alarm}
spec:
  hostPID: true
  containers:
  - name: one
    image: i
    imge: x
    livenessProbe:
      grpc: {port: 1}
  - name: two
    image: i
    ports:
    - containerPort: 0
  volumes:
  - name: data
    persistentVolumeClaim: {claimName: c}
"""
    declared = read(tmp_path, text)
    assert declared.pods == {}
    assert [(problem.line, problem.path) for problem in declared.problems] == [
        (3, "metadata.name"),
        (5, "spec.hostPID"),
        (9, "spec.containers[0].imge"),
        (10, "spec.containers[0].livenessProbe"),
        (11, "spec.containers[0].livenessProbe.grpc"),
        (15, "spec.containers[1].ports[0].containerPort"),
        (17, "spec.volumes[0]"),
        (18, "spec.volumes[0].persistentVolumeClaim"),
    ]
    assert told(declared)[1] == ("0.yaml:5: spec.hostPID: this field of Kubernetes is not supported here; remove it")


WRONG = [
    (pod_with(", env: [{name: A, value: 5}]"), "spec.containers[0].env[0].value: the value is not text"),
    (
        pod_with(", env: [{name: A, value: x, valueFrom: {fieldRef: {fieldPath: metadata.name}}}]"),
        "exclude each other",
    ),
    (pod_with(", env: [{name: A, valueFrom: {fieldRef: {fieldPath: status.podIP}}}]"), "not known before a pod runs"),
    (pod_with(", env: [{name: A, valueFrom: {resourceFieldRef: {resource: x}}}]"), "resourceFieldRef: this field of"),
    (pod_with(", env: [{name: 1A, value: x}]"), "env[0].name: '1A' is not possible here"),
    (pod_with(", volumeMounts: [{name: v, mountPath: /a}]"), "volumeMounts[0].name: there is no volume 'v'"),
    (pod_with(", volumeMounts: [{name: v, mountPath: a}]"), "volumeMounts[0].mountPath"),
    (
        pod_with(", volumeMounts: [{name: v, mountPath: /a, subPath: ../b}]", "  volumes: [{name: v, emptyDir: {}}]"),
        "volumeMounts[0].subPath",
    ),
    (
        pod_with(", volumeDevices: [{name: v, devicePath: /dev/x}]", "  volumes: [{name: v, emptyDir: {}}]"),
        "the volume 'v' is no device",
    ),
    (pod_with("", "  volumes: [{name: v, emptyDir: {}}, {name: v, emptyDir: {}}]"), "there are two volumes 'v'"),
    (pod_with("", "  volumes: [{name: v, emptyDir: {sizeLimit: 1Gi}}]"), "volumes[0].emptyDir.sizeLimit"),
    (pod_with("", "  volumes: [{name: v, hostPath: {path: /a/../b}}]"), "volumes[0].hostPath.path"),
    (pod_with("", "  volumes: [{name: v, secret: {secretName: s, items: [{key: k, path: ../x}]}}]"), "items[0].path"),
    (
        pod_with("", "  volumes: [{name: v, secret: {secretName: s, defaultMode: 01000}}]"),
        "defaultMode: the value is above 511",
    ),
    (pod_with("", "  - {name: c, image: i}"), "spec.containers[1].name: there are two containers 'c'"),
    (pod_with("", "  initContainers: [{name: d, image: i, startupProbe: {tcpSocket: {port: 1}}}]"), "init container"),
    (pod_with(", startupProbe: {tcpSocket: {port: web}}"), "the container has no port 'web'"),
    (pod_with(", livenessProbe: {tcpSocket: {port: 1}, successThreshold: 2}"), "livenessProbe.successThreshold"),
    (pod_with(", lifecycle: {preStop: {httpGet: {port: x}}}"), "preStop.httpGet.port: the container has no port"),
    (pod_with(", lifecycle: {postStart: {exec: {command: [a]}}}"), "lifecycle.postStart: this field of Kubernetes"),
    (pod_with(", resources: {limits: {cpu: 1x}}"), "resources.limits.cpu: '1x' is no quantity; write one such as"),
    (pod_with(", resources: {limits: {memory: 1Mi}, requests: {memory: 2Mi}}"), "this is more than the limit"),
    (pod_with(", resources: {limits: {nvidia.com/gpu: 1}}"), 'resources.limits["nvidia.com/gpu"]'),
    (pod_with(", securityContext: {runAsNonRoot: true}"), "runAsNonRoot needs runAsUser"),
    (pod_with(", securityContext: {runAsGroup: 5}"), "runAsGroup needs runAsUser; add runAsUser"),
    (pod_with(", securityContext: {seccompProfile: {type: Unconfined}}"), "seccompProfile: this field of Kubernetes"),
    (pod_with(", securityContext: {seLinuxOptions: {level: s0}}"), "seLinuxOptions.level: this key is not known"),
    (pod_with(", securityContext: {capabilities: {add: [net admin]}}"), "add[0]: 'net admin' is no capability"),
    (pod_with(", securityContext: {privileged: true, allowPrivilegeEscalation: false}"), "cannot be kept from it"),
    (pod_with(", terminationMessagePath: /x"), "terminationMessagePath"),
    (
        pod_with(", ports: [{containerPort: 1, hostPort: 5}, {containerPort: 2, hostPort: 5}]"),
        "port 5 of the node is asked for twice",
    ),
    (pod_with(", ports: [{containerPort: 1, hostPort: 5}]", "  hostNetwork: true"), "on the node's own network"),
    (pod_with("", "", ", annotations: {twinhub.io/device: pump}"), "'pump' is no device; write <namespace>/<name>"),
    (pod_with("", "  restartPolicy: always"), "did you mean Always?"),
    (pod_with().replace("v1", "apps/v1"), "apiVersion: 'apps/v1' has no Pod; write v1"),
    (pod_with().replace("Pod", "Pods"), "there is no kind 'Pods' in v1; did you mean Pod?"),
    ("{apiVersion: v1, kind: ConfigMap, metadata: {name: a}, data: {k: 5}}", "data.k: the value is not text"),
    ("{apiVersion: v1, kind: ConfigMap, metadata: {name: a}, data: {../k: x}}", "cannot be the name of a file"),
    (
        "{apiVersion: v1, kind: ConfigMap, metadata: {name: a}, data: {k: a}, binaryData: {k: YQ==}}",
        "in data as well",
    ),
    ("{apiVersion: v1, kind: ConfigMap, metadata: {name: a}, spec: {}}", "spec: this key is not known here"),
    ("{apiVersion: v1, kind: Secret, metadata: {name: a}, data: {k: hunter2!}}", "data.k: the value is not base64"),
    ("{apiVersion: v1, kind: Secret, metadata: {name: a}, stringData: {k: 271828}}", "the value is not text"),
]


@pytest.mark.parametrize(("text", "words"), WRONG, ids=range(len(WRONG)))
def test_what_is_wrong_is_told(text: str, words: str, tmp_path: Path) -> None:
    declared = read(tmp_path, text)
    assert [problem for problem in map(str, declared.problems) if words in problem], told(declared)
    assert not declared.pods
    assert not declared.config_maps
    assert not declared.secrets
    assert "hunter2" not in str(declared.problems)
    assert "271828" not in str(declared.problems)


def test_what_is_declared_twice_is_named(tmp_path: Path) -> None:
    declared = read(tmp_path, pod_with(), pod_with())
    assert told(declared) == [
        f"1.yaml:3: metadata.name: Pod default/a is declared twice; rename it here or in {tmp_path}/0.yaml:3"
    ]


WAITS = "the pod waits until there is one"


def none(kind: str, name: str) -> str:
    return f"there is no {kind} '{name}' in the namespace 'default'"


def test_what_a_pod_waits_for_is_remarked(tmp_path: Path) -> None:
    sources = "envFrom: [{configMapRef: {name: l}}, {secretRef: {name: o, optional: true}}]"
    text = pod_with(f", {sources}", "  volumes: [{name: v, secret: {secretName: doer}}]")
    declared = read(tmp_path, text, "{apiVersion: v1, kind: Secret, metadata: {name: door}}")
    assert [problem.severity for problem in declared.problems] == ["warning"] * 2
    assert told(declared) == [
        f"0.yaml:6: spec.containers[0].envFrom[0].configMapRef.name: {none('ConfigMap', 'l')}; {WAITS}",
        f"0.yaml:7: spec.volumes[0].secret.secretName: {none('Secret', 'doer')}; did you mean door?",
    ]
    assert declared.pods.keys() == {"default/a"}


def test_a_broken_one_is_not_said_to_be_missing(tmp_path: Path) -> None:
    broken = "{apiVersion: v1, kind: ConfigMap, metadata: {name: l}, data: {k: 5}}"
    declared = read(tmp_path, pod_with(", envFrom: [{configMapRef: {name: l}}]"), broken)
    assert [problem.severity for problem in declared.problems] == ["error"]


def test_a_pod_of_another_node_is_not_ours(tmp_path: Path) -> None:
    declared = read(tmp_path, pod_with("", "  nodeName: edge-2"))
    assert declared.on("edge-1") == {}
    assert declared.on("edge-2").keys() == {"default/a"}


def test_other_kinds_are_left_to_others(tmp_path: Path) -> None:
    (tmp_path / "x.yaml").write_text("{apiVersion: v1, kind: Service, metadata: {name: a}}", encoding="utf-8")
    reader = PodReader()
    declared = load(tmp_path, {}, others=reader.take)
    assert [problem.severity for problem in declared.problems] == ["warning"]
    assert reader.declared() == DeclaredPods()


DOCUMENTS = list(yaml.safe_load_all(GOOD))
ODD = [None, [], {}, "", "..", "x" * 300, 0, -1, 2**70, 1.5, 2.0, True, [None], {"a": None}, "\n", "a/../../b", [[]]]


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.randoms(use_true_random=False), st.sampled_from(ODD), st.integers(0, len(DOCUMENTS) - 1))
def test_no_manifest_is_too_odd(chance: random.Random, odd: Any, index: int) -> None:
    document = copy.deepcopy(DOCUMENTS[index])
    node: Any = document
    while True:
        keys = list(node) if isinstance(node, dict) else list(range(len(node)))
        key = chance.choice(keys)
        if not isinstance(node[key], dict | list) or not node[key] or chance.random() < 0.2:
            break
        node = node[key]
    node[key if chance.random() < 0.8 or isinstance(node, list) else "odd"] = odd
    reader = PodReader()
    found = load_objects([document], {}, reader.take)
    declared = reader.declared()
    things = len(declared.pods) + len(declared.config_maps) + len(declared.secrets)
    assert things == 1 or declared.problems or found.problems
