"""KubeEdge's v1alpha2 manifests → v1beta1.

Every value keeps its way back to where the user wrote it. What v1beta1 has no place for is kept as JSON in the
annotation `twinhub.io/v1alpha2`, so that nothing is lost.
"""

from __future__ import annotations

import copy
import json
from collections.abc import Mapping
from typing import Any

from device_models.manifest import Manifest
from device_models.problem import Path, Report
from device_models.protocols import EXTERNAL

__all__ = ["V1ALPHA2", "V1BETA1", "upgraded_device", "upgraded_model"]

V1ALPHA2 = "devices.kubeedge.io/v1alpha2"
V1BETA1 = "devices.kubeedge.io/v1beta1"
ANNOTATION = "twinhub.io/v1alpha2"
NANOSECONDS = 10_000_000
"""A cycle from here on is in nanoseconds, below it in milliseconds: the units were mixed up for years."""

_VISITORS = ("modbus", "opcua", "bluetooth", "customizedProtocol")


def upgraded_device(manifest: Manifest, report: Report) -> Manifest:
    """A Device that is valid by the schema `Device.v1alpha2`, as v1beta1."""
    return _DeviceUpgrade(manifest, report).upgraded()


def upgraded_model(manifest: Manifest) -> Manifest:
    """A DeviceModel that is valid by the schema `DeviceModel.v1alpha2`, as v1beta1."""
    data = copy.deepcopy(manifest.data)
    origins: dict[Path, Path] = {}
    defaults = {}
    for index, declared in enumerate(data["spec"].get("properties", [])):
        (type_name, details) = declared.pop("type").popitem()
        details = details or {}
        if "defaultValue" in details:
            defaults[declared["name"]] = details.pop("defaultValue")
        declared.update({"type": type_name.upper(), **details})
        here: Path = ("spec", "properties", index)
        origins[(*here, "type")] = (*here, "type")
        origins |= {(*here, key): (*here, "type", type_name, key) for key in details}
    _keep(data, {"defaultValue": defaults} if defaults else {})
    data["apiVersion"] = V1BETA1
    return manifest.moved(data, origins)


class _DeviceUpgrade:
    """The upgrade of one Device: the new data, and for each moved part where it came from."""

    def __init__(self, manifest: Manifest, report: Report) -> None:
        self._manifest = manifest
        self._report = report
        self._old = copy.deepcopy(manifest.data)
        self._spec: dict[str, Any] = self._old.pop("spec")
        self._origins: dict[Path, Path] = {}
        self._lost: dict[str, Any] = {}

    def upgraded(self) -> Manifest:
        spec: dict[str, Any] = {"deviceModelRef": self._spec["deviceModelRef"]}
        self._node(spec)
        spec["protocol"] = self._protocol()
        properties = self._visited() + self._unvisited(spec["protocol"]["protocolName"])
        self._wishes(properties)
        if properties:
            spec["properties"] = properties
        if "data" in self._spec:
            self._lost["data"] = self._spec["data"]
        data = {**self._old, "apiVersion": V1BETA1, "spec": spec}
        _keep(data, self._lost)
        return self._manifest.moved(data, self._origins)

    def _node(self, spec: dict[str, Any]) -> None:
        selector = self._spec.get("nodeSelector")
        if selector is None:
            return
        path: Path = ("nodeSelectorTerms", 0, "matchExpressions", 0, "values", 0)
        node = _value_at(selector, path)
        if node is not None:
            spec["nodeName"] = node
            self._origins["spec", "nodeName"] = ("spec", "nodeSelector", *path)
        if selector != _usual_selector(node):
            self._lost["nodeSelector"] = selector

    def _protocol(self) -> dict[str, Any]:
        protocols = self._spec.get("protocol", {})
        common = protocols.get("common", {})
        names = [name for name in protocols if name != "common"]
        self._origins["spec", "protocol", "configData"] = ("spec", "protocol")
        self._moved_keys(common, ("spec", "protocol", "configData"), ("spec", "protocol", "common"))
        if len(names) != 1:
            self._complain_of_protocols(names)
            return {"protocolName": names[0] if names else EXTERNAL, "configData": dict(common)}
        return self._named_protocol(names[0], protocols[names[0]], common)

    def _complain_of_protocols(self, names: list[str]) -> None:
        place = self._manifest.locate(("spec", "protocol"))
        if names:
            self._report.error(place, f"there are several protocols: {', '.join(names)}", "keep one of them")
        else:
            advice = f"nothing to do if that is meant; v1beta1 writes protocol: {{protocolName: {EXTERNAL}}}"
            self._report.warning(place, "no protocol is named, so the device's mapper is expected elsewhere", advice)

    def _named_protocol(self, name: str, config: dict[str, Any], common: dict[str, Any]) -> dict[str, Any]:
        origin: Path = ("spec", "protocol", name)
        if name == "customizedProtocol":
            self._origins["spec", "protocol", "protocolName"] = (*origin, "protocolName")
            name, config, origin = config["protocolName"], config.get("configData", {}), (*origin, "configData")
        else:
            self._origins["spec", "protocol", "protocolName"] = origin
        self._moved_keys(config, ("spec", "protocol", "configData"), origin)
        return {"protocolName": name, "configData": {**common, **config}}

    def _visited(self) -> list[dict[str, Any]]:
        return [self._visitor(index, old) for index, old in enumerate(self._spec.get("propertyVisitors", []))]

    def _visitor(self, index: int, old: dict[str, Any]) -> dict[str, Any]:
        here: Path = ("spec", "properties", index)
        there: Path = ("spec", "propertyVisitors", index)
        self._origins[here] = there
        self._origins[(*here, "name")] = (*there, "propertyName")
        new: dict[str, Any] = {"name": old["propertyName"]}
        names = [name for name in _VISITORS if name in old]
        for name in names[:1]:
            new["visitors"] = self._visitors(name, old[name], here, there)
        if len(names) > 1:
            place = self._manifest.locate((*there, names[1]))
            self._report.error(place, f"there are several visitors: {', '.join(names)}", "keep one of them")
        if "customizedValues" in old:
            self._customized(new, old["customizedValues"], here, there)
        for cycle in ("reportCycle", "collectCycle"):
            if cycle in old:
                new[cycle] = self._milliseconds(old[cycle], (*there, cycle))
        return new

    def _visitors(self, name: str, config: dict[str, Any], here: Path, there: Path) -> dict[str, Any]:
        origin = (*there, name)
        if name == "customizedProtocol":
            name, config, origin = (
                config.get("protocolName", ""),
                config.get("configData", {}),
                (*origin, "configData"),
            )
        self._origins[(*here, "visitors")] = (*there, origin[3])
        self._origins[(*here, "visitors", "configData")] = origin
        return {"protocolName": name, "configData": config}

    def _customized(self, new: dict[str, Any], values: dict[str, Any], here: Path, there: Path) -> None:
        new.setdefault("visitors", {}).setdefault("configData", {})["customizedValues"] = values
        self._origins[(*here, "visitors", "configData", "customizedValues")] = (*there, "customizedValues")

    def _milliseconds(self, cycle: int, path: Path) -> int:
        if cycle >= NANOSECONDS:
            return cycle // 1_000_000
        if cycle:
            message = f"{cycle} ns is too short for a cycle, so it is taken as {cycle} ms"
            self._report.warning(self._manifest.locate(path), message, f"write {cycle * 1_000_000} if ms is meant")
        return cycle

    def _twins(self) -> list[dict[str, Any]]:
        twins: list[dict[str, Any]] = self._old.get("status", {}).get("twins", [])
        return twins

    def _unvisited(self, protocol: str) -> list[dict[str, Any]]:
        """Twins without a visitor: an application reports them. A driver would not know what to do with them."""
        visitors = self._spec.get("propertyVisitors", [])
        visited = {visitor["propertyName"] for visitor in visitors}
        added: list[dict[str, Any]] = []
        for index, twin in enumerate(self._twins()):
            there: Path = ("status", "twins", index)
            name = twin["propertyName"]
            if name in visited:
                continue
            if protocol != EXTERNAL:
                message = f"the twin '{name}' has no visitor, so the {protocol} driver leaves it out"
                self._report.warning(self._manifest.locate(there), message, "add it to spec.propertyVisitors")
                continue
            here: Path = ("spec", "properties", len(visitors) + len(added))
            self._origins |= {here: there, (*here, "name"): (*there, "propertyName")}
            added.append({"name": name})
        return added

    def _wishes(self, properties: list[dict[str, Any]]) -> None:
        """What was wished for stood in the status; v1beta1 has it in the spec."""
        places = {declared["name"]: index for index, declared in reversed(list(enumerate(properties)))}
        for index, twin in enumerate(self._twins()):
            place = places.get(twin["propertyName"])
            if place is None or "desired" in properties[place] or "value" not in twin.get("desired", {}):
                continue
            properties[place]["desired"] = twin.pop("desired")
            self._origins["spec", "properties", place, "desired"] = ("status", "twins", index, "desired")

    def _moved_keys(self, config: dict[str, Any], here: Path, there: Path) -> None:
        self._origins |= {(*here, key): (*there, key) for key in config}


def _usual_selector(node: Any) -> dict[str, Any]:
    expression = {"key": "", "operator": "In", "values": [node]}
    return {"nodeSelectorTerms": [{"matchExpressions": [expression]}]}


def _value_at(data: Any, path: Path) -> Any:
    for step in path:
        if isinstance(step, int):
            data = data[step] if isinstance(data, list) and step < len(data) else None
        else:
            data = data.get(step) if isinstance(data, Mapping) else None
    return data


def _keep(data: dict[str, Any], lost: dict[str, Any]) -> None:
    if lost:
        annotations = data["metadata"].setdefault("annotations", {})
        annotations[ANNOTATION] = json.dumps(lost, ensure_ascii=False, sort_keys=True)
