"""A manifest's type as JSON Schema, so that everything that is wrong with a manifest is told at once, by its path."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cached_property
from typing import Any

import msgspec

from device_models.advice import Finding
from device_models.problem import Path
from device_models.schema import Schema
from edged.pod import Choice

__all__ = ["Form"]

_UNSUPPORTED = frozenset(
    """
    activeDeadlineSeconds affinity appArmorProfile awsElasticBlockStore azureDisk azureFile cephfs cinder claims
    clusterTrustBundle csi dnsConfig downwardAPI ephemeral ephemeralContainers fc fileKeyRef flexVolume
    flocker fsGroupChangePolicy gcePersistentDisk gitRepo glusterfs grpc hostAliases hostIPC hostPID hostUsers
    hostnameOverride imagePullSecrets iscsi mountPropagation nfs nodeSelector os overhead
    persistentVolumeClaim photonPersistentDisk portworxVolume postStart preemptionPolicy priority priorityClassName
    procMount projected quobyte rbd readinessGates recursiveReadOnly resizePolicy resourceClaims resourceFieldRef
    restartPolicyRules runtimeClassName scaleIO schedulingGates seLinuxChangePolicy seccompProfile serviceAccount
    serviceAccountName setHostnameAsFQDN shareProcessNamespace sizeLimit sleep stdinOnce stopSignal storageos
    subPathExpr subdomain supplementalGroupsPolicy sysctls tolerations topologySpreadConstraints volumeClaimTemplate
    vsphereVolume windowsOptions
    """.split()  # noqa: SIM905 - a list of so many would fill a page
)
"""Fields of a Kubernetes pod beyond those that are read."""
_PRIVATE = frozenset({"data", "stringData", "binaryData"})
_MODES = frozenset({"mode", "defaultMode"})


class Form:
    """One type of manifest."""

    def __init__(self, kind: type[Any]) -> None:
        self.kind = kind

    def read(self, data: Any) -> tuple[Any, tuple[Finding, ...]]:
        """The data without what is declared and empty, ready for `kind`; and all that is wrong with it."""
        data = _tidied(data, self._schema)
        return data, tuple(map(_told, self._compiled.findings(data)))

    @cached_property
    def _schema(self) -> Mapping[str, Any]:
        (root,), parts = msgspec.json.schema_components((self.kind,), ref_template="{name}")
        schema: Mapping[str, Any] = _inlined(
            root, parts, {one.__name__: one.CHOICE for one in Choice.__subclasses__()}
        )
        return schema

    @cached_property
    def _compiled(self) -> Schema:
        return Schema(self._schema)


def _inlined(node: Any, parts: Mapping[str, Any], choices: Mapping[str, tuple[str, ...]]) -> Any:
    """A schema without references, and without the null that JSON Schema wants for what may be left out."""
    if not isinstance(node, dict):
        return node
    if name := node.get("$ref"):
        part = {key: value for key, value in parts[name].items() if key != "description"}
        if name in choices:
            part["oneOf"] = [{"required": [key]} for key in choices[name]]
        return _inlined(part, parts, choices)
    if branches := [one for one in node.get("anyOf", ()) if one != {"type": "null"}]:
        return _any_of([_inlined(one, parts, choices) for one in branches])
    inner = {key: _inlined(node[key], parts, choices) for key in ("items", "additionalProperties") if key in node}
    if "properties" in node:
        inner["properties"] = {key: _inlined(one, parts, choices) for key, one in node["properties"].items()}
    return {key: value for key, value in node.items() if key not in {"title", "default"}} | inner


def _any_of(branches: list[dict[str, Any]]) -> dict[str, Any]:
    if len(branches) == 1:
        return branches[0]
    if all(branch.keys() == {"type"} for branch in branches):
        return {"type": [branch["type"] for branch in branches]}
    return {"anyOf": branches}


def _tidied(data: Any, schema: Any) -> Any:
    """A copy without declared keys that have no value, as tools write them; 2.0 is 2 where a whole number is wanted,
    and permissions that begin with 0 are octal."""
    if not isinstance(schema, Mapping):
        return data
    if isinstance(data, dict):
        known, others = schema.get("properties", {}), schema.get("additionalProperties")
        kept = {key: value for key, value in data.items() if value is not None or key not in known}
        return {key: _tidied(_octal(key, value), known.get(key, others)) for key, value in kept.items()}
    if isinstance(data, list):
        return [_tidied(item, schema.get("items")) for item in data]
    if isinstance(data, float) and data.is_integer() and _wants_whole(schema):
        return int(data)
    return data


def _wants_whole(schema: Mapping[str, Any]) -> bool:
    return any(branch.get("type") == "integer" for branch in schema.get("anyOf", (schema,)))


def _octal(key: str, value: Any) -> Any:
    """YAML leaves a number that begins with 0 as text, because not everybody reads it as octal."""
    octal = key in _MODES and isinstance(value, str) and value.startswith("0") and len(value) <= 5
    return int(value, 8) if octal and set(value) <= set("01234567") else value


def _told(finding: Finding) -> Finding:
    path, _, advice = finding
    if path[0:1] == ("spec",) and path[-1] in _UNSUPPORTED:
        return Finding(path, "this field of Kubernetes is not supported here", "remove it")
    if len(path) == 1 and path[0] in _PRIVATE:
        return Finding(path, "this is not a mapping", "write KEY: VALUE, a line for each")
    if _is_private(path):
        return Finding(path, "the value is not text", "put it in quotes")
    return Finding(path, finding.message, advice)


def _is_private(path: Path) -> bool:
    """What may be secret is not shown."""
    return len(path) > 1 and (path[0] in _PRIVATE or path[-1] == "value")
