"""What is wrong with a pod beyond the form of each field: names nobody bears, values that exclude each other."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import PurePosixPath

from device_models.advice import Finding
from device_models.problem import Path, nearest, suggestion
from edged.host_ports import HostPort, taken
from edged.pod import DEVICE_ANNOTATION, Container, Pod, PodSpec, Probe, SecurityContext, Volume
from edged.quantity import amount

__all__ = ["FIELDS", "KEYED_FIELD", "findings"]

FIELDS = ("metadata.name", "metadata.namespace", "metadata.uid", "spec.nodeName", "status.hostIP")
"""What `fieldRef` may name, beside the labels and annotations."""
KEYED_FIELD = re.compile(r"metadata\.(labels|annotations)\['([^']+)'\]")
_DEVICE_ID = re.compile(r"[^/\s]+/[^/\s]+")
_RESOURCES = ("cpu", "memory")
_CAPABILITY = re.compile(r"ALL|(CAP_)?[A-Z][A-Z0-9_]*")


def findings(pod: Pod) -> Iterator[Finding]:
    """All there is, by the path in the manifest."""
    spec = pod.spec
    yield from _device(pod)
    yield from _twice(("spec", "volumes"), [volume.name for volume in spec.volumes], "volume")
    yield from _paths(spec)
    yield from _containers(spec)
    yield from _host_ports(spec)
    for path, container in _all(spec):
        for check in _CHECKS:
            for finding in check(container, spec):
                yield Finding(path + finding.path, finding.message, finding.advice)


def _all(spec: PodSpec) -> Iterator[tuple[Path, Container]]:
    for index, container in enumerate(spec.init_containers):
        yield ("spec", "initContainers", index), container
    for index, container in enumerate(spec.containers):
        yield ("spec", "containers", index), container


def _device(pod: Pod) -> Iterator[Finding]:
    annotations = pod.metadata.annotations
    for name in annotations.keys() - {DEVICE_ANNOTATION}:
        prefix, _, word = DEVICE_ANNOTATION.partition("/")
        if name.startswith(f"{prefix}/") and nearest(name.removeprefix(f"{prefix}/"), (word,)):
            path = ("metadata", "annotations", name)
            yield Finding(path, "this annotation binds to no device", f"did you mean {DEVICE_ANNOTATION}?")
    device = annotations.get(DEVICE_ANNOTATION)
    if device is not None and not _DEVICE_ID.fullmatch(device):
        path = ("metadata", "annotations", DEVICE_ANNOTATION)
        yield Finding(path, f"'{device}' is no device", "write <namespace>/<name>")


def _twice(path: Path, names: Iterable[str], what: str, key: str = "name") -> Iterator[Finding]:
    seen: set[str] = set()
    for index, name in enumerate(names):
        if name and name in seen:
            yield Finding((*path, index, key), f"there are two {what}s '{name}'", "rename or remove one of them")
        seen.add(name)


def _paths(spec: PodSpec) -> Iterator[Finding]:
    """Of the files in volumes: none can be where another one needs a directory."""
    for index, volume in enumerate(spec.volumes):
        key, source = ("secret", volume.secret) if volume.secret else ("configMap", volume.config_map)
        items = source.items if source else ()
        for number, item in enumerate(items):
            others = [one.path for one in items[:number]]
            if clash := next((one for one in others if _clash(one, item.path)), None):
                path: Path = ("spec", "volumes", index, key, "items", number, "path")
                yield Finding(path, f"'{item.path}' cannot be beside '{clash}'", "write another one")


def _clash(one: str, other: str) -> bool:
    return PurePosixPath(one) in PurePosixPath(other).parents or PurePosixPath(other) in PurePosixPath(one).parents


def _containers(spec: PodSpec) -> Iterator[Finding]:
    seen: set[str] = set()
    for path, container in _all(spec):
        if container.name in seen:
            message = f"there are two containers '{container.name}'"
            yield Finding((*path, "name"), message, "rename or remove one of them")
        seen.add(container.name)
    for index, container in enumerate(spec.init_containers):
        for key, value in _after_init(container).items():
            if value:
                message = "an init container runs to its end, and has none of these"
                yield Finding(("spec", "initContainers", index, key), message, "remove it")


def _after_init(container: Container) -> Mapping[str, object]:
    return {
        "livenessProbe": container.liveness_probe,
        "readinessProbe": container.readiness_probe,
        "startupProbe": container.startup_probe,
        "lifecycle": container.lifecycle.pre_stop,
    }


def _host_ports(spec: PodSpec) -> Iterator[Finding]:
    seen: list[HostPort] = []
    for path, container in _all(spec):
        for index, port in enumerate(container.ports):
            if not (at := taken(port, spec)):
                continue
            place = (*path, "ports", index, "containerPort" if port.host_port is None else "hostPort")
            if port.host_port not in (None, at.number):
                yield Finding(place, "on the node's own network it is the containerPort", "remove it")
            if any(at.clashes(other) for other in seen):
                yield Finding(place, f"port {at} of the node is asked for twice", "write another one")
            seen.append(at)


def _env(container: Container, _: PodSpec) -> Iterator[Finding]:
    for index, entry in enumerate(container.env):
        path: Path = ("env", index)
        if "\0" in entry.value:
            yield Finding((*path, "value"), "there is a control character, U+0000", "remove it")
        if entry.value_from is None:
            continue
        if entry.value:
            yield Finding(path, "'value' and 'valueFrom' exclude each other", "keep one of them")
        field = entry.value_from.field_ref
        if field and field.field_path not in FIELDS and not KEYED_FIELD.fullmatch(field.field_path):
            advice = suggestion(field.field_path, (*FIELDS, "metadata.labels['…']", "metadata.annotations['…']"))
            place = (*path, "valueFrom", "fieldRef", "fieldPath")
            yield Finding(place, f"'{field.field_path}' is not known before a pod runs here", advice)


def _mounts(container: Container, spec: PodSpec) -> Iterator[Finding]:
    volumes = {volume.name: volume for volume in spec.volumes}
    yield from _twice(("volumeMounts",), [one.mount_path for one in container.volume_mounts], "mount", "mountPath")
    for index, mount in enumerate(container.volume_mounts):
        if mount.name not in volumes:
            yield _no_volume(("volumeMounts", index, "name"), mount.name, volumes)
    for index, device in enumerate(container.volume_devices):
        if device.name not in volumes:
            yield _no_volume(("volumeDevices", index, "name"), device.name, volumes)
        elif not _is_device(volumes[device.name]):
            message = f"the volume '{device.name}' is no device"
            advice = "write a hostPath of type CharDevice or BlockDevice, or use volumeMounts"
            yield Finding(("volumeDevices", index, "name"), message, advice)


def _no_volume(path: Path, name: str, volumes: Iterable[str]) -> Finding:
    return Finding(
        path, f"there is no volume '{name}'", suggestion(name, volumes) if volumes else "add it to volumes"
    )


def _is_device(volume: Volume) -> bool:
    return volume.host_path is not None and volume.host_path.type in ("CharDevice", "BlockDevice")


def _ports(container: Container, _: PodSpec) -> Iterator[Finding]:
    yield from _twice(("ports",), [port.name for port in container.ports], "port")
    for key, probe in _probes(container).items():
        if probe is None:
            continue
        if key != "readinessProbe" and probe.success_threshold != 1:
            yield Finding((key, "successThreshold"), "only a readiness probe may want more than 1", "remove it")
        if probe.http_get:
            yield from _port((key, "httpGet", "port"), probe.http_get.port, container)
        if probe.tcp_socket:
            yield from _port((key, "tcpSocket", "port"), probe.tcp_socket.port, container)
    hook = container.lifecycle.pre_stop
    if hook and hook.http_get:
        yield from _port(("lifecycle", "preStop", "httpGet", "port"), hook.http_get.port, container)


def _probes(container: Container) -> Mapping[str, Probe | None]:
    return {
        "livenessProbe": container.liveness_probe,
        "readinessProbe": container.readiness_probe,
        "startupProbe": container.startup_probe,
    }


def _port(path: Path, port: int | str, container: Container) -> Iterator[Finding]:
    names = [one.name for one in container.ports if one.name]
    if isinstance(port, str) and port not in names:
        advice = suggestion(port, names) if names else "write its number, or give a port of the container this name"
        yield Finding(path, f"the container has no port '{port}'", advice)


def _resources(container: Container, _: PodSpec) -> Iterator[Finding]:
    resources = container.resources
    for key, quantities in (("limits", resources.limits), ("requests", resources.requests)):
        for name, quantity in quantities.items():
            path: Path = ("resources", key, name)
            if name not in _RESOURCES:
                yield Finding(path, f"'{name}' is not shared out here", suggestion(name, _RESOURCES))
                continue
            try:
                amount(quantity)
            except ValueError as error:
                yield Finding(path, *_split(str(error)))
    for name in resources.limits.keys() & resources.requests.keys() & set(_RESOURCES):
        if _more(resources.requests[name], resources.limits[name]):
            yield Finding(("resources", "requests", name), "this is more than the limit", "write at most the limit")


def _split(sentence: str) -> tuple[str, str]:
    message, _, advice = sentence.partition("; ")
    return message, advice


def _more(one: str | float, other: str | float) -> bool:
    try:
        return amount(one) > amount(other)
    except ValueError:
        return False


def _security(container: Container, spec: PodSpec) -> Iterator[Finding]:
    own, of_pod = container.security_context, spec.security_context
    user = own.run_as_user if own.run_as_user is not None else of_pod.run_as_user
    non_root = own.run_as_non_root if own.run_as_non_root is not None else of_pod.run_as_non_root
    if non_root and not user:
        message = "runAsNonRoot needs runAsUser here, because images are not looked into"
        yield Finding(("securityContext",), message, "add runAsUser with a number above 0")
    if user is None and (own.run_as_group is not None or of_pod.run_as_group is not None):
        yield Finding(("securityContext",), "runAsGroup needs runAsUser", "add runAsUser")
    if own.privileged and own.allow_privilege_escalation is False:
        path = ("securityContext", "allowPrivilegeEscalation")
        yield Finding(path, "a privileged container cannot be kept from it", "remove one of the two")
    yield from _capabilities(own)


def _capabilities(context: SecurityContext) -> Iterator[Finding]:
    for key, names in (("add", context.capabilities.add), ("drop", context.capabilities.drop)):
        for index, name in enumerate(names):
            if not _CAPABILITY.fullmatch(name):
                path = ("securityContext", "capabilities", key, index)
                yield Finding(path, f"'{name}' is no capability", "write one such as NET_ADMIN, or ALL")


_CHECKS: tuple[Callable[[Container, PodSpec], Iterator[Finding]], ...] = (
    _env,
    _mounts,
    _ports,
    _resources,
    _security,
)
