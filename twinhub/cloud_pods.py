"""What a cloud is told of pods: read as at an edge, checked whole, and in the form in which they travel."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from cloud_sync.pod_rules import PodObject, PodRules
from device_models import Problem
from device_models.manifest import Manifest
from edged import declared, deployment, pod_names
from edged.pod import Pod
from edged.sources import Secret

__all__ = ["POD_RULES"]


class _Reader:
    """Of the pods, ConfigMaps and Secrets in one object."""

    def __init__(self) -> None:
        self._reader = declared.PodReader()
        self._taken: list[Manifest] = []

    def take(self, document: Manifest) -> bool:
        taken = self._reader.take(document)
        if taken:
            self._taken.append(document)
        return taken

    def found(self) -> tuple[Iterable[PodObject], Sequence[Problem]]:
        read = self._reader.declared()
        documents = self._reader.documents()
        objects = [self._object(key, one, read) for key, one in documents.items()]
        errors = [problem for problem in read.problems if problem.severity == "error"]
        return objects, errors or [_nothing(one) for one in self._taken if not documents]

    def _object(self, key: str, one: Mapping[str, Any], read: declared.DeclaredPods) -> PodObject:
        kind, _, name = key.partition("/")
        match kind:
            case "Pod":
                return PodObject(key, one, _needs(read.pods[name]))
            case "Secret":
                return PodObject(key, _encoded(one, read.secrets[name]))
        return PodObject(key, one)


def _nothing(document: Manifest) -> Problem:
    """Of a Deployment that asks for no pod."""
    name = document.data["metadata"]["name"]
    file, line, path = document.locate(("spec", "replicas"))
    message = f"a {deployment.KIND} of 0 replicas declares no pod"
    return Problem(file, line, ".".join(map(str, path)), message, f"write `twinhub delete pod {name}` to stop it")


def _needs(pod: Pod) -> dict[str, bool]:
    """Key of each source → whether the pod waits for it; it does if it names it anywhere as not optional."""
    needs: dict[str, bool] = {}
    for one in declared.references(pod):
        key = f"{one.kind}/{pod.metadata.namespace}/{one.name}"
        needs[key] = needs.get(key, False) or not one.optional
    return needs


def _encoded(manifest: Mapping[str, Any], secret: Secret) -> dict[str, Any]:
    """As Kubernetes shows a Secret: all values in `data`."""
    kept = {key: value for key, value in manifest.items() if key != "stringData"}
    return kept | {"data": {key: b64encode(value).decode() for key, value in secret.files.items()}}


POD_RULES = PodRules(_Reader, pod_names.twin_id, pod_names.pod_of)
"""As edged has them."""
