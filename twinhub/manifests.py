"""A folder of manifests, read and checked by everybody who has a say: the manifest reader and the mappers."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

from device_models import Device
from device_models.folder import documents
from device_models.kinds import DEVICE, MODEL, manifests_of
from device_models.load import load
from device_models.manifest import Manifest, exists
from device_models.problem import Problem, Report, suggestion
from device_models.protocols import ProtocolSchema
from edged import node_twin, pod_names
from edged.declared import DeclaredPods, PodReader
from mappers.configuration import ConfigurationError, ConfigurationErrors
from mappers.protocols import PROTOCOLS
from mappers.runner import links
from twinhub.errors import CommandError
from twinhub.settings import settings_problems

__all__ = ["Manifests", "device_in", "good_devices", "mapper_errors", "protocol_schemas", "read_manifests"]

Steps = tuple[str | int, ...]
"""A path in a manifest."""


_RESERVED = (pod_names.PREFIX, node_twin.PREFIX)


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
    places = _by_key(path) if errors or reserved else {}
    problems = [_problem(error, places) for error in errors]
    problems += [_is_reserved(places[f"{DEVICE}/{id_}"]) for id_ in reserved]
    wrong = {error.device_id for error in errors} | set(reserved)
    devices = tuple(device for device_id, device in declared.devices.items() if device_id not in wrong)
    settings = settings_problems(path, declared.devices)
    found = tuple(sorted((*declared.problems, *pods.problems, *problems, *settings)))
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


def device_in(path: Path, wanted: str) -> Device:
    """One device of a folder that has no errors, by its id; CommandError where there is none."""
    devices = {device.id: device for device in good_devices(path)}
    if wanted not in devices:
        raise CommandError(f"{path} declares no device {wanted}; {suggestion(wanted, devices)}")
    return devices[wanted]


def mapper_errors(devices: Collection[Device]) -> list[ConfigurationError]:
    """What a mapper finds only when it looks at a device as a whole."""
    errors: list[ConfigurationError] = []
    for protocol in {PROTOCOLS[device.protocol] for device in devices if device.protocol in PROTOCOLS}:
        try:
            links(protocol, devices)
        except ConfigurationErrors as found:
            errors.extend(found.errors)
    return errors


def _by_key(path: Path) -> dict[str, Manifest]:
    """The manifests of devices and models: read once more, because errors are rare and places cost memory."""
    nobody = Report()
    return {
        manifest.key: manifest
        for document in documents(path, nobody)
        for manifest in manifests_of(Manifest(document.data, str(document.file), document.locate), nobody)
        if manifest.kind in (DEVICE, MODEL)
    }


def _is_reserved(manifest: Manifest) -> Problem:
    file, line, _ = manifest.locate(("metadata", "name"))
    kept = " and ".join(f"'{prefix}'" for prefix in _RESERVED)
    message = f"the name '{manifest.name}' is that of a twin which the hub makes itself"
    return Problem(file, line, "metadata.name", message, f"choose one that does not begin with {kept}")


def _problem(error: ConfigurationError, places: Mapping[str, Manifest]) -> Problem:
    """The error at the place where the user wrote it, or at what comes nearest above."""
    manifest = places[f"{DEVICE}/{error.device_id}"]
    where: Steps = ("spec", *error.path.split("."))
    subject = f"device {error.device_id}"
    if error.property_name is not None:
        manifest, where = _said(error.property_name, error.path, manifest, places)
        subject += f", property {error.property_name}"
    file, line, _ = manifest.locate(where)
    return Problem(file, line, f"{subject}: {error.path}", error.problem)


def _said(name: str, path: str, device: Manifest, places: Mapping[str, Manifest]) -> tuple[Manifest, Steps]:
    """Where a path of a property was written: in the device or in its model, whichever comes nearer to it."""
    model = places.get(f"{MODEL}/{device.namespace}/{device.spec['deviceModelRef']['name']}")
    said: list[tuple[Manifest, Steps]] = [
        (manifest, ("spec", "properties", index, *path.split(".")))
        for manifest in (device, model)
        if manifest is not None
        for index, entry in enumerate(manifest.spec.get("properties", []))
        if entry["name"] == name
    ]
    return max(said, key=lambda place: _depth(place[0].data, place[1]), default=(device, ("spec",)))


def _depth(data: Any, path: Steps) -> int:
    """How many steps of a path there are."""
    return next(steps for steps in range(len(path), -1, -1) if exists(data, path[:steps]))
