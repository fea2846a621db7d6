"""A settings file in YAML, checked against its JSON Schema: every mistake named with its line and a remedy."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping
from functools import cache
from importlib.resources import files
from pathlib import Path as FilePath
from typing import Any

from device_models.folder import read_text
from device_models.problem import Path, Place, Problem, Report
from device_models.schema import Schema
from device_models.yaml_text import YamlText

__all__ = ["Check", "Finding", "read_settings"]


Finding = tuple[Path, str, str]
"""Where something is wrong, what, and what to do."""
Check = Callable[[dict[str, Any]], Iterable[Finding]]


def read_settings(
    path: FilePath, schema: str, secrets: Mapping[Path, str] | None = None, check: Check | None = None
) -> tuple[dict[str, Any], tuple[Problem, ...]]:
    """What the file says, and everything that is wrong with it. `schema`: the name of a file of this package.

    `secrets`: what to say of a wrong value at these paths, which may hold a secret and is not repeated. `check` is
    asked about settings that satisfy the schema.
    """
    report = Report()
    content = read_text(path, report)
    text = YamlText(content or "")
    for fault in text.faults:
        report.error(Place(str(path), fault.line), fault.message, fault.advice)
    if len(text.documents) > 1:
        report.error(Place(str(path)), "there are several documents", "remove the lines that are only ---")
    values = text.documents[0] if text.documents and text.documents[0] is not None else {}
    for where, message, advice in _schema(schema).findings(values):
        shown = (secrets or {}).get(where, message)
        report.error(Place(str(path), text.line(0, where), where), shown, advice)
    for where, message, advice in check(values) if check and not len(report) else ():
        report.error(Place(str(path), text.line(0, where), where), message, advice)
    return values, report.sorted()


@cache
def _schema(name: str) -> Schema:
    return Schema(json.loads((files("twinhub") / name).read_text()))
