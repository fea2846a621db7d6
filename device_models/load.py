"""Manifest files → complete devices, or everything that is wrong with them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from device_models import folder
from device_models.assemble import Memory, assemble
from device_models.declared_model import DeclaredModel
from device_models.kinds import DEVICE, MODEL, Others, manifests_of
from device_models.manifest import Manifest
from device_models.model import Device
from device_models.problem import Problem, Report, suggestion
from device_models.protocols import Protocols, ProtocolSchema, UnusableProtocol

__all__ = ["Declarations", "declare", "load"]


@dataclass(frozen=True, slots=True)
class Declarations:
    """What a file or a folder declares."""

    devices: dict[str, Device] = field(default_factory=dict)
    """By id, `<namespace>/<name>`: complete, and without errors."""
    documents: dict[str, dict[str, Any]] = field(default_factory=dict)
    """The manifests as KubeEdge v1beta1 objects, nothing lost, by `<Kind>/<namespace>/<name>`; templates too."""
    problems: tuple[Problem, ...] = ()
    """Everything there is to say, in the order of files and lines."""

    @property
    def ok(self) -> bool:
        """Whether there is no error; there may be warnings."""
        return all(problem.severity != "error" for problem in self.problems)


def load(
    path: Path,
    protocols: Mapping[str, ProtocolSchema],
    *,
    models_elsewhere: bool = False,
    others: Others | None = None,
) -> Declarations:
    """Read a manifest file, or all manifests below a folder, for hubs that know these protocols.

    `models_elsewhere`: a device whose model is not here is no error, as a cloud may have the model already; the
    device itself is not built then. `others` is asked first, for every document. Never raises for what stands in
    the files: it is told in `problems`, all at once.
    """
    report = Report()
    if models_elsewhere:
        report.lack()
    found = (
        Manifest(document.data, str(document.file), document.locate) for document in folder.documents(path, report)
    )
    return declare(found, protocols, report, others)


def declare(
    found: Iterable[Manifest], protocols: Mapping[str, ProtocolSchema], report: Report, others: Others | None = None
) -> Declarations:
    """What documents declare together; `report` has what was wrong with reading them, and gets the rest."""
    manifests = _unique(found, report, others)
    devices = _Devices(manifests, Protocols(protocols), report).all()
    documents = {key: manifest.data for key, manifest in manifests.items()}
    return Declarations(devices, documents, report.sorted())


def _unique(found: Iterable[Manifest], report: Report, others: Others | None) -> dict[str, Manifest]:
    manifests: dict[str, Manifest] = {}
    for document in found:
        for manifest in manifests_of(document, report, others):
            first = manifests.setdefault(manifest.key, manifest)
            if first is not manifest:
                file, line, _ = first.locate(("metadata", "name"))
                message = f"{manifest.kind} {manifest.namespace}/{manifest.name} is declared twice"
                report.error(manifest.locate(("metadata", "name")), message, f"rename it here or in {file}:{line}")
    return manifests


class _Devices:
    """Builds the devices of one load."""

    def __init__(self, manifests: Mapping[str, Manifest], protocols: Protocols, report: Report) -> None:
        self._manifests = manifests
        self._protocols = protocols
        self._report = report
        self._memory: Memory = {}
        self._models = {
            key: DeclaredModel(manifest, report) for key, manifest in manifests.items() if manifest.kind == MODEL
        }

    def all(self) -> dict[str, Device]:
        declared = (self._device(manifest) for manifest in self._manifests.values() if manifest.kind == DEVICE)
        return {device.id: device for device in declared if device is not None}

    def _device(self, manifest: Manifest) -> Device | None:
        self._remark_push_methods(manifest)
        model = self._model(manifest)
        protocol = self._protocol(manifest)
        if model is None or protocol is None:
            return None
        return assemble(manifest, model, protocol, self._memory, self._report)

    def _model(self, manifest: Manifest) -> DeclaredModel | None:
        namespace, name = manifest.namespace, manifest.spec["deviceModelRef"]["name"]
        model = self._models.get(f"{MODEL}/{namespace}/{name}")
        if model is None and not self._report.may_have(MODEL, namespace, name):
            place = manifest.locate(("spec", "deviceModelRef", "name"))
            message = f"there is no DeviceModel '{name}' in the namespace '{namespace}'"
            self._report.error(place, message, self._model_advice(namespace, name))
        return model

    def _model_advice(self, namespace: str, name: str) -> str:
        models = [model.manifest for model in self._models.values()]
        elsewhere = [model.namespace for model in models if model.name == name]
        if elsewhere:
            return f"it is in the namespace '{elsewhere[0]}': a device and its model must be in the same one"
        names = [model.name for model in models if model.namespace == namespace]
        return suggestion(name, names) if names else "add a manifest of kind DeviceModel"

    def _protocol(self, manifest: Manifest) -> tuple[str, ProtocolSchema] | None:
        name = manifest.spec["protocol"]["protocolName"]
        place = manifest.locate(("spec", "protocol", "protocolName"))
        try:
            found = self._protocols.find(name)
        except UnusableProtocol as error:
            self._report.error(place, str(error))
            return None
        if found is None:
            self._report.error(place, f"the protocol '{name}' is not known", self._protocols.advice(name))
        return found

    def _remark_push_methods(self, manifest: Manifest) -> None:
        for index, entry in enumerate(manifest.spec.get("properties", [])):
            if entry.get("pushMethod"):
                place = manifest.locate(("spec", "properties", index, "pushMethod"))
                advice = "it is kept; to follow the values, subscribe to the device's topics"
                self._report.warning(place, "pushMethod is not carried out by twinhub", advice)
                return
