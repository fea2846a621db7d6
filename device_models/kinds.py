"""Documents → valid v1beta1 manifests: told apart by kind, upgraded, expanded, checked against their schema."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from device_models import template, upgrade
from device_models.manifest import Manifest
from device_models.problem import Report, nearest
from device_models.schema import schema_of

__all__ = ["DEVICE", "MODEL", "TEMPLATE", "Others", "manifests_of"]

Others = Callable[[Manifest], bool]
"""Reads documents of further kinds, and reports on them itself; False: this one is none of them. Each has an
apiVersion and a kind."""

DEVICE, MODEL, TEMPLATE = "Device", "DeviceModel", "DeviceTemplate"
_GROUP = "devices.kubeedge.io/"
_LISTS = {"List", "DeviceList", "DeviceModelList"}
_ADVICE = {
    "apiVersion": f"add 'apiVersion: {upgrade.V1BETA1}'",
    "kind": f"add 'kind: {DEVICE}' or 'kind: {MODEL}'",
}


def manifests_of(document: Manifest, report: Report, others: Others | None = None) -> Iterator[Manifest]:
    """The manifests in one document, valid by their schema; what is not valid is reported instead.

    A list, as `kubectl get -o yaml` prints it, holds several; a template is one itself and holds its devices.
    What `others` reads is passed over.
    """
    if not _is_object(document, report):
        return
    if document.kind in _LISTS:
        yield from _items(document, report, others)
    elif others is not None and others(document):
        return
    elif _is_ours(document, report):
        yield from _checked(document, report)


def _is_object(document: Manifest, report: Report) -> bool:
    if not isinstance(document.data, dict):
        advice = "write apiVersion, kind, metadata and spec; separate documents by ---"
        report.error(document.locate(()), "this is not a manifest", advice)
        return False
    wrong = [key for key in ("apiVersion", "kind") if not isinstance(document.data.get(key), str)]
    for key in wrong:
        report.error(document.locate((key,)), f"this manifest has no {key}", _ADVICE[key])
    return not wrong


def _items(document: Manifest, report: Report, others: Others | None) -> Iterator[Manifest]:
    items = document.data.get("items")
    for index, item in enumerate(items if isinstance(items, list) else ()):
        yield from manifests_of(document.moved(item, {(): ("items", index)}), report, others)


def _is_ours(document: Manifest, report: Report) -> bool:
    version, kind = str(document.data["apiVersion"]), document.kind
    if version.startswith(_GROUP) and kind in {DEVICE, MODEL}:
        return _is_known_version(document, version, report)
    if version == template.API_VERSION and kind == TEMPLATE:
        return True
    expected = {DEVICE: upgrade.V1BETA1, MODEL: upgrade.V1BETA1, TEMPLATE: template.API_VERSION}
    if kind in expected:
        advice = f"write {expected[kind]}"
        report.error(document.locate(("apiVersion",)), f"'{version}' has no {kind}", advice)
    elif _is_misspelt(version, kind):
        advice = f"did you mean {nearest(kind, expected)}?"
        report.error(document.locate(("kind",)), f"there is no kind '{kind}' in {version}", advice)
    else:
        advice = "nothing to do if the file is meant for Kubernetes"
        report.warning(document.locate(("kind",)), f"the kind {kind} ({version}) is not used here yet", advice)
    return False


def _is_known_version(document: Manifest, version: str, report: Report) -> bool:
    if version in {upgrade.V1BETA1, upgrade.V1ALPHA2}:
        return True
    advice = f"write {upgrade.V1BETA1}; {upgrade.V1ALPHA2} is read as well"
    report.error(document.locate(("apiVersion",)), f"the version '{version}' is not known", advice)
    return False


def _is_misspelt(version: str, kind: str) -> bool:
    ours = version.startswith((_GROUP, template.API_VERSION.split("/", maxsplit=1)[0]))
    return ours and kind != "DeviceStatus" and nearest(kind, (DEVICE, MODEL, TEMPLATE)) is not None


def _checked(document: Manifest, report: Report) -> Iterator[Manifest]:
    if document.data["apiVersion"] == upgrade.V1ALPHA2:
        if not _fits(document, f"{document.kind}.v1alpha2", report):
            return
        document = _upgraded(document, report)
    if not _fits(document, document.kind, report):
        return
    yield document
    if document.kind == TEMPLATE:
        for device in template.devices_of(document, report):
            yield from manifests_of(device, report)


def _upgraded(document: Manifest, report: Report) -> Manifest:
    if document.kind == DEVICE:
        return upgrade.upgraded_device(document, report)
    return upgrade.upgraded_model(document)


def _fits(document: Manifest, schema_name: str, report: Report) -> bool:
    schema = schema_of(schema_name)
    schema.soften(document.data)
    findings = schema.findings(document.data)
    if findings:
        document.tell(findings, report)
        report.refuse(
            document.kind, _claimed(document.data, "namespace") or "default", _claimed(document.data, "name")
        )
    return not findings


def _claimed(data: dict[str, Any], key: str) -> str:
    """The name or namespace that a document claims, however broken it is otherwise."""
    metadata = data.get("metadata")
    return str(metadata.get(key, "")) if isinstance(metadata, dict) else ""
