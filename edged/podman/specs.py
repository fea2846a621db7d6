"""Plans as libpod wants them: bodies of `pods/create` and `containers/create`. Pure."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from edged.runtime import ContainerPlan, Mount, PublishedPort, RuntimeRefused, SandboxPlan

__all__ = ["container_spec", "pod_spec", "qualified"]

PERIOD = 100_000
"""Microseconds in which a container gets its share of the processors."""
LEAST_QUOTA = 1000
"""Microseconds, the kernel's least."""
LOG_LIMIT = 10 * 1024 * 1024
"""Bytes after which a log begins anew."""


def pod_spec(plan: SandboxPlan) -> dict[str, Any]:
    """PodSpecGenerator."""
    spec: dict[str, Any] = {"name": plan.name, "labels": dict(plan.labels)}
    if plan.host_network:
        return spec | {"netns": {"nsmode": "host"}}
    return spec | {"hostname": plan.hostname, "portmappings": [_port(port) for port in plan.ports]}


def container_spec(pod: str, plan: ContainerPlan) -> dict[str, Any]:
    """SpecGenerator. What podman would do of itself and Kubernetes does not is told off: proxies of the service's
    environment, health checks of the image, systemd's ways."""
    spec: dict[str, Any] = {
        "name": plan.name,
        "pod": pod,
        "image": plan.image,
        "env": dict(plan.env),
        "labels": dict(plan.labels),
        "mounts": [_mount(mount) for mount in (*plan.mounts, *plan.message_mount)],
        "log_configuration": {"driver": "k8s-file", "path": plan.log_path, "size": LOG_LIMIT},
        "resource_limits": _limits(plan),
        "restart_policy": "no",
        "healthconfig": {"Test": ["NONE"]},
        "systemd": "false",
        "httpproxy": False,
        "terminal": plan.tty,
        "stdin": plan.stdin,
        **_security(plan),
    }
    if plan.command:
        spec["entrypoint"] = list(plan.command)
    if plan.args:
        spec["command"] = list(plan.args)
    if plan.working_dir:
        spec |= {"work_dir": plan.working_dir, "create_working_dir": True}
    if plan.devices:
        spec["devices"] = [{"path": _device(device)} for device in plan.devices]
    return spec


def _security(plan: ContainerPlan) -> dict[str, Any]:
    return {
        "user": _user(plan),
        "groups": [str(group) for group in plan.groups],
        "read_only_filesystem": plan.read_only_root,
        "privileged": plan.privileged,
        "no_new_privileges": plan.no_new_privileges,
        "cap_add": list(plan.capabilities.add),
        "cap_drop": list(plan.capabilities.drop),
    }


def _user(plan: ContainerPlan) -> str:
    if plan.group is None:
        return "" if plan.user is None else str(plan.user)
    if plan.user is None:
        raise RuntimeRefused("CreateContainerConfigError", "runAsGroup needs runAsUser: write both")
    return f"{plan.user}:{plan.group}"


def _limits(plan: ContainerPlan) -> dict[str, Any]:
    limits: dict[str, dict[str, int]] = {}
    if plan.memory is not None:
        limits["memory"] = {"limit": plan.memory, "swap": plan.memory}
    if plan.cpu is not None:
        limits["cpu"] = {"period": PERIOD, "quota": max(LEAST_QUOTA, math.ceil(plan.cpu * PERIOD))}
    if plan.cpu_shares is not None:
        limits.setdefault("cpu", {})["shares"] = plan.cpu_shares
    return limits


def _port(port: PublishedPort) -> Mapping[str, Any]:
    return {
        "container_port": port.container_port,
        "host_port": port.host_port,
        "host_ip": port.host_ip,
        "protocol": port.protocol.lower(),
    }


def _mount(mount: Mount) -> Mapping[str, Any]:
    options = ["rbind", "rprivate", "ro" if mount.read_only else "rw"]
    return {"type": "bind", "source": mount.source, "destination": mount.target, "options": options}


def _device(device: Mount) -> str:
    return f"{device.source}:{device.target}:{'r' if device.read_only else 'rwm'}"


def qualified(image: str) -> str:
    """With the registry that Kubernetes takes where none is written: podman would ask a terminal."""
    host, slash, _ = image.partition("/")
    if not slash:
        return f"docker.io/library/{image}"
    return image if "." in host or ":" in host or host == "localhost" else f"docker.io/{image}"
