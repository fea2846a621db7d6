"""A folder of manifests, read and checked by everybody who has a say: the manifest reader and the mappers."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

from device_models import Device
from device_models.load import load
from device_models.problem import Problem
from device_models.protocols import ProtocolSchema
from mappers.configuration import ConfigurationError, ConfigurationErrors
from mappers.protocols import PROTOCOLS
from mappers.runner import links

__all__ = ["Manifests", "read_manifests"]


class Manifests(NamedTuple):
    """What a folder says."""

    devices: tuple[Device, ...]
    """Those without errors."""
    problems: tuple[Problem, ...]

    @property
    def errors(self) -> list[Problem]:
        return [problem for problem in self.problems if problem.severity == "error"]

    @property
    def warnings(self) -> list[Problem]:
        return [problem for problem in self.problems if problem.severity == "warning"]


def read_manifests(path: Path) -> Manifests:
    """Read a file or a folder; what is wrong is in `problems`, all at once."""
    schemas = {name: ProtocolSchema(p.config_schema(), p.visitor_schema()) for name, p in PROTOCOLS.items()}
    declared = load(path, schemas)
    devices = tuple(declared.devices.values())
    return Manifests(devices, (*declared.problems, *_mapper_problems(path, devices)))


def _mapper_problems(path: Path, devices: Iterable[Device]) -> list[Problem]:
    """What a mapper finds only when it looks at a device as a whole."""
    found: list[Problem] = []
    for name in {device.protocol for device in devices} & PROTOCOLS.keys():
        try:
            links(PROTOCOLS[name], devices)
        except ConfigurationErrors as errors:
            found.extend(_problem(path, error) for error in errors.errors)
    return found


def _problem(path: Path, error: ConfigurationError) -> Problem:
    subject = f"device {error.device_id}"
    if error.property_name:
        subject += f", property {error.property_name}"
    return Problem(str(path), 0, f"{subject}, {error.path}", error.problem)
