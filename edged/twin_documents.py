"""A derived device as the manifests that would declare it, so that a cloud knows the twins of pods and nodes as it
knows those of devices. Pure."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from typing import Any

from device_models import Device, Property
from device_models.protocols import EXTERNAL
from device_models.upgrade import V1BETA1

__all__ = ["DECLARED", "documents"]

DECLARED = "twinhub.io/pod-declared"
"""The annotation of a device that shows a pod which the cloud declared itself; it is `cloud` then."""


def documents(devices: Iterable[Device], of_cloud: Collection[str] = ()) -> dict[str, Mapping[str, Any]]:
    """v1beta1 objects by `<Kind>/<namespace>/<name>`: a device and a model of its own for each. `of_cloud`: the ids
    of those devices whose pods the cloud declared."""
    return {
        f"{one['kind']}/{device.id}": one
        for device in devices
        for one in (_model(device), _device(device, {DECLARED: "cloud"} if device.id in of_cloud else {}))
    }


def _model(device: Device) -> dict[str, Any]:
    return _object("DeviceModel", device, {"properties": list(map(_property, device.properties))})


def _device(device: Device, annotations: Mapping[str, str]) -> dict[str, Any]:
    spec = {"deviceModelRef": {"name": device.name}, "protocol": {"protocolName": EXTERNAL}, "nodeName": device.node}
    return _object("Device", device, spec, annotations)


def _object(
    kind: str, device: Device, spec: Mapping[str, Any], annotations: Mapping[str, str] | None = None
) -> dict[str, Any]:
    metadata: dict[str, Any] = {"name": device.name, "namespace": device.namespace}
    metadata["labels"] = {"description": device.description}
    if annotations:
        metadata["annotations"] = annotations
    return {"apiVersion": V1BETA1, "kind": kind, "metadata": metadata, "spec": spec}


def _property(one: Property) -> dict[str, Any]:
    limits = {"minimum": one.minimum, "maximum": one.maximum}
    written = {name: f"{limit:g}" for name, limit in limits.items() if limit is not None}
    described = {"name": one.name, "type": one.type.value, "accessMode": one.access.value}
    return {**described, "description": one.description, **written}
