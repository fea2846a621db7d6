"""Manifests of pods, ConfigMaps and Secrets → typed and checked, or all that is wrong with them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

import msgspec

from device_models import Problem
from device_models.manifest import Manifest
from device_models.problem import Path, Report, nearest, suggestion
from edged import deployment, sources, validate
from edged.form import Form
from edged.pod import Pod
from edged.sources import ConfigMap, ConfigMapManifest, Secret, SecretManifest, Sources

__all__ = ["DeclaredPods", "PodReader", "Reference", "references"]

_FORMS = {
    "Pod": Form(Pod),
    "ConfigMap": Form(ConfigMapManifest),
    "Secret": Form(SecretManifest),
    deployment.KIND: Form(deployment.Deployment),
}
_V1 = ("Pod", "ConfigMap", "Secret")
_VERSIONS = {**dict.fromkeys(_V1, "v1"), deployment.KIND: deployment.VERSION}
_KUBERNETES = {"PodTemplate", "Service"}
"""Kinds of Kubernetes' v1 whose names are like those."""


class DeclaredPods(NamedTuple):
    """Complete and without errors, by `<namespace>/<name>`; and everything there is to say."""

    pods: Mapping[str, Pod] = {}
    config_maps: Mapping[str, ConfigMap] = {}
    secrets: Mapping[str, Secret] = {}
    problems: tuple[Problem, ...] = ()

    @property
    def sources(self) -> Sources:
        return Sources(self.config_maps, self.secrets)

    def on(self, node: str) -> dict[str, Pod]:
        """The pods of this node: those that name it, or none."""
        return {id_: pod for id_, pod in self.pods.items() if pod.spec.node_name in ("", node)}


class Reference(NamedTuple):
    """Where a pod takes values or files from."""

    path: Path
    """Where it says so."""
    kind: str
    """ConfigMap or Secret."""
    name: str
    optional: bool
    """The pod runs without it, too."""


class PodReader:
    """Takes documents one by one; `device_models.load` hands them over, where it is told that somebody `others`."""

    def __init__(self) -> None:
        self._report = Report()
        self._manifests: dict[str, Manifest] = {}
        self._pods: dict[str, Pod] = {}
        self._config_maps: dict[str, ConfigMap] = {}
        self._secrets: dict[str, Secret] = {}

    def take(self, document: Manifest) -> bool:
        """Read a Pod, ConfigMap, Secret or Deployment, or what was meant to be one; False: it is something else."""
        version, kind = document.data["apiVersion"], document.kind
        if version == _VERSIONS.get(kind):
            self._read(document)
        elif kind in _VERSIONS:
            advice = f"write {_VERSIONS[kind]}"
            self._report.error(document.locate(("apiVersion",)), f"'{version}' has no {kind}", advice)
        elif version == "v1" and kind not in _KUBERNETES and (meant := nearest(kind, _V1)):
            self._report.error(
                document.locate(("kind",)), f"there is no kind '{kind}' in v1", f"did you mean {meant}?"
            )
        else:
            return False
        return True

    def declared(self) -> DeclaredPods:
        """All that was read so far."""
        report = Report()
        for id_, pod in self._pods.items():
            manifest = self._manifests[f"Pod/{id_}"]
            for reference in references(pod):
                self._remark_absence(manifest, reference, report)
        problems = (*self._report.sorted(), *report.sorted())
        return DeclaredPods(dict(self._pods), dict(self._config_maps), dict(self._secrets), tuple(sorted(problems)))

    def documents(self) -> dict[str, Mapping[str, Any]]:
        """What was read and has no errors, as plain objects by `<Kind>/<namespace>/<name>`; of a Deployment its pod.
        What is declared and empty is left out."""
        kept = [f"Pod/{id_}" for id_ in self._pods]
        kept += [f"ConfigMap/{id_}" for id_ in self._config_maps]
        kept += [f"Secret/{id_}" for id_ in self._secrets]
        return {key: self._manifests[key].data for key in kept}

    def _read(self, document: Manifest) -> None:
        data, findings = _FORMS[document.kind].read(document.data)
        if findings:
            document.tell(findings, self._report)
            self._refuse(document)
            return
        manifest = document.moved(data, {})
        if manifest.kind == deployment.KIND:
            if pod := deployment.pod_of(manifest):
                self._read(pod)
        elif self._is_first(manifest):
            self._keep(manifest)

    def _refuse(self, document: Manifest) -> None:
        metadata = document.data.get("metadata")
        named = metadata if isinstance(metadata, dict) else {}
        self._report.refuse(document.kind, str(named.get("namespace") or "default"), str(named.get("name")))

    def _is_first(self, manifest: Manifest) -> bool:
        first = self._manifests.setdefault(manifest.key, manifest)
        if first is not manifest:
            file, line, _ = first.locate(("metadata", "name"))
            message = f"{manifest.kind} {manifest.namespace}/{manifest.name} is declared twice"
            self._report.error(manifest.locate(("metadata", "name")), message, f"rename it here or in {file}:{line}")
        return first is manifest

    def _keep(self, manifest: Manifest) -> None:
        typed: Pod | ConfigMapManifest | SecretManifest
        typed = msgspec.convert(manifest.data, _FORMS[manifest.kind].kind)
        findings = tuple(validate.findings(typed) if isinstance(typed, Pod) else sources.findings(typed))
        manifest.tell(findings, self._report)
        id_ = f"{manifest.namespace}/{manifest.name}"
        if findings:
            self._refuse(manifest)
        elif isinstance(typed, Pod):
            self._pods[id_] = typed
        elif isinstance(typed, ConfigMapManifest):
            self._config_maps[id_] = typed.read()
        else:
            self._secrets[id_] = typed.read()

    def _remark_absence(self, manifest: Manifest, reference: Reference, report: Report) -> None:
        """Not an error: it may come from somewhere else, and the pod waits for it."""
        path, kind, name, optional = reference
        there = self._config_maps if kind == "ConfigMap" else self._secrets
        namespace = manifest.namespace
        if optional or f"{namespace}/{name}" in there or self._report.may_have(kind, namespace, name):
            return
        names = [id_.removeprefix(f"{namespace}/") for id_ in there if id_.startswith(f"{namespace}/")]
        advice = suggestion(name, names) if nearest(name, names) else "the pod waits until there is one"
        report.warning(manifest.locate(path), f"there is no {kind} '{name}' in the namespace '{namespace}'", advice)


def references(pod: Pod) -> Iterator[Reference]:
    """The ConfigMaps and Secrets that a pod names, all of its own namespace."""
    data = msgspec.to_builtins(pod)
    for path, node in _nodes(data["spec"], ("spec",)):
        key = path[-1]
        if key in _NAMES and isinstance(node, dict):
            kind, name = _NAMES[str(key)]
            yield Reference((*path, name), kind, node[name], node.get("optional", False))


_NAMES = {
    "configMap": ("ConfigMap", "name"),
    "configMapRef": ("ConfigMap", "name"),
    "configMapKeyRef": ("ConfigMap", "name"),
    "secret": ("Secret", "secretName"),
    "secretRef": ("Secret", "name"),
    "secretKeyRef": ("Secret", "name"),
}


def _nodes(node: Any, path: Path) -> Iterator[tuple[Path, Any]]:
    yield path, node
    items = node.items() if isinstance(node, dict) else enumerate(node) if isinstance(node, list | tuple) else ()
    for key, item in items:
        yield from _nodes(item, (*path, key))
