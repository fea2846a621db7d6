from __future__ import annotations

from pathlib import Path

import pytest
from pod_texts import pod_with, read, told

from edged.declared import DeclaredPods
from edged.form import _UNSUPPORTED, Form
from edged.pod import Pod

WRONG = [
    (pod_with(", env: [{name: A, value: 5}]"), "spec.containers[0].env[0].value: the value is not text"),
    (pod_with(", env: [{name: A, valueFrom: {resourceFieldRef: {resource: x}}}]"), "resourceFieldRef: this field of"),
    (pod_with(", env: [{name: 1A, value: x}]"), "env[0].name: '1A' is not possible here"),
    (pod_with(", volumeMounts: [{name: v, mountPath: a}]"), "volumeMounts[0].mountPath"),
    (
        pod_with(", volumeMounts: [{name: v, mountPath: /a, subPath: ../b}]", "  volumes: [{name: v, emptyDir: {}}]"),
        "volumeMounts[0].subPath",
    ),
    (pod_with("", "  volumes: [{name: v, emptyDir: {sizeLimit: 1Gi}}]"), "volumes[0].emptyDir.sizeLimit"),
    (pod_with("", "  volumes: [{name: v, hostPath: {path: /a/../b}}]"), "volumes[0].hostPath.path"),
    (pod_with("", "  volumes: [{name: v, secret: {secretName: s, items: [{key: k, path: ../x}]}}]"), "items[0].path"),
    (
        pod_with("", "  volumes: [{name: v, secret: {secretName: s, defaultMode: 01000}}]"),
        "defaultMode: the value is above 511",
    ),
    (pod_with(", lifecycle: {postStart: {exec: {command: [a]}}}"), "lifecycle.postStart: this field of Kubernetes"),
    (pod_with(", securityContext: {seccompProfile: {type: Unconfined}}"), "seccompProfile: this field of Kubernetes"),
    (pod_with(", securityContext: {seLinuxOptions: {level: s0}}"), "seLinuxOptions.level: this key is not known"),
    (pod_with(", terminationMessagePath: x"), "terminationMessagePath"),
    (pod_with("", "  restartPolicy: always"), "did you mean Always?"),
]


@pytest.mark.parametrize(("text", "words"), WRONG, ids=range(len(WRONG)))
def test_what_is_wrong_is_told(text: str, words: str, tmp_path: Path) -> None:
    declared = read(tmp_path, text)
    assert [problem for problem in map(str, declared.problems) if words in problem], told(declared)
    assert declared._replace(problems=()) == DeclaredPods()


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
    assert told(declared)[1] == "0.yaml:5: spec.hostPID: this field of Kubernetes is not supported here; remove it"


def test_a_whole_number_may_be_written_as_a_fraction(tmp_path: Path) -> None:
    probe = "livenessProbe: {tcpSocket: {port: 80.0}, periodSeconds: 5.0}, resources: {limits: {cpu: 2.0}}"
    pod = read(tmp_path, pod_with(f", {probe}")).pods["default/a"]
    found = pod.spec.containers[0].liveness_probe
    assert found is not None
    assert found.period_seconds == 5
    assert found.tcp_socket is not None
    assert isinstance(found.tcp_socket.port, int)


def test_what_tools_leave_empty_is_taken(tmp_path: Path) -> None:
    container = ", resources: {}, env: null, securityContext: {capabilities: {}, seLinuxOptions: {}}, command:"
    declared = read(tmp_path, pod_with(container, "  volumes: []\nstatus: {}", ", creationTimestamp: null"))
    assert told(declared) == []


def test_no_supported_field_is_said_to_be_unsupported() -> None:
    seen: set[str] = set()

    def walk(schema: object) -> None:
        if isinstance(schema, dict):
            seen.update(schema.get("properties", {}))
            for part in schema.values():
                walk(part)
        elif isinstance(schema, list):
            for part in schema:
                walk(part)

    walk(Form(Pod)._schema)
    assert "livenessProbe" in seen
    assert seen & _UNSUPPORTED == set()
