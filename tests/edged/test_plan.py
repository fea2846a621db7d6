from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

import msgspec
import pytest

from edged.places import Room
from edged.plan import NodeFacts, plan, uid_of
from edged.pod import Capabilities, Pod
from edged.runtime import LABEL, Mount, PublishedPort
from edged.sources import ConfigMap, Secret, Sources
from edged.wanted import BoundDevice, CannotPlan, PodPlan

NODE = NodeFacts("edge-1", "10.0.0.5")
ROOM = Room(Path("/state/pods"), Path("/mem/own"))
SOURCES = Sources({"plant/levels": ConfigMap({"high": "80"})}, {"plant/door": Secret({"code": b"1234"})})
UID = "7b3c"
MANIFEST: dict[str, Any] = {
    "apiVersion": "v1",
    "kind": "Pod",
    "metadata": {"name": "alarm", "namespace": "plant", "uid": UID, "labels": {"app": "alarm"}},
    "spec": {
        "initContainers": [{"name": "first", "image": "i:1"}],
        "containers": [
            {
                "name": "watch",
                "image": "localhost/alarm:1",
                "command": ["watch", "$(LEVEL)"],
                "args": ["$$(LEVEL)", "$(NONE)"],
                "env": [{"name": "LEVEL", "valueFrom": {"configMapKeyRef": {"name": "levels", "key": "high"}}}],
                "ports": [{"containerPort": 8080, "hostPort": 80, "hostIP": "127.0.0.1"}, {"containerPort": 9000}],
                "resources": {"limits": {"cpu": "1500m", "memory": "64Mi"}, "requests": {"cpu": "250m"}},
                "volumeMounts": [
                    {"name": "data", "mountPath": "/data", "subPath": "a/b"},
                    {"name": "levels", "mountPath": "/levels"},
                    {"name": "door", "mountPath": "/door"},
                    {"name": "www", "mountPath": "/www", "readOnly": True},
                ],
                "volumeDevices": [{"name": "serial", "devicePath": "/dev/ttyS7"}],
                "securityContext": {
                    "runAsUser": 7,
                    "readOnlyRootFilesystem": True,
                    "allowPrivilegeEscalation": False,
                    "capabilities": {"drop": ["ALL"], "add": ["CAP_NET_RAW", "CHOWN"]},
                },
            },
            {"name": "other", "image": "i:1"},
        ],
        "volumes": [
            {"name": "data", "emptyDir": {}},
            {"name": "levels", "configMap": {"name": "levels"}},
            {"name": "door", "secret": {"secretName": "door"}},
            {"name": "www", "hostPath": {"path": "/srv/www"}},
            {"name": "serial", "hostPath": {"path": "/dev/ttyUSB0", "type": "CharDevice"}},
        ],
        "securityContext": {"runAsUser": 5, "runAsGroup": 6, "fsGroup": 9, "supplementalGroups": [8]},
    },
}


def planned(
    *, sources: Sources = SOURCES, device: BoundDevice | None = None, node: NodeFacts = NODE, **edits: Any
) -> PodPlan:
    """`edits`: by the path in the manifest, `__` between the steps; None removes."""
    data = copy.deepcopy(MANIFEST)
    for path, value in edits.items():
        *steps, last = [int(step) if step.isdecimal() else step for step in path.split("__")]
        place: Any = data
        for step in steps:
            place = place[step]
        if value is None:
            del place[last]
        else:
            place[last] = value
    return plan(msgspec.convert(data, Pod), sources, node, device, ROOM)


def test_a_container_is_planned() -> None:
    one = planned().containers[0].plan
    assert one.image == "localhost/alarm:1"
    assert one.command == ("watch", "80")
    assert one.args == ("$(LEVEL)", "$(NONE)")
    assert one.env == {"LEVEL": "80"}
    assert one.mounts == (
        Mount(f"/state/pods/plant/alarm/{UID}/empty-dir/data/a/b", "/data"),
        Mount(f"/state/pods/plant/alarm/{UID}/config-map/levels", "/levels", read_only=True),
        Mount(f"/mem/own/plant/alarm/{UID}/secret/door", "/door", read_only=True),
        Mount("/srv/www", "/www", read_only=True),
    )
    assert one.devices == (Mount("/dev/ttyUSB0", "/dev/ttyS7"),)
    assert (one.cpu, one.memory, one.cpu_shares) == (1.5, 64 * 2**20, 256)
    assert (one.user, one.group, one.groups) == (7, 6, (8, 9))
    assert one.read_only_root
    assert one.no_new_privileges
    assert not one.privileged
    assert one.capabilities == Capabilities(add=("NET_RAW", "CHOWN"), drop=("ALL",))
    assert one.log_path == f"/state/pods/plant/alarm/{UID}/log/watch/0.log"


def test_labels_say_whose_it_is() -> None:
    found = planned()
    common = {LABEL.node: "edge-1", LABEL.pod: "plant/alarm", LABEL.uid: UID}
    assert found.sandbox.labels == {**common, LABEL.spec: found.hash}
    for wish in (*found.init, *found.containers):
        assert wish.plan.labels == {**common, LABEL.container: wish.container.name, LABEL.spec: wish.hash}
    assert [wish.container.name for wish in found.init] == ["first"]


def test_a_sandbox_is_planned() -> None:
    sandbox = planned().sandbox
    assert sandbox.hostname == "alarm"
    assert sandbox.ports == (PublishedPort(8080, 80, "127.0.0.1", "TCP"),)
    on_host = planned(spec__hostNetwork=True).sandbox
    assert (on_host.hostname, on_host.ports, on_host.host_network) == ("edge-1", (), True)
    assert planned(spec__hostname="line1").sandbox.hostname == "line1"
    assert planned(metadata__name="a" * 62 + ".b").sandbox.hostname == "a" * 62


def test_a_sandbox_is_privileged_when_one_of_its_containers_is() -> None:
    assert not planned().sandbox.privileged
    assert planned(spec__containers__0__securityContext={"privileged": True}).sandbox.privileged


@pytest.mark.parametrize(
    ("limits", "requests", "shares"),
    [({}, {}, None), ({"cpu": 2}, {}, 2048), ({}, {"cpu": "1m"}, 2), ({"cpu": 9999}, {}, 262_144)],
)
def test_shares_are_those_of_the_kubelet(limits: Any, requests: Any, shares: int | None) -> None:
    resources = {"limits": limits, "requests": requests}
    assert planned(spec__containers__0__resources=resources).containers[0].plan.cpu_shares == shares


def hashes(found: PodPlan) -> dict[str, str]:
    wishes = {wish.container.name: wish.hash for wish in (*found.init, *found.containers)}
    return {"sandbox": found.hash, **wishes}


def changed(**edits: Any) -> set[str]:
    before, after = hashes(planned()), hashes(planned(**edits))
    return {name for name in before if after.get(name) != before[name]}


def test_the_same_manifest_restarts_nothing() -> None:
    assert changed() == set()


def test_another_version_restarts_nothing() -> None:
    """These are on the engines of nodes: whoever changes how they are made restarts all pods everywhere."""
    assert hashes(planned()) == {
        "sandbox": "f1d3968487d6a2a8",
        "first": "bbe00b75eb183efa",
        "watch": "3f84fd375e76f1d4",
        "other": "741c93412457d8d5",
    }


@pytest.mark.parametrize(
    ("edits", "restarted"),
    [
        ({"spec__containers__1__image": "i:2"}, {"other"}),
        ({"spec__containers__0__args": ["x"]}, {"watch"}),
        ({"spec__containers__0__env": []}, {"watch"}),
        ({"spec__containers__0__resources": {}}, {"watch"}),
        ({"spec__containers__0__volumeMounts__3__readOnly": False}, {"watch"}),
        ({"spec__volumes__3__hostPath__path": "/srv/other"}, {"watch"}),
        ({"spec__volumes__0": {"name": "data", "emptyDir": {"medium": "Memory"}}}, {"watch"}),
        ({"spec__securityContext__runAsUser": 1}, {"first", "other"}),
        ({"spec__securityContext__runAsUser": 0}, {"first", "other"}),
        ({"spec__securityContext__fsGroup": 1}, {"first", "watch", "other"}),
        ({"spec__initContainers__0__image": "i:2"}, {"first"}),
        ({"spec__containers__1__terminationMessagePath": "/run/words"}, {"other"}),
        ({"spec__hostname": "line1"}, {"sandbox"}),
        ({"spec__containers__0__ports__0__hostPort": 81}, {"sandbox"}),
        ({"metadata__uid": "other"}, {"sandbox", "watch"}),
    ],
)
def test_an_edit_restarts_what_it_must(edits: dict[str, Any], restarted: set[str]) -> None:
    assert changed(**edits) == restarted


@pytest.mark.parametrize(
    "edits",
    [
        {"metadata__labels": {"app": "other"}},
        {"metadata__annotations": {"a": "b"}},
        {"spec__terminationGracePeriodSeconds": 5},
        {"spec__restartPolicy": "Never"},
        {"spec__containers__0__livenessProbe": {"exec": {"command": ["true"]}}},
        {"spec__containers__0__lifecycle": {"preStop": {"exec": {"command": ["true"]}}}},
        {"spec__containers__0__imagePullPolicy": "Never"},
        {"spec__containers__1__terminationMessagePath": "/dev/termination-log"},
        {"spec__containers__1__terminationMessagePolicy": "FallbackToLogsOnError"},
        {"spec__containers__0__ports__1__containerPort": 9001},
        {"spec__volumes__1__configMap__defaultMode": 0o600},
        {"spec__volumes__3__hostPath__type": "Directory"},
        {"sources": Sources({"plant/levels": ConfigMap({"high": "90"})}, SOURCES.secrets)},
        {"node": NodeFacts("edge-1", "10.0.0.6")},
    ],
)
def test_an_edit_restarts_nothing_that_it_need_not(edits: dict[str, Any]) -> None:
    assert changed(**edits) == set()


def test_what_volumes_show_is_part_of_the_plan() -> None:
    edited = Sources({"plant/levels": ConfigMap({"high": "90"})}, SOURCES.secrets)
    assert planned(sources=edited).files != planned().files
    assert planned(spec__volumes__1__configMap__defaultMode=0o600).files != planned().files
    assert planned(metadata__labels={}).files == planned().files


def test_a_bound_device_is_in_the_environment() -> None:
    device = BoundDevice("plant/pump", {"TWINHUB_DEVICE": "plant/pump", "LEVEL": "x"})
    found = planned(device=device)
    assert found.containers[0].plan.env == {"TWINHUB_DEVICE": "plant/pump", "LEVEL": "80"}
    moved = planned(device=BoundDevice("plant/pump", {"TWINHUB_DEVICE": "plant/pump", "LEVEL": "y"}))
    assert found.containers[0].hash != moved.containers[0].hash


def test_what_is_not_there_cannot_be_planned() -> None:
    with pytest.raises(CannotPlan, match="ConfigMap plant/levels is not there") as caught:
        planned(sources=Sources())
    assert caught.value.container == "watch"


def test_a_pod_without_uid_has_always_the_same() -> None:
    pod = msgspec.convert(MANIFEST, Pod)
    assert uid_of(pod, "edge-1") == UID
    nameless = planned(metadata__uid=None)
    uid = nameless.sandbox.labels[LABEL.uid]
    assert uid == planned(metadata__uid=None).sandbox.labels[LABEL.uid]
    assert uid != planned(metadata__uid=None, node=NodeFacts("edge-2", "")).sandbox.labels[LABEL.uid]
    assert uid != planned(metadata__uid=None, metadata__name="b").sandbox.labels[LABEL.uid]


def test_names_on_the_engine_are_those_of_one_pod() -> None:
    names = {planned(**edits).sandbox.name for edits in ({}, {"metadata__uid": "x"}, {"node": NodeFacts("n", "")})}
    assert len(names) == 3
    found = planned()
    assert len({wish.plan.name for wish in (*found.init, *found.containers)}) == 3


def test_nobody_sees_a_secret() -> None:
    entry = {"name": "CODE", "valueFrom": {"secretKeyRef": {"name": "door", "key": "code"}}}
    found = planned(spec__containers__0__env=[entry])
    assert found.containers[0].plan.env == {"CODE": "1234"}
    assert "1234" not in repr(found)
