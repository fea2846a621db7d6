"""Plans as the Container Runtime Interface wants them. Pure.

Where the interface leaves to its caller what Kubernetes' users take for granted (paths below /proc and /sys that are
hidden, system calls that are forbidden), it is as kubelet has it.
"""

from __future__ import annotations

import math
import os
from collections.abc import Mapping

from cri_api.v1 import api_pb2 as cri

from edged.runtime import LABEL, ContainerPlan, Mount, PublishedPort, RuntimeRefused, SandboxPlan

__all__ = ["container_config", "labels_of", "sandbox_config", "sandbox_config_of"]

PERIOD = 100_000
"""Microseconds in which a container gets its share of the processors."""
LEAST_QUOTA = 1000
"""Microseconds, the kernel's least."""
HOSTNAME = "io.twinhub.hostname"
"""Annotation: the engine wants to hear it again for each container, and does not tell it."""
LONGEST_LABEL = 4096
"""Bytes of name and value that containerd takes. Longer ones are annotations, which cannot be searched for."""
_LONG = "label:"
MASKED = (
    "/proc/acpi",
    "/proc/asound",
    "/proc/kcore",
    "/proc/keys",
    "/proc/latency_stats",
    "/proc/sched_debug",
    "/proc/scsi",
    "/proc/timer_list",
    "/proc/timer_stats",
    "/sys/devices/virtual/powercap",
    "/sys/firmware",
)
READ_ONLY = ("/proc/bus", "/proc/fs", "/proc/irq", "/proc/sys", "/proc/sysrq-trigger")
"""Kubernetes: pkg/securitycontext/util.go."""


def sandbox_config(plan: SandboxPlan, log_directory: str) -> cri.PodSandboxConfig:
    namespace, _, _ = plan.labels.get(LABEL.pod, "").rpartition("/")
    hostname = "" if plan.host_network else plan.hostname
    metadata = cri.PodSandboxMetadata(
        name=plan.name, namespace=namespace or "default", uid=plan.labels.get(LABEL.uid) or plan.name
    )
    return cri.PodSandboxConfig(
        metadata=metadata,
        hostname=hostname,
        log_directory=log_directory,
        port_mappings=[_port(port) for port in plan.ports],
        labels=plan.labels,
        annotations={HOSTNAME: hostname},
        linux=_sandbox_security(_namespaces(host_network=plan.host_network), privileged=plan.privileged),
    )


def sandbox_config_of(status: cri.PodSandboxStatus, log_directory: str, *, privileged: bool) -> cri.PodSandboxConfig:
    """The one it was made from, as far as its containers are concerned."""
    return cri.PodSandboxConfig(
        metadata=status.metadata,
        hostname=status.annotations.get(HOSTNAME, ""),
        log_directory=log_directory,
        labels=status.labels,
        annotations=status.annotations,
        linux=_sandbox_security(status.linux.namespaces.options, privileged=privileged),
    )


def container_config(plan: ContainerPlan, namespaces: cri.NamespaceOption, log_directory: str) -> cri.ContainerConfig:
    """`namespaces`: those of its sandbox."""
    return cri.ContainerConfig(
        metadata=cri.ContainerMetadata(name=plan.name),
        image=cri.ImageSpec(image=plan.image),
        command=plan.command,
        args=plan.args,
        working_dir=plan.working_dir,
        envs=[cri.KeyValue(key=name, value=value) for name, value in plan.env.items()],
        mounts=[_mount(mount) for mount in (*plan.mounts, *plan.message_mount)],
        devices=[_device(device) for device in plan.devices],
        labels=_short(plan.labels),
        annotations={_LONG + name: value for name, value in plan.labels.items() if name not in _short(plan.labels)},
        log_path=os.path.relpath(plan.log_path, log_directory),
        stdin=plan.stdin,
        tty=plan.tty,
        linux=cri.LinuxContainerConfig(resources=_resources(plan), security_context=_security(plan, namespaces)),
    )


def labels_of(listed: cri.Container) -> dict[str, str]:
    """Those that its plan had."""
    notes = listed.annotations.items()
    long = {name.removeprefix(_LONG): value for name, value in notes if name.startswith(_LONG)}
    return {**listed.labels, **long}


def _short(labels: Mapping[str, str]) -> dict[str, str]:
    return {
        name: value for name, value in labels.items() if len(name.encode()) + len(value.encode()) <= LONGEST_LABEL
    }


def _namespaces(*, host_network: bool) -> cri.NamespaceOption:
    return cri.NamespaceOption(
        network=cri.NamespaceMode.NODE if host_network else cri.NamespaceMode.POD,
        pid=cri.NamespaceMode.CONTAINER,
        ipc=cri.NamespaceMode.POD,
    )


def _sandbox_security(namespaces: cri.NamespaceOption, *, privileged: bool) -> cri.LinuxPodSandboxConfig:
    security = cri.LinuxSandboxSecurityContext(namespace_options=namespaces, privileged=privileged)
    return cri.LinuxPodSandboxConfig(security_context=security)


def _security(plan: ContainerPlan, namespaces: cri.NamespaceOption) -> cri.LinuxContainerSecurityContext:
    if plan.group is not None and plan.user is None:
        raise RuntimeRefused("CreateContainerConfigError", "runAsGroup needs runAsUser: write both")
    capabilities = cri.Capability(add_capabilities=plan.capabilities.add, drop_capabilities=plan.capabilities.drop)
    return cri.LinuxContainerSecurityContext(
        namespace_options=namespaces,
        privileged=plan.privileged,
        capabilities=capabilities,
        run_as_user=_number(plan.user),
        run_as_group=_number(plan.group),
        supplemental_groups=plan.groups,
        readonly_rootfs=plan.read_only_root,
        no_new_privs=plan.no_new_privileges,
        masked_paths=() if plan.privileged else MASKED,
        readonly_paths=() if plan.privileged else READ_ONLY,
    )


def _number(value: int | None) -> cri.Int64Value | None:
    return None if value is None else cri.Int64Value(value=value)


def _resources(plan: ContainerPlan) -> cri.LinuxContainerResources:
    """0 is no limit. Swap is not given beyond memory by the engine itself."""
    quota = 0 if plan.cpu is None else max(LEAST_QUOTA, math.ceil(plan.cpu * PERIOD))
    return cri.LinuxContainerResources(
        cpu_period=PERIOD if quota else 0,
        cpu_quota=quota,
        cpu_shares=plan.cpu_shares or 0,
        memory_limit_in_bytes=plan.memory or 0,
    )


def _port(port: PublishedPort) -> cri.PortMapping:
    return cri.PortMapping(
        protocol=cri.Protocol.UDP if port.protocol == "UDP" else cri.Protocol.TCP,
        container_port=port.container_port,
        host_port=port.host_port,
        host_ip=port.host_ip,
    )


def _mount(mount: Mount) -> cri.Mount:
    return cri.Mount(container_path=mount.target, host_path=mount.source, readonly=mount.read_only)


def _device(device: Mount) -> cri.Device:
    permissions = "r" if device.read_only else "rwm"
    return cri.Device(container_path=device.target, host_path=device.source, permissions=permissions)
