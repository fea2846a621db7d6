"""One declared document, and where each of its values was written."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from device_models.advice import Finding
from device_models.problem import Path, Place, Report

__all__ = ["Locate", "Manifest", "exists"]

Locate = Callable[[Path], Place]
"""From a path in a document's data to the place where the user wrote it (or what comes nearest above it)."""


@dataclass(frozen=True, slots=True)
class Manifest:
    """A document as plain data. It may have been upgraded, or made from a template: `locate` knows the way back.

    To locate costs a second reading of the file, so it is for problems only. The properties below hold for
    documents that are valid by their schema.
    """

    data: Any
    file: str
    locate: Locate

    @property
    def kind(self) -> str:
        return str(self.data["kind"])

    @property
    def name(self) -> str:
        return str(self.data["metadata"]["name"])

    @property
    def namespace(self) -> str:
        return str(self.data["metadata"].get("namespace", "default"))

    @property
    def spec(self) -> dict[str, Any]:
        spec: dict[str, Any] = self.data["spec"]
        return spec

    @property
    def key(self) -> str:
        """`<Kind>/<namespace>/<name>`."""
        return f"{self.kind}/{self.namespace}/{self.name}"

    def moved(self, data: Any, origins: Mapping[Path, Path]) -> Manifest:
        """The same document in another form; `origins` maps paths of the new form to paths of this one.

        The longest prefix that is mapped counts; what follows it is the same in both forms.
        """

        def locate(path: Path) -> Place:
            for length in range(len(path), -1, -1):
                origin = origins.get(path[:length])
                if origin is not None:
                    return self.locate(origin + path[length:])
            return self.locate(path)

        return Manifest(data, self.file, locate)

    def tell(self, findings: tuple[Finding, ...], report: Report) -> None:
        """Report what is wrong with the data, at the places where the user wrote it."""
        for path, message, advice in findings:
            report.error(self.locate(path), message, advice)


def exists(data: Any, path: Path) -> bool:
    """Whether there is a value at this path."""
    for step in path:
        if isinstance(step, int):
            if not isinstance(data, list) or step >= len(data):
                return False
        elif not isinstance(data, dict) or step not in data:
            return False
        data = data[step]
    return True
