"""What was recognised on a line, as manifests to be edited."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from mappers.serial.recognition import Recognised

_API = "devices.kubeedge.io/v1beta1"


def manifests(config: Mapping[str, Any], recognised: Recognised | None) -> list[dict[str, Any]]:
    """A DeviceModel and a Device; nothing where nothing was recognised."""
    if recognised is None or not recognised.found:
        return []
    name = _name(config)
    properties = [
        {"name": name, "type": str(type_), "accessMode": "ReadOnly", "visitors": {"configData": visitor}}
        for name, type_, visitor in recognised.found
    ]
    model = {
        "apiVersion": _API,
        "kind": "DeviceModel",
        "metadata": {"name": name},
        "spec": {"properties": properties},
    }
    protocol = {"protocolName": "serial", "configData": dict(config)}
    spec = {"deviceModelRef": {"name": name}, "protocol": protocol}
    return [model, {"apiVersion": _API, "kind": "Device", "metadata": {"name": name}, "spec": spec}]


def _name(config: Mapping[str, Any]) -> str:
    """A name as Kubernetes has them, from the line's."""
    line = str(config.get("serialPort") or f"{config['host']}-{config['port']}").removeprefix("/dev/serial/by-id/")
    words = re.sub("[^a-z0-9]+", "-", line.removeprefix("/dev/").lower()).strip("-")
    return (words or "serial")[:60].rstrip("-")
