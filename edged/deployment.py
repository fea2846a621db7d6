"""A Deployment (Kubernetes `apps/v1`) of one replica: on a node it is the pod of its template, under its own name."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Literal

from msgspec import Meta, Struct

from device_models.manifest import Manifest
from edged.pod import Metadata

__all__ = ["KIND", "VERSION", "Deployment", "pod_of"]

VERSION, KIND = "apps/v1", "Deployment"


class _Form(Struct, frozen=True, forbid_unknown_fields=True, rename="camel", kw_only=True):
    pass


class TemplateMetadata(_Form, frozen=True):
    labels: Mapping[str, str] = {}
    annotations: Mapping[str, str] = {}
    creation_timestamp: str | None = None


class Template(_Form, frozen=True):
    spec: Mapping[str, Any]
    """Read as a pod's."""
    metadata: TemplateMetadata = TemplateMetadata()


class Strategy(_Form, frozen=True):
    type: Literal["Recreate"] = "Recreate"


class DeploymentSpec(_Form, frozen=True):
    template: Template
    replicas: Annotated[int, Meta(ge=0, le=1, description="0 or 1: a node runs one of each")] = 1
    selector: Mapping[str, Any] = {}
    """Of no meaning where there is one pod."""
    strategy: Strategy = Strategy()


class Deployment(_Form, frozen=True):
    """As it is written."""

    api_version: Literal["apps/v1"]
    kind: Literal["Deployment"]
    metadata: Metadata
    spec: DeploymentSpec
    status: Mapping[str, Any] = {}


def pod_of(document: Manifest) -> Manifest | None:
    """The pod of a valid Deployment; None where it wants none."""
    spec, own = document.spec, document.data["metadata"]
    if spec.get("replicas", 1) == 0:
        return None
    template = spec["template"]
    names = {key: own[key] for key in ("name", "namespace") if key in own}
    metadata = {**template.get("metadata", {}), **names}
    data = {"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": template["spec"]}
    inner = ("spec", "template", "metadata")
    return document.moved(
        data,
        {
            ("spec",): ("spec", "template", "spec"),
            ("metadata", "labels"): (*inner, "labels"),
            ("metadata", "annotations"): (*inner, "annotations"),
        },
    )
