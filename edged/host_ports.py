"""Which ports of the node a pod takes, and which pods cannot be because an earlier one has them: Kubernetes' plugin
NodePorts. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import NamedTuple

from edged.pod import ContainerPort, Pod, PodSpec

__all__ = ["HostPort", "conflicts", "taken"]

_ANY = ("", "0.0.0.0", "::")  # noqa: S104 - compared, not listened at


class HostPort(NamedTuple):
    """A port of the node, at one of its addresses or at all."""

    number: int
    protocol: str
    address: str

    def clashes(self, other: HostPort) -> bool:
        """Nobody can listen at both."""
        everywhere = self.address in _ANY or other.address in _ANY
        return self[:2] == other[:2] and (everywhere or self.address == other.address)

    def __str__(self) -> str:
        return f"{self.number}/{self.protocol}"


def taken(port: ContainerPort, spec: PodSpec) -> HostPort | None:
    """What a declared port takes of the node: on the node's own network it is itself one."""
    number = port.container_port if spec.host_network else port.host_port
    return None if number is None else HostPort(number, port.protocol, port.host_ip)


def conflicts(pods: Iterable[Pod]) -> dict[str, str]:
    """The pods that cannot run beside those before them, by id: why."""
    owners: dict[HostPort, str] = {}
    refused: dict[str, str] = {}
    for pod in pods:
        own = list(_all(pod.spec))
        clash = next(((port, owner) for port in own for at, owner in owners.items() if port.clashes(at)), None)
        if clash:
            refused[pod.id] = f"the node's port {clash[0]} is that of {clash[1]}: {pod.id} needs another hostPort"
        else:
            owners |= dict.fromkeys(own, pod.id)
    return refused


def _all(spec: PodSpec) -> Iterator[HostPort]:
    for container in spec.containers:
        for port in container.ports:
            if at := taken(port, spec):
                yield at
