"""Pods and what they take values from, as operators write them; and the twin that an edge derives from a pod."""

from __future__ import annotations

from base64 import b64encode
from typing import Any

VALUE = "correct horse battery staple"
"""Of a Secret: never to be seen again."""
ENCODED = b64encode(VALUE.encode()).decode()


def pod(name: str = "web", node: str | None = "edge-7", image: str = "a", **env_from: str) -> dict[str, Any]:
    """`env_from`: name of a Secret or ConfigMap → `secret`, `configMap`, or one of these with `?` for optional."""
    sources = [
        {f"{kind.removesuffix('?')}Ref": {"name": source, "optional": kind.endswith("?")}}
        for source, kind in env_from.items()
    ]
    spec = {"containers": [{"name": "app", "image": image, "envFrom": sources}]}
    named = {} if node is None else {"nodeName": node}
    return {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": name}, "spec": spec | named}


def secret(name: str = "keys", **values: str) -> dict[str, Any]:
    data = values or {"password": VALUE}
    return {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": name}, "stringData": data}


def config_map(name: str = "settings", **values: str) -> dict[str, Any]:
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name}, "data": values or {"level": "debug"}}


def twin_model(name: str = "web") -> dict[str, Any]:
    properties = [{"name": "phase", "type": "STRING", "accessMode": "ReadOnly"}]
    metadata = {"name": f"pod.{name}", "namespace": "default"}
    return _object("DeviceModel", metadata, {"properties": properties})


def twin(name: str = "web", *, by_cloud: bool = True) -> dict[str, Any]:
    metadata: dict[str, Any] = {"name": f"pod.{name}", "namespace": "default"}
    if by_cloud:
        metadata["annotations"] = {"twinhub.io/pod-declared": "cloud"}
    spec = {"deviceModelRef": {"name": f"pod.{name}"}, "protocol": {"protocolName": "external"}}
    return _object("Device", metadata, spec)


def _object(kind: str, metadata: dict[str, Any], spec: dict[str, Any]) -> dict[str, Any]:
    return {"apiVersion": "devices.kubeedge.io/v1beta1", "kind": kind, "metadata": metadata, "spec": spec}
