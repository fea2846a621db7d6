"""A pod's manifest, what it refers to and where it runs → what the engine is to make of it. Pure.

The hashes cover what a container or a sandbox is made from as it is *declared*: another value in a ConfigMap is seen
by the next start, as in Kubernetes, and what has no part in the making (labels, probes, grace) restarts nothing.
"""

from __future__ import annotations

import hashlib
import uuid
from collections.abc import Mapping
from functools import cache
from typing import Any, NamedTuple

import msgspec
from msgspec.structs import fields, replace

from edged.environment import Environment, expanded
from edged.places import Places, Room
from edged.pod import Capabilities, Container, Pod, Resources, Volume
from edged.quantity import millicores, whole_bytes
from edged.runtime import LABEL, ContainerPlan, Mount, PublishedPort, SandboxPlan
from edged.sources import Sources
from edged.volume_files import digest
from edged.wanted import BoundDevice, ContainerWish, PodPlan

__all__ = ["NodeFacts", "plan", "uid_of"]

_UIDS = uuid.UUID("7bb0b7ff-9a3a-5a2c-a2c6-5e8e6a86a3f1")
LEAST_SHARES, MOST_SHARES = 2, 262_144
"""Of a processor's time, as the kernel has them."""


class NodeFacts(NamedTuple):
    """The node as its pods see it."""

    name: str
    address: str
    """`status.hostIP`."""


def plan(pod: Pod, sources: Sources, node: NodeFacts, device: BoundDevice | None, room: Room) -> PodPlan:
    """What is wanted. CannotPlan CreateContainerConfigError: a variable refers to what is not there."""
    return _Plan(pod, sources, node, device, room).pod_plan()


def uid_of(pod: Pod, node: str) -> str:
    """The one it has, or one that is always the same for its name on this node."""
    return pod.metadata.uid or str(uuid.uuid5(_UIDS, f"{node}/{pod.id}"))


class _Plan:
    def __init__(self, pod: Pod, sources: Sources, node: NodeFacts, device: BoundDevice | None, room: Room) -> None:
        uid = uid_of(pod, node.name)
        self._pod = pod
        self._sources = sources
        self._node = node.name
        self._places = room.of(pod.id, uid)
        self._device = dict(device.env) if device else {}
        self._labels = {LABEL.node: node.name, LABEL.pod: pod.id, LABEL.uid: uid}
        self._environment = Environment(pod.metadata, _fields(pod, uid, node), sources, self._device)
        self._name = f"{pod.metadata.namespace}_{pod.metadata.name}_{_hash(node.name, uid)[:8]}"

    def pod_plan(self) -> PodPlan:
        spec = self._pod.spec
        sandbox = self._sandbox()
        hash_ = _hash(sandbox)
        return PodPlan(
            pod=self._pod,
            sandbox=replace(sandbox, labels={**self._labels, LABEL.spec: hash_}),
            hash=hash_,
            init=tuple(map(self._wish, spec.init_containers)),
            containers=tuple(map(self._wish, spec.containers)),
            files=digest(self._pod, self._sources),
        )

    def _sandbox(self) -> SandboxPlan:
        spec = self._pod.spec
        alone = "" if spec.host_network else spec.hostname or self._pod.metadata.name[:63].rstrip("-.")
        ports = () if spec.host_network else tuple(_published(spec.containers))
        labels = {LABEL.uid: self._labels[LABEL.uid]}
        return SandboxPlan(
            name=self._name,
            hostname=alone or self._node,
            labels=labels,
            host_network=spec.host_network,
            ports=ports,
            privileged=any(one.security_context.privileged for one in (*spec.init_containers, *spec.containers)),
        )

    def _wish(self, container: Container) -> ContainerWish:
        made_from = self._container(container)
        hash_ = _hash(made_from, container.env, container.env_from, self._device)
        env = self._environment.of(container)
        return ContainerWish(
            container,
            replace(
                made_from,
                name=f"{self._name}_{container.name}",
                command=tuple(expanded(word, env) for word in container.command),
                args=tuple(expanded(word, env) for word in container.args),
                env=env,
                labels={**self._labels, LABEL.container: container.name, LABEL.spec: hash_},
                log_path=str(self._places.log(container.name)),
            ),
            hash_,
        )

    def _container(self, container: Container) -> ContainerPlan:
        """All that it is made from, but for the values of its variables."""
        volumes = {volume.name: volume for volume in self._pod.spec.volumes}
        own, of_pod = container.security_context, self._pod.spec.security_context
        group = (of_pod.fs_group,) if of_pod.fs_group is not None else ()
        return ContainerPlan(
            name=container.name,
            image=container.image,
            command=container.command,
            args=container.args,
            working_dir=container.working_dir,
            env={},
            mounts=tuple(_mounts(container, volumes, self._places)),
            devices=tuple(_devices(container, volumes)),
            labels={},
            log_path="",
            **_shares(container.resources),
            user=of_pod.run_as_user if own.run_as_user is None else own.run_as_user,
            group=of_pod.run_as_group if own.run_as_group is None else own.run_as_group,
            groups=tuple(sorted({*of_pod.supplemental_groups, *group})),
            read_only_root=own.read_only_root_filesystem,
            privileged=own.privileged,
            no_new_privileges=own.allow_privilege_escalation is False,
            capabilities=_capabilities(own.capabilities),
            tty=container.tty,
            stdin=container.stdin,
            message_path=container.termination_message_path,
        )


def _fields(pod: Pod, uid: str, node: NodeFacts) -> Mapping[str, str]:
    return {
        "metadata.name": pod.metadata.name,
        "metadata.namespace": pod.metadata.namespace,
        "metadata.uid": uid,
        "spec.nodeName": node.name,
        "status.hostIP": node.address,
    }


def _published(containers: tuple[Container, ...]) -> list[PublishedPort]:
    return [
        PublishedPort(port.container_port, port.host_port, port.host_ip, port.protocol)
        for container in containers
        for port in container.ports
        if port.host_port is not None
    ]


def _mounts(container: Container, volumes: Mapping[str, Volume], places: Places) -> list[Mount]:
    """ConfigMaps and Secrets are read-only, as in Kubernetes."""
    mounts = []
    for mount in container.volume_mounts:
        volume = volumes[mount.name]
        read_only = mount.read_only or volume.config_map is not None or volume.secret is not None
        mounts.append(Mount(str(places.volume(volume) / mount.sub_path), mount.mount_path, read_only))
    return mounts


def _devices(container: Container, volumes: Mapping[str, Volume]) -> list[Mount]:
    paths = {volume.name: volume.host_path.path for volume in volumes.values() if volume.host_path}
    return [Mount(paths[one.name], one.device_path) for one in container.volume_devices]


def _shares(resources: Resources) -> dict[str, Any]:
    """Limits; and the share of the processor that is asked for, which without a word is the limit."""
    limits = resources.limits
    cpu = millicores(limits["cpu"]) if "cpu" in limits else 0
    asked = millicores(resources.requests["cpu"]) if "cpu" in resources.requests else cpu
    return {
        "cpu": cpu / 1000 or None,
        "memory": whole_bytes(limits["memory"]) or None if "memory" in limits else None,
        "cpu_shares": min(max(asked * 1024 // 1000, LEAST_SHARES), MOST_SHARES) if asked else None,
    }


def _capabilities(declared: Capabilities) -> Capabilities:
    """By the names that engines have for them."""
    return Capabilities(
        add=tuple(name.removeprefix("CAP_") for name in declared.add),
        drop=tuple(name.removeprefix("CAP_") for name in declared.drop),
    )


def _hash(*made_from: object) -> str:
    """Of what is said: a field that a later version adds changes nothing while it has its default."""
    return hashlib.blake2b(msgspec.json.encode(_said(made_from), order="deterministic"), digest_size=8).hexdigest()


def _said(value: Any) -> Any:
    if isinstance(value, tuple):
        return [_said(one) for one in value]
    if not isinstance(value, msgspec.Struct):
        return value
    said = ((name, getattr(value, name), default) for name, default in _fields_of(type(value)))
    return {name: _said(one) for name, one, default in said if one != default}


@cache
def _fields_of(kind: type[msgspec.Struct]) -> tuple[tuple[str, object], ...]:
    """Names and defaults; to ask for them takes a hundred times as long as all the rest."""
    return tuple((field.name, field.default) for field in fields(kind))
