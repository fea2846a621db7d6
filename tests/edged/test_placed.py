"""Pods as Kubernetes hands them to a node."""

from __future__ import annotations

import copy
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edged import placed
from edged.declared import DeclaredPods

ACCESS = "kube-api-access-x7k2p"
POD: dict[str, Any] = {
    "apiVersion": "v1",
    "kind": "Pod",
    "metadata": {
        "name": "web-7d9c",
        "namespace": "default",
        "uid": "4f1c3a52-2f0a-4b7e-8a38-0a8a0d3b1c11",
        "resourceVersion": "1812",
        "creationTimestamp": "2026-11-23T08:00:00Z",
        "generateName": "web-",
        "finalizers": ["example.com/kept"],
        "labels": {"app": "web"},
        "annotations": {"twinhub.io/device": "default/boiler"},
        "ownerReferences": [{"kind": "DaemonSet", "name": "web", "controller": True}],
    },
    "spec": {
        "nodeName": "edge-7",
        "containers": [
            {
                "name": "app",
                "image": "localhost/web:1",
                "imagePullPolicy": "Never",
                "env": [
                    {"name": "NODE", "valueFrom": {"fieldRef": {"apiVersion": "v1", "fieldPath": "spec.nodeName"}}}
                ],
                "ports": [{"containerPort": 80, "protocol": "TCP"}],
                "resources": {"limits": {"cpu": "1", "memory": "64Mi"}, "requests": {"cpu": "1", "memory": "64Mi"}},
                "resizePolicy": [{"resourceName": "cpu", "restartPolicy": "NotRequired"}],
                "readinessProbe": {
                    "httpGet": {"path": "/", "port": 80, "scheme": "HTTP"},
                    "timeoutSeconds": 1,
                    "periodSeconds": 10,
                    "successThreshold": 1,
                    "failureThreshold": 3,
                },
                "securityContext": {"procMount": "Default", "readOnlyRootFilesystem": True},
                "stdinOnce": False,
                "terminationMessagePath": "/dev/termination-log",
                "terminationMessagePolicy": "File",
                "volumeMounts": [
                    {"name": "settings", "mountPath": "/etc/web", "mountPropagation": "None"},
                    {"name": ACCESS, "mountPath": "/var/run/secrets/kubernetes.io/serviceaccount", "readOnly": True},
                ],
            }
        ],
        "volumes": [
            {"name": "settings", "configMap": {"name": "settings", "defaultMode": 420}},
            {
                "name": ACCESS,
                "projected": {
                    "defaultMode": 420,
                    "sources": [
                        {"serviceAccountToken": {"expirationSeconds": 3607, "path": "token"}},
                        {"configMap": {"name": "kube-root-ca.crt", "items": [{"key": "ca.crt", "path": "ca.crt"}]}},
                        {
                            "downwardAPI": {
                                "items": [{"path": "namespace", "fieldRef": {"fieldPath": "metadata.namespace"}}]
                            }
                        },
                    ],
                },
            },
        ],
        "restartPolicy": "Always",
        "terminationGracePeriodSeconds": 30,
        "dnsPolicy": "ClusterFirst",
        "serviceAccountName": "default",
        "serviceAccount": "default",
        "automountServiceAccountToken": True,
        "securityContext": {},
        "schedulerName": "default-scheduler",
        "nodeSelector": {"node-role.kubernetes.io/edge": ""},
        "affinity": {"nodeAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": {"nodeSelectorTerms": []}}},
        "tolerations": [{"key": "node.kubernetes.io/not-ready", "operator": "Exists", "effect": "NoExecute"}],
        "priority": 0,
        "preemptionPolicy": "PreemptLowerPriority",
        "enableServiceLinks": True,
    },
    "status": {"phase": "Pending", "qosClass": "Guaranteed"},
}


def edited(**spec: Any) -> dict[str, Any]:
    pod = copy.deepcopy(POD)
    pod["spec"] |= spec
    return pod


def words(declared: DeclaredPods) -> list[str]:
    return [str(problem) for problem in declared.problems if problem.severity == "error"]


def test_what_an_api_server_adds_is_taken_away() -> None:
    before = copy.deepcopy(POD)
    declared = placed.read([POD])
    assert words(declared) == []
    pod = declared.pods["default/web-7d9c"]
    assert pod.metadata.uid == POD["metadata"]["uid"]
    assert pod.metadata.annotations == {"twinhub.io/device": "default/boiler"}
    assert [volume.name for volume in pod.spec.volumes] == ["settings"]
    assert [mount.name for mount in pod.spec.containers[0].volume_mounts] == ["settings"]
    assert before == POD, "what was handed over is left as it is"


def test_another_version_of_the_same_is_the_same() -> None:
    again = copy.deepcopy(POD)
    again["metadata"] |= {"resourceVersion": "1900", "generation": 3}
    again["status"] = {"phase": "Running"}
    again["spec"]["tolerations"] = []
    assert placed.read([again]) == placed.read([POD])


@pytest.mark.parametrize(
    ("spec", "path"),
    [
        ({"serviceAccountName": "robot"}, "spec.serviceAccountName"),
        ({"hostPID": True}, "spec.hostPID"),
        ({"imagePullSecrets": [{"name": "registry"}]}, "spec.imagePullSecrets"),
        ({"runtimeClassName": "gvisor"}, "spec.runtimeClassName"),
        ({"dnsPolicy": "None"}, "spec.dnsPolicy"),
        ({"volumes": [{"name": "all", "projected": {"sources": []}}]}, "spec.volumes[0].projected"),
        ({"shareProcessNamespace": True}, "spec.shareProcessNamespace"),
    ],
)
def test_what_means_something_else_is_refused_by_its_path(spec: dict[str, Any], path: str) -> None:
    declared = placed.read([edited(**spec)])
    assert declared.pods == {}
    assert any(one.startswith(f"Pod/default/web-7d9c: {path}: ") for one in words(declared)), words(declared)


def test_config_maps_and_secrets_lose_what_is_of_no_use_here() -> None:
    metadata = {"name": "key", "namespace": "default", "uid": "u", "finalizers": ["x"], "resourceVersion": "3"}
    secret = {"apiVersion": "v1", "kind": "Secret", "metadata": metadata, "type": "Opaque", "data": {"word": "YWI="}}
    settings = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata, "data": {"mode": "fast"}}
    declared = placed.read([secret, settings])
    assert declared.problems == ()
    assert declared.secrets["default/key"].files == {"word": b"ab"}
    assert declared.config_maps["default/key"].text == {"mode": "fast"}


_json = st.recursive(
    st.none() | st.booleans() | st.integers(-5, 5) | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=8,
)
_keys = st.sampled_from(["metadata", "spec", "status", "apiVersion", "data"])
_specs = st.dictionaries(st.sampled_from(sorted(POD["spec"])), _json)
_containers = st.dictionaries(st.sampled_from(sorted(POD["spec"]["containers"][0])), _json)


@given(
    top=st.dictionaries(_keys, _json),
    spec=_specs,
    containers=st.lists(_containers | _json, max_size=2),
    all_of_it=st.booleans(),
)
def test_nothing_that_comes_makes_it_fail(
    *, top: dict[str, Any], spec: dict[str, Any], containers: list[Any], all_of_it: bool
) -> None:
    """Next to it, what is good is read."""
    named = {"metadata": {"name": "odd", "namespace": "default"}, "spec": spec | {"containers": containers}}
    odd = {**POD, **named} if all_of_it else {"kind": "Pod", **top}
    assert "default/web-7d9c" in placed.read([odd, POD]).pods
