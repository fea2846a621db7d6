"""A folder of manifests, read and checked by everybody who has a say: the manifest reader and the mappers."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

from device_models import Device
from device_models.folder import documents
from device_models.kinds import DEVICE, manifests_of
from device_models.load import load
from device_models.manifest import Manifest
from device_models.problem import Problem, Report
from device_models.protocols import ProtocolSchema
from edged import node_twin, pod_twin
from edged.declared import DeclaredPods, PodReader
from mappers.configuration import ConfigurationError, ConfigurationErrors
from mappers.protocols import PROTOCOLS
from mappers.runner import links
from twinhub.errors import CommandError
from twinhub.settings import settings_problems

__all__ = ["Manifests", "good_devices", "mapper_errors", "protocol_schemas", "read_manifests"]


_RESERVED = (pod_twin.PREFIX, node_twin.PREFIX)


class Manifests(NamedTuple):
    """What a folder says."""

    devices: tuple[Device, ...]
    """Those without errors."""
    problems: tuple[Problem, ...] = ()
    documents: Mapping[str, Mapping[str, Any]] | None = None
    """All there are, as v1beta1 objects by `<Kind>/<namespace>/<name>`; None = not known."""
    pods: DeclaredPods = DeclaredPods()
    """With what they refer to; those of other nodes too."""

    @property
    def errors(self) -> list[Problem]:
        return [problem for problem in self.problems if problem.severity == "error"]

    @property
    def warnings(self) -> list[Problem]:
        return [problem for problem in self.problems if problem.severity == "warning"]


def read_manifests(path: Path) -> Manifests:
    """Read a file or a folder, its settings included; what is wrong is in `problems`, all at once."""
    reader = PodReader()
    declared = load(path, protocol_schemas(), others=reader.take)
    pods = reader.declared()
    errors = mapper_errors(declared.devices.values())
    reserved = [id_ for id_, device in declared.devices.items() if device.name.startswith(_RESERVED)]
    places = _declared_devices(path) if errors or reserved else {}
    problems = [_problem(error, places[error.device_id]) for error in errors]
    problems += [_is_reserved(places[id_]) for id_ in reserved]
    wrong = {error.device_id for error in errors} | set(reserved)
    devices = tuple(device for device_id, device in declared.devices.items() if device_id not in wrong)
    found = tuple(sorted((*declared.problems, *pods.problems, *problems, *settings_problems(path))))
    return Manifests(devices, found, declared.documents, pods._replace(problems=()))


def protocol_schemas() -> Mapping[str, ProtocolSchema]:
    """What the configuration of a device may be, by protocol. A mapper is imported when its protocol is looked up:
    BrokenMapper when that fails."""
    return _Schemas()


class _Schemas(Mapping[str, ProtocolSchema]):
    def __getitem__(self, name: str) -> ProtocolSchema:
        return PROTOCOLS[name].schema

    def __iter__(self) -> Iterator[str]:
        return iter(PROTOCOLS)

    def __len__(self) -> int:
        return len(PROTOCOLS)


def good_devices(path: Path) -> tuple[Device, ...]:
    """The devices of a folder that has no errors; CommandError with all of them where it has."""
    manifests = read_manifests(path)
    if manifests.errors:
        raise CommandError("\n".join(map(str, manifests.errors)))
    return manifests.devices


def mapper_errors(devices: Collection[Device]) -> list[ConfigurationError]:
    """What a mapper finds only when it looks at a device as a whole."""
    errors: list[ConfigurationError] = []
    for name in {device.protocol for device in devices} & PROTOCOLS.keys():
        try:
            links(PROTOCOLS[name], devices)
        except ConfigurationErrors as found:
            errors.extend(found.errors)
    return errors


def _declared_devices(path: Path) -> dict[str, Manifest]:
    """The manifests of devices by id: read once more, because errors are rare and places cost memory."""
    nobody = Report()
    return {
        f"{manifest.namespace}/{manifest.name}": manifest
        for document in documents(path, nobody)
        for manifest in manifests_of(Manifest(document.data, str(document.file), document.locate), nobody)
        if manifest.kind == DEVICE
    }


def _is_reserved(manifest: Manifest) -> Problem:
    file, line, _ = manifest.locate(("metadata", "name"))
    kept = " and ".join(f"'{prefix}'" for prefix in _RESERVED)
    message = f"the name '{manifest.name}' is that of a twin which the hub makes itself"
    return Problem(file, line, "metadata.name", message, f"choose one that does not begin with {kept}")


def _problem(error: ConfigurationError, manifest: Manifest) -> Problem:
    """The error at the place where the user wrote it, or at what comes nearest above."""
    where: tuple[str | int, ...] = ("spec",)
    subject = f"device {error.device_id}"
    if error.property_name is not None:
        names = [entry["name"] for entry in manifest.spec.get("properties", [])]
        where = ("spec", "properties", names.index(error.property_name))
        subject += f", property {error.property_name}"
    file, line, _ = manifest.locate((*where, *error.path.split(".")))
    return Problem(file, line, f"{subject}: {error.path}", error.problem)
