"""Manifests that are to be applied to a cloud: checked here, where file and line are known."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from device_models import Problem, load
from device_models.kinds import DEVICE, MODEL
from twinhub.manifests import protocol_schemas

__all__ = ["read_objects"]

_ORDER = (MODEL, DEVICE)


def read_objects(path: Path) -> tuple[list[dict[str, Any]], tuple[Problem, ...]]:
    """The models, then the devices that a file or folder declares, as KubeEdge v1beta1 objects; templates give their
    devices. And what is wrong; a model that is not here may be in the cloud."""
    declared = load(path, protocol_schemas(), models_elsewhere=True)
    objects = [document for document in declared.documents.values() if document["kind"] in _ORDER]
    return sorted(objects, key=lambda document: _ORDER.index(document["kind"])), declared.problems
