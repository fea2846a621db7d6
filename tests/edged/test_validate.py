from __future__ import annotations

from pathlib import Path

import pytest
from pod_texts import pod_with, read, told

from edged.declared import DeclaredPods

WRONG = [
    (
        pod_with(", ports: [{containerPort: 1}, {containerPort: 2, name: a}, {containerPort: 3, name: a}]"),
        "ports[2].name: there are two ports 'a'",
    ),
    (pod_with("", "", ", annotations: {twinhub.io/devcie: a/b}"), "did you mean twinhub.io/device?"),
    (
        pod_with(", env: [{name: A, value: x, valueFrom: {fieldRef: {fieldPath: metadata.name}}}]"),
        "exclude each other",
    ),
    (pod_with(", env: [{name: A, valueFrom: {fieldRef: {fieldPath: status.podIP}}}]"), "not known before a pod runs"),
    (pod_with(", volumeMounts: [{name: v, mountPath: /a}]"), "volumeMounts[0].name: there is no volume 'v'"),
    (
        pod_with(", volumeDevices: [{name: v, devicePath: /dev/x}]", "  volumes: [{name: v, emptyDir: {}}]"),
        "the volume 'v' is no device",
    ),
    (
        pod_with(
            "", "  volumes: [{name: v, secret: {secretName: s, items: [{key: a, path: x/y}, {key: b, path: x}]}}]"
        ),
        "secret.items[1].path: 'x' cannot be beside 'x/y'",
    ),
    (pod_with("", "  volumes: [{name: v, emptyDir: {}}, {name: v, emptyDir: {}}]"), "there are two volumes 'v'"),
    (pod_with("", "  - {name: c, image: i}"), "spec.containers[1].name: there are two containers 'c'"),
    (pod_with("", "  initContainers: [{name: d, image: i, startupProbe: {tcpSocket: {port: 1}}}]"), "init container"),
    (pod_with(", startupProbe: {tcpSocket: {port: web}}"), "the container has no port 'web'"),
    (pod_with(", livenessProbe: {tcpSocket: {port: 1}, successThreshold: 2}"), "livenessProbe.successThreshold"),
    (pod_with(", lifecycle: {preStop: {httpGet: {port: x}}}"), "preStop.httpGet.port: the container has no port"),
    (pod_with(", resources: {limits: {cpu: 1x}}"), "resources.limits.cpu: '1x' is no quantity; write one such as"),
    (pod_with(", resources: {limits: {memory: 1Mi}, requests: {memory: 2Mi}}"), "this is more than the limit"),
    (pod_with(", resources: {limits: {nvidia.com/gpu: 1}}"), 'resources.limits["nvidia.com/gpu"]'),
    (pod_with(", securityContext: {runAsNonRoot: true}"), "runAsNonRoot needs runAsUser"),
    (pod_with(", securityContext: {runAsGroup: 5}"), "runAsGroup needs runAsUser; add runAsUser"),
    (pod_with(", securityContext: {capabilities: {add: [net admin]}}"), "add[0]: 'net admin' is no capability"),
    (pod_with(", securityContext: {privileged: true, allowPrivilegeEscalation: false}"), "cannot be kept from it"),
    (
        pod_with(", ports: [{containerPort: 1, hostPort: 5}, {containerPort: 2, hostPort: 5}]"),
        "port 5/TCP of the node is asked for twice",
    ),
    (pod_with(", ports: [{containerPort: 1, hostPort: 5}]", "  hostNetwork: true"), "on the node's own network"),
    (pod_with("", "", ", annotations: {twinhub.io/device: pump}"), "'pump' is no device; write <namespace>/<name>"),
]


@pytest.mark.parametrize(("text", "words"), WRONG, ids=range(len(WRONG)))
def test_what_is_wrong_is_told(text: str, words: str, tmp_path: Path) -> None:
    declared = read(tmp_path, text)
    assert [problem for problem in map(str, declared.problems) if words in problem], told(declared)
    assert declared._replace(problems=()) == DeclaredPods()


def test_one_port_may_be_of_two_protocols(tmp_path: Path) -> None:
    ports = ", ports: [{containerPort: 5, hostPort: 5}, {containerPort: 5, hostPort: 5, protocol: UDP}]"
    assert told(read(tmp_path, pod_with(ports))) == []


def test_other_annotations_are_nobodys_business(tmp_path: Path) -> None:
    metadata = ", annotations: {twinhub.io/declared-by: edge-1, example.com/devices: x, note: y}"
    assert told(read(tmp_path, pod_with("", "", metadata))) == []


FIELD = "spec.containers[0].env[0].valueFrom.fieldRef.fieldPath"


def test_all_is_told_at_once(tmp_path: Path) -> None:
    container = (
        ", volumeMounts: [{name: v, mountPath: /a}], resources: {limits: {cpu: x}}, env: [{name: A, valueFrom: "
    )
    declared = read(tmp_path, pod_with(container + "{fieldRef: {fieldPath: metadata.nam}}}]"))
    assert told(declared) == [
        f"0.yaml:6: {FIELD}: 'metadata.nam' is not known before a pod runs here; did you mean metadata.name?",
        "0.yaml:6: spec.containers[0].resources.limits.cpu: 'x' is no quantity; write one such as 500m, 2 or 64Mi",
        "0.yaml:6: spec.containers[0].volumeMounts[0].name: there is no volume 'v'; add it to volumes",
    ]
