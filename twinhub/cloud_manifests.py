"""Manifests that are to be applied to a cloud: checked here, where file and line are known."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from cloud_sync.stored import KINDS
from device_models import Problem, load
from device_models.kinds import TEMPLATE
from device_models.manifest import Manifest
from edged import deployment
from edged.declared import PodReader
from twinhub.manifests import protocol_schemas

__all__ = ["read_objects"]

_ORDER = (*KINDS, deployment.KIND)


def read_objects(path: Path) -> tuple[list[dict[str, Any]], tuple[Problem, ...]]:
    """What a file or folder declares as plain objects, what others need first: models and devices as KubeEdge
    v1beta1, templates as their devices; pods and what they take values from as they are written. And what is wrong; a
    model that is not here may be in the cloud."""
    reader, of_pods = PodReader(), list[dict[str, Any]]()

    def others(document: Manifest) -> bool:
        taken = reader.take(document)
        if taken:
            of_pods.append(document.data)
        return taken

    declared = load(path, protocol_schemas(), models_elsewhere=True, others=others)
    of_devices = [document for document in declared.documents.values() if document["kind"] != TEMPLATE]
    problems = tuple(sorted((*declared.problems, *reader.declared().problems)))
    return sorted([*of_devices, *of_pods], key=_place), problems


def _place(one: dict[str, Any]) -> int:
    """Of what has errors, and is not sent, the kind may be any."""
    return _ORDER.index(one["kind"]) if one["kind"] in _ORDER else len(_ORDER)
