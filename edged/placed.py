"""Pods as a cloud hands them to the node it placed them on: read without what was for the cloud alone.

A Kubernetes API server fills in defaults, and its scheduler and service accounts leave their traces. What has been
used when the pod arrives, and what says only what goes without saying, is taken away; the rest is read like any
manifest, and refused like one.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from device_models import load_objects
from edged.declared import DeclaredPods, PodReader

__all__ = ["read"]

_METADATA = ("name", "namespace", "uid", "labels", "annotations")
_USED = {
    "affinity", "nodeSelector", "preemptionPolicy", "priority", "priorityClassName", "schedulerName", "tolerations",
    "topologySpreadConstraints",
}  # fmt: skip
"""What decides on which node a pod runs."""
_OF_POD: Mapping[str, Any] = {
    "automountServiceAccountToken": True,
    "dnsConfig": {},
    "ephemeralContainers": [],
    "hostAliases": [],
    "hostIPC": False,
    "hostPID": False,
    "hostUsers": True,
    "imagePullSecrets": [],
    "os": {"name": "linux"},
    "readinessGates": [],
    "serviceAccount": "default",
    "serviceAccountName": "default",
    "setHostnameAsFQDN": False,
    "shareProcessNamespace": False,
    "subdomain": "",
}
"""What goes without saying."""
_OF_CONTAINER: Mapping[str, Any] = {"stdinOnce": False}
_OF_MOUNT: Mapping[str, Any] = {"mountPropagation": "None", "recursiveReadOnly": "Disabled"}
_OF_SECURITY: Mapping[str, Any] = {"procMount": "Default"}
_API_ACCESS = "kube-api-access-"
"""How the volume begins that every pod gets, to speak to an API server which no edge reaches."""


def read(objects: Iterable[Mapping[str, Any]]) -> DeclaredPods:
    """Pods, ConfigMaps and Secrets. Never raises for what stands in the objects; a problem names its object,
    `<Kind>/<namespace>/<name>`."""
    reader = PodReader()
    rest = load_objects(map(_as_written, objects), {}, reader.take)
    declared = reader.declared()
    return declared._replace(problems=tuple(sorted((*declared.problems, *rest.problems))))


def _as_written(one: Mapping[str, Any]) -> dict[str, Any]:
    """As somebody would have written it."""
    metadata = one.get("metadata")
    kept = {key: value for key, value in one.items() if key != "status"}
    if isinstance(metadata, dict):
        kept["metadata"] = {key: metadata[key] for key in _METADATA if key in metadata}
    if one.get("kind") == "Pod" and isinstance(one.get("spec"), dict):
        kept["spec"] = _spec(one["spec"])
    return kept


def _spec(spec: dict[str, Any]) -> dict[str, Any]:
    kept: dict[str, Any] = _without({key: value for key, value in spec.items() if key not in _USED}, _OF_POD)
    for key in ("containers", "initContainers"):
        if isinstance(kept.get(key), list):
            kept[key] = [_container(one) for one in kept[key]]
    if isinstance(kept.get("volumes"), list):
        kept["volumes"] = [one for one in kept["volumes"] if not _gives_api_access(one)]
    return kept


def _container(container: Any) -> Any:
    if not isinstance(container, dict):
        return container
    kept = _without({key: value for key, value in container.items() if key != "resizePolicy"}, _OF_CONTAINER)
    if isinstance(kept.get("volumeMounts"), list):
        kept["volumeMounts"] = [
            _without(one, _OF_MOUNT) for one in kept["volumeMounts"] if not _gives_api_access(one)
        ]
    if "securityContext" in kept:
        kept["securityContext"] = _without(kept["securityContext"], _OF_SECURITY)
    return kept


def _gives_api_access(named: Any) -> bool:
    """The volume, or where it is mounted."""
    return isinstance(named, dict) and str(named.get("name")).startswith(_API_ACCESS)


def _without(data: Any, defaults: Mapping[str, Any]) -> Any:
    if not isinstance(data, dict):
        return data
    return {key: value for key, value in data.items() if key not in defaults or value != defaults[key]}
