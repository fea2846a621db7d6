"""Model + device manifest + protocol → a complete Device."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from typing import Any

import msgspec

from device_models import extension, limits
from device_models.advice import Finding
from device_models.declared_model import DeclaredModel, DeclaredProperty
from device_models.manifest import Manifest, exists
from device_models.model import AccessMode, Device, Property
from device_models.problem import Path, Place, Report, suggestion
from device_models.protocols import ProtocolSchema
from device_models.schema import Schema
from device_models.upgrade import NANOSECONDS

__all__ = ["Memory", "assemble"]

DEFAULT_CYCLE = 1000
"""Milliseconds."""
_VISITOR: Path = ("visitors", "configData")

Memory = dict[tuple[str, str, bytes], Property]
"""Properties that were built without a complaint, by model, protocol and what the instance says: in a fleet of
equal devices each exists once."""


def assemble(
    manifest: Manifest,
    model: DeclaredModel,
    protocol: tuple[str, ProtocolSchema],
    memory: Memory,
    report: Report,
) -> Device | None:
    """The device that a valid manifest declares; None when something is wrong with it, which is reported."""
    return _Assembly(manifest, model, protocol, memory, report).device()


class _Assembly:
    def __init__(
        self,
        manifest: Manifest,
        model: DeclaredModel,
        protocol: tuple[str, ProtocolSchema],
        memory: Memory,
        report: Report,
    ) -> None:
        self._manifest = manifest
        self._model = model
        self._protocol, self._schemas = protocol
        self._memory = memory
        self._report = report

    def device(self) -> Device | None:
        manifest, spec = self._manifest, self._manifest.spec
        config = self._config()
        properties = [self._property(path, entry) for path, entry in self._entries()]
        complete = tuple(prop for prop in properties if prop is not None)
        self._remark_methods()
        if config is None or len(complete) < len(properties):
            return None
        return Device(
            namespace=manifest.namespace,
            name=manifest.name,
            model=self._model.manifest.name,
            protocol=self._protocol,
            config=config,
            properties=complete,
            node=spec.get("nodeName", ""),
            description=manifest.data["metadata"].get("labels", {}).get("description", ""),
        )

    def _remark_methods(self) -> None:
        """A method is a name for properties that are written to call it; KubeEdge takes any, so this only warns."""
        for index, method in enumerate(self._manifest.spec.get("methods", [])):
            for place, name in enumerate(method.get("propertyNames", [])):
                where = self._manifest.locate(("spec", "methods", index, "propertyNames", place))
                declared = self._model.properties.get(name)
                if declared is None:
                    advice = suggestion(name, self._model.properties)
                    self._report.warning(where, f"the model has no property '{name}' to be written", advice)
                elif declared.access is not AccessMode.READ_WRITE:
                    advice = "say accessMode: ReadWrite in the model, or remove it"
                    self._report.warning(where, f"the property '{name}' can only be read", advice)

    def _config(self) -> dict[str, Any] | None:
        path: Path = ("spec", "protocol", "configData")
        merged = _merged(self._model.config, self._manifest.spec["protocol"].get("configData", {}))
        findings = self._findings(self._schemas.of_config, merged)
        for finding in findings:
            place = self._origin(path, ("spec", "protocolConfigData"), finding.path)
            self._report.error(place, finding.message, finding.advice)
        return None if findings else merged

    def _entries(self) -> list[tuple[Path | None, dict[str, Any]]]:
        """What the instance says of its properties, and where; if it lists none, all of the model's."""
        listed = self._manifest.spec.get("properties")
        if not listed:
            return [(None, {"name": name}) for name in self._model.properties]
        seen: set[str] = set()
        entries: list[tuple[Path | None, dict[str, Any]]] = []
        for index, entry in enumerate(listed):
            path: Path = ("spec", "properties", index)
            if entry["name"] in seen:
                place = self._manifest.locate((*path, "name"))
                self._report.error(place, f"the property '{entry['name']}' is listed twice", "remove one of the two")
            seen.add(entry["name"])
            entries.append((path, entry))
        return entries

    def _property(self, path: Path | None, entry: dict[str, Any]) -> Property | None:
        key = (self._model.manifest.key, self._protocol, msgspec.json.encode(entry))
        if key in self._memory:
            return self._memory[key]
        before = len(self._report)
        built = self._built(path, entry)
        if built is not None and len(self._report) == before:
            self._memory[key] = built
        return built

    def _built(self, path: Path | None, entry: dict[str, Any]) -> Property | None:
        declared = self._model.properties.get(entry["name"])
        if declared is None:
            self._unknown_property(path or (), entry["name"])
            return None
        visitor = _merged(declared.visitor, entry.get("visitors", {}).get("configData", {}))
        words = extension.read(visitor.pop(extension.KEY, {}), declared.type)
        ours = extension.below((extension.KEY,), words.findings)
        findings = ours + self._findings(self._schemas.of_visitor, visitor)
        for finding in findings:
            self._report.error(self._visitor_origin(path, declared, finding), finding.message, finding.advice)
        prop = Property(
            name=declared.name,
            type=declared.type,
            access=declared.access,
            unit=declared.unit,
            minimum=declared.minimum,
            maximum=declared.maximum,
            description=declared.description,
            visitor=visitor,
            desired=entry.get("desired", {}).get("value") or None,
            collect_cycle=self._cycle(path, entry),
            report_to_cloud=entry.get("reportToCloud", True),
            conversion=words.conversion,
            deadband=words.deadband,
        )
        return prop if self._may_be_desired(path, prop) and not findings else None

    def _unknown_property(self, path: Path, name: str) -> None:
        message = f"the model '{self._model.manifest.name}' has no property '{name}'"
        self._report.error(self._manifest.locate((*path, "name")), message, suggestion(name, self._model.properties))

    @staticmethod
    def _findings(schema: Schema, data: dict[str, Any]) -> tuple[Finding, ...]:
        schema.soften(data)
        return schema.findings(data)

    def _visitor_origin(self, path: Path | None, declared: DeclaredProperty, finding: Finding) -> Place:
        in_model = declared.path + _VISITOR
        if path is None:
            return self._model.manifest.locate(in_model + finding.path)
        return self._origin(path + _VISITOR, in_model, finding.path)

    def _origin(self, in_device: Path, in_model: Path, inner: Path) -> Place:
        """Where a value of a merged configuration stands; what is missing altogether is missing in the device."""
        in_device, in_model = in_device + inner, in_model + inner
        if inner and not exists(self._manifest.data, in_device) and exists(self._model.manifest.data, in_model):
            return self._model.manifest.locate(in_model)
        return self._manifest.locate(in_device)

    def _may_be_desired(self, path: Path | None, prop: Property) -> bool:
        reason = limits.refusal(prop, prop.desired) if prop.desired is not None else None
        if reason is None:
            return True
        advice = f"write {_wanted(prop)}" if prop.writable else "remove it, or say accessMode: ReadWrite in the model"
        self._report.error(self._manifest.locate((*(path or ()), "desired", "value")), reason, advice)
        return False

    def _cycle(self, path: Path | None, entry: dict[str, Any]) -> float:
        """Seconds between two readings."""
        cycle: int = entry.get("collectCycle", 0) or DEFAULT_CYCLE
        if cycle < NANOSECONDS:
            return cycle / 1000
        milliseconds = cycle / 1_000_000
        message = f"{cycle} is too long for milliseconds, so it is taken as nanoseconds: {milliseconds:g} ms"
        advice = f"write {round(milliseconds)}; the longest cycle is {NANOSECONDS - 1} ms"
        self._report.warning(self._manifest.locate((*(path or ()), "collectCycle")), message, advice)
        return cycle / 1_000_000_000


def _merged(defaults: Mapping[str, Any], own: Mapping[str, Any]) -> dict[str, Any]:
    """A copy in which mappings are merged to any depth and everything else of `own` replaces the default."""
    result = copy.deepcopy(dict(defaults)) if defaults else {}
    for key, value in own.items():
        default = result.get(key)
        both = isinstance(value, Mapping) and isinstance(default, Mapping)
        result[key] = _merged(default, value) if both else copy.deepcopy(value)  # type: ignore[arg-type]
    return result


def _wanted(prop: Property) -> str:
    lower = "" if prop.minimum is None else f" from {prop.minimum:.15g}"
    upper = "" if prop.maximum is None else f" up to {prop.maximum:.15g}"
    return f"a value of type {prop.type}{lower}{upper}"
