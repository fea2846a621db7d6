"""What keeps a declared object from being of use, and what to do about it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from cloud_sync.assembled import Assembled
from cloud_sync.index import Index
from cloud_sync.pod_rules import BY_CLOUD, POD_DECLARED, PodRules
from cloud_sync.stored import DEVICE, POD, Condition, NodeEntry, StoredObject, model_of

__all__ = ["conditions", "twin_of_cloud"]


def conditions(one: StoredObject, index: Index, assembled: Assembled, rules: PodRules) -> Iterator[Condition]:
    """Of a device or a pod; others are of use wherever they are named."""
    if one.kind == DEVICE:
        yield from _placing(one, index.node(one.node), "it is attached to")
        yield from _doubles(one, index)
        yield from _model_conditions(one, index, assembled)
    elif one.kind == POD:
        yield from _placing(one, index.node(one.node), "that is to run it")
        yield from _sources(one, index)
        if twin := index.devices.get(rules.twin_of(one.id)):
            yield from _pods_doubles(twin, index)


def twin_of_cloud(twin: StoredObject) -> bool:
    """Whether the pod of this twin is declared in the cloud, as its edge says."""
    return (twin.object["metadata"].get("annotations") or {}).get(POD_DECLARED) == BY_CLOUD


def _placing(one: StoredObject, node: NodeEntry | None, which: str) -> Iterable[Condition]:
    if not one.node:
        yield Condition("NodeUnknown", "it names no node", f"set spec.nodeName to the node {which}")
    elif node is None:
        advice = f"join it: twinhub token {one.node} prints the command"
        yield Condition("NodeUnknown", f"the node {one.node} has not joined this cloud", advice)
    elif node.revoked:
        advice = f"join it anew: twinhub token {one.node} prints the command"
        yield Condition("NodeRevoked", f"the node {one.node} is revoked", advice)


def _doubles(device: StoredObject, index: Index) -> Iterable[Condition]:
    owner = f"the edge {device.origin}" if device.origin else "the cloud"
    for node in sorted(index.twice.get(device.id, ())):
        message = f"{owner} declares it, and so does the edge {node}, whose reports of it are not taken"
        yield Condition("DeclaredTwice", message, "rename one of the two, or delete it")


def _pods_doubles(twin: StoredObject, index: Index) -> Iterable[Condition]:
    if not twin_of_cloud(twin):
        owner = f"the folder of the edge {twin.origin}" if twin.origin else f"the device {twin.id}"
        message = f"{owner} has this name too, and it is its twin that is shown"
        yield Condition("DeclaredTwice", message, "rename one of the two, or delete it")
    yield from _doubles(twin, index)


def _sources(pod: StoredObject, index: Index) -> Iterable[Condition]:
    for key in index.pods.missing(pod):
        kind, namespace, name = key.split("/")
        message = f"there is no {kind} {name} in the namespace {namespace} of the cloud"
        yield Condition("SourceMissing", message, "apply it; unless it is at the edge, the pod waits there for it")


def _model_conditions(device: StoredObject, index: Index, assembled: Assembled) -> Iterable[Condition]:
    model = index.model_for(device)
    if model is None:
        _, _, name = model_of(device.object).split("/")
        message = f"there is no DeviceModel {name} in the namespace {device.namespace}"
        yield Condition("ModelMissing", message, "apply the model; the device is sent once it is there")
        return
    yield from assembled.wrong(device, model)
