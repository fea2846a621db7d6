"""A recording in the place of a device, in a test."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from device_models import Device


def replaying(device: Device, file: Path, *, speed: float = 1.0, repeat: bool = False) -> Device:
    """The same device, which says what it says in the recording: for `running("replay", [...])`."""
    return replace(device, protocol="replay", config={"file": str(file), "speed": speed, "repeat": repeat})
