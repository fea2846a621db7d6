"""The desired values that a Device object carries: read, taken out, or replaced by what is desired now."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

__all__ = ["desired", "news", "overlaid", "without"]


def desired(device: Mapping[str, Any]) -> dict[str, str]:
    """Property → desired value; an empty one, as KubeEdge fills it in, asks for nothing."""
    found = {entry["name"]: entry.get("desired", {}).get("value") for entry in _properties(device)}
    return {name: value for name, value in found.items() if value}


def news(device: Mapping[str, Any], before: Mapping[str, Any] | None) -> dict[str, str]:
    """The desired values that were not in the object before."""
    known = desired(before) if before else {}
    return {name: value for name, value in desired(device).items() if known.get(name) != value}


def without(device: Mapping[str, Any]) -> dict[str, Any]:
    """The object with no desired values: a twinhub edge gets them as wishes, with their versions."""
    return _with(device, [{k: v for k, v in entry.items() if k != "desired"} for entry in _properties(device)])


def overlaid(device: Mapping[str, Any], values: Mapping[str, str]) -> dict[str, Any]:
    """The object with these desired values over its own, for an edge that knows no other way."""

    def entry(old: Mapping[str, Any]) -> Mapping[str, Any]:
        value = values.get(old["name"])
        return old if value is None else {**old, "desired": {**old.get("desired", {}), "value": value}}

    return _with(device, [entry(old) for old in _properties(device)])


def _properties(device: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    found: list[Mapping[str, Any]] = device["spec"].get("properties", [])
    return found


def _with(device: Mapping[str, Any], properties: list[Mapping[str, Any]]) -> dict[str, Any]:
    return {**device, "spec": {**device["spec"], "properties": properties}} if properties else dict(device)
