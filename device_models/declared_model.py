"""A DeviceModel, read: what each of its properties says."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from device_models import extension, values
from device_models.manifest import Manifest
from device_models.model import AccessMode, DataType
from device_models.problem import Path, Report

__all__ = ["DeclaredModel", "DeclaredProperty"]

_NUMBERS = frozenset({DataType.INT, DataType.FLOAT, DataType.DOUBLE})


@dataclass(frozen=True, slots=True)
class DeclaredProperty:
    """One property as the model declares it."""

    path: Path
    """Where it stands in the model's document."""
    name: str
    type: DataType
    access: AccessMode
    unit: str
    minimum: float | None
    maximum: float | None
    description: str
    visitor: Mapping[str, Any]


class DeclaredModel:
    """A model whose document is valid by its schema; what is wrong beyond that is reported on reading."""

    def __init__(self, manifest: Manifest, report: Report) -> None:
        self.manifest = manifest
        self.config: Mapping[str, Any] = manifest.spec.get("protocolConfigData", {})
        self.properties: dict[str, DeclaredProperty] = {}
        self._report = report
        for index, declared in enumerate(manifest.spec.get("properties", [])):
            self._add(("spec", "properties", index), declared)

    def _add(self, path: Path, declared: dict[str, Any]) -> None:
        name = declared["name"]
        if name in self.properties:
            first = self.manifest.locate(self.properties[name].path).line
            place = self.manifest.locate((*path, "name"))
            self._report.error(place, f"the property '{name}' is here twice", f"remove it here or in line {first}")
            return
        self.properties[name] = self._read(path, declared)

    def _read(self, path: Path, declared: dict[str, Any]) -> DeclaredProperty:
        kind = DataType(declared["type"])
        minimum, maximum = (self._limit(path, key, declared, kind) for key in ("minimum", "maximum"))
        if minimum is not None and maximum is not None and minimum > maximum:
            message = f"{declared['minimum']} is above the maximum of {declared['maximum']}"
            self._report.error(self.manifest.locate((*path, "minimum")), message, "swap the two, or mend one")
        return DeclaredProperty(
            path=path,
            name=declared["name"],
            type=kind,
            access=AccessMode(declared.get("accessMode", AccessMode.READ_ONLY)),
            unit=declared.get("unit", ""),
            minimum=minimum,
            maximum=maximum,
            description=declared.get("description", ""),
            visitor=self._visitor(path, declared, kind),
        )

    def _limit(self, path: Path, key: str, declared: dict[str, Any], kind: DataType) -> float | None:
        text = declared.get(key, "")
        if not text:
            return None
        if kind not in _NUMBERS:
            place = self.manifest.locate((*path, key))
            self._report.warning(place, f"a {key} means nothing for {kind}", "remove it")
            return None
        try:
            return self._number(text)
        except ValueError:
            place = self.manifest.locate((*path, key))
            self._report.error(place, f"'{text}' is not a number", "write a number such as 0 or -12.5")
            return None

    @staticmethod
    def _number(text: str) -> float:
        number = values.parse(DataType.DOUBLE, text)
        assert isinstance(number, float)
        if number != number:
            raise ValueError("nan is no limit")
        return number

    def _visitor(self, path: Path, declared: dict[str, Any], kind: DataType) -> Mapping[str, Any]:
        visitor: dict[str, Any] = declared.get("visitors", {}).get("configData", {})
        if extension.KEY in visitor:
            findings = extension.read(copy.deepcopy(visitor[extension.KEY]), kind).findings
            place: Path = (*path, "visitors", "configData", extension.KEY)
            self.manifest.tell(extension.below(place, findings), self._report)
        return visitor
