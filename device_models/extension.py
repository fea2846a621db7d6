"""Our own key `twinhub` in a property's `visitors.configData`: conversion and deadband.

It stands there because KubeEdge keeps that map as it is, so a manifest that uses it remains a valid one.
"""

from __future__ import annotations

from typing import Any, NamedTuple

from device_models.advice import Finding
from device_models.model import Conversion, DataType, Deadband
from device_models.problem import Path
from device_models.schema import schema_of

__all__ = ["KEY", "Extension", "read"]

KEY = "twinhub"

_NUMBERS = frozenset({DataType.INT, DataType.FLOAT, DataType.DOUBLE})
_STEPS = ("mask", "shift", "base", "scale", "offset")
_BIT_STEPS = frozenset({"mask", "shift"})


class Extension(NamedTuple):
    """What the key says, and what is wrong with it."""

    conversion: Conversion | None = None
    deadband: Deadband | None = None
    findings: tuple[Finding, ...] = ()


def read(data: Any, type: DataType) -> Extension:  # noqa: A002
    """The extension of a property of this type; findings are relative to the key."""
    schema = schema_of(KEY)
    findings = schema.findings(schema.soften(data)) or tuple(_misplaced(data, type))
    if findings:
        return Extension(findings=findings)
    steps = {step: data[step] for step in _STEPS if step in data}
    return Extension(Conversion(**steps) if steps else None, _deadband(data))


def _misplaced(data: dict[str, Any], type: DataType) -> list[Finding]:  # noqa: A002
    """Steps that make no sense for the type: bits make a BOOLEAN too, everything else is for numbers."""
    if type in _NUMBERS:
        return []
    allowed = _BIT_STEPS if type is DataType.BOOLEAN else frozenset()
    wrong = [step for step in (*_STEPS, "deadband") if step in data and step not in allowed]
    advice = "remove it, or declare the property as INT, FLOAT or DOUBLE"
    return [Finding((step,), f"a property of type {type} cannot have this", advice) for step in wrong]


def _deadband(data: dict[str, Any]) -> Deadband | None:
    if "deadband" not in data and "longestSilence" not in data:
        return None
    band = data.get("deadband")
    percent = float(band.rstrip(" %")) if isinstance(band, str) else None
    return Deadband(None if percent is not None else band, percent, data.get("longestSilence"))


def below(path: Path, findings: tuple[Finding, ...]) -> tuple[Finding, ...]:
    """The findings with their paths below another one."""
    return tuple(Finding(path + finding.path, finding.message, finding.advice) for finding in findings)
