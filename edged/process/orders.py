"""What a keeper is told to run, from a container's plan and its image. RuntimeRefused: it cannot be had here."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

from edged.process.images import Stored
from edged.process.program import Program
from edged.process.rights import Rights
from edged.runtime import ContainerPlan, Mount, PublishedPort, RuntimeRefused

__all__ = ["check", "check_ports", "order"]

PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
CAPABILITIES = (
    "CHOWN",
    "DAC_OVERRIDE",
    "DAC_READ_SEARCH",
    "FOWNER",
    "FSETID",
    "KILL",
    "SETGID",
    "SETUID",
    "SETPCAP",
    "LINUX_IMMUTABLE",
    "NET_BIND_SERVICE",
    "NET_BROADCAST",
    "NET_ADMIN",
    "NET_RAW",
    "IPC_LOCK",
    "IPC_OWNER",
    "SYS_MODULE",
    "SYS_RAWIO",
    "SYS_CHROOT",
    "SYS_PTRACE",
    "SYS_PACCT",
    "SYS_ADMIN",
    "SYS_BOOT",
    "SYS_NICE",
    "SYS_RESOURCE",
    "SYS_TIME",
    "SYS_TTY_CONFIG",
    "MKNOD",
    "LEASE",
    "AUDIT_WRITE",
    "AUDIT_CONTROL",
    "SETFCAP",
    "MAC_OVERRIDE",
    "MAC_ADMIN",
    "SYSLOG",
    "WAKE_ALARM",
    "BLOCK_SUSPEND",
    "AUDIT_READ",
    "PERFMON",
    "BPF",
    "CHECKPOINT_RESTORE",
)
"""By number, <linux/capability.h>."""


def check(plan: ContainerPlan, image: Stored, rights: Rights) -> None:
    """Say now what would fail later."""
    if image.root and not rights:
        raise _refused(plan, f"image {plan.image}: only programs of the node can run here (image `host`)")
    if (plan.mounts or plan.devices) and not rights:
        raise _refused(plan, "no volume can be mounted here: run twinhub as root, or permit user namespaces")
    if plan.read_only_root and not image.root:
        raise _refused(plan, "readOnlyRootFilesystem needs an image of the pod's own")
    if not (plan.command or plan.args or image.config.entrypoint or image.config.cmd):
        raise _refused(plan, f"neither image {plan.image} nor the manifest says what to run: give it a command")
    if unknown := [name for name in plan.capabilities.drop if name not in (*CAPABILITIES, "ALL")]:
        raise _refused(plan, f"capabilities.drop: there is no capability {', '.join(unknown)}")


def check_ports(ports: Sequence[PublishedPort]) -> None:
    """A port is the node's."""
    for port in ports:
        if port.host_port != port.container_port:
            text = f"hostPort {port.host_port}: programs are on the node's network, make it {port.container_port}"
            raise RuntimeRefused("CreatePodSandboxError", text)


def order(
    plan: ContainerPlan, image: Stored, *, room: str, rights: Rights, hostname: str, groups: Sequence[str]
) -> Program:
    """Everything resolved. `groups`: the control groups' directories."""
    return Program(
        argv=_argv(plan, image),
        env=_environment(plan, image),
        working_dir=plan.working_dir or image.config.working_dir or "/",
        room=room,
        root=image.root,
        rights=rights,
        mounts=[(one.source, one.target, one.read_only) for one in _mounts(plan, image, rights)],
        hostname=hostname,
        read_only=plan.read_only_root,
        all_devices=plan.privileged,
        user=_user(plan, image),
        groups=plan.groups,
        no_new_privileges=plan.no_new_privileges,
        dropped=_dropped(plan),
        data_limit=0 if groups else plan.memory or 0,
        cgroups=groups,
    )


def _mounts(plan: ContainerPlan, image: Stored, rights: Rights) -> list[Mount]:
    """That for its last words is left out where it would have to be made on the node itself."""
    mine = plan.message_mount if rights else ()
    on_node = not image.root or (plan.privileged and plan.message_path.startswith("/dev/"))
    there = [one for one in mine if not on_node or Path(one.target).exists()]
    return [*plan.mounts, *plan.devices, *there]


def _refused(plan: ContainerPlan, message: str) -> RuntimeRefused:
    return RuntimeRefused("CreateContainerError", f"{plan.name}: {message}")


def _argv(plan: ContainerPlan, image: Stored) -> tuple[str, ...]:
    """As Kubernetes has it: a command sets aside the image's arguments too."""
    if plan.command:
        return (*plan.command, *plan.args)
    return (*(image.config.entrypoint or ()), *(plan.args or image.config.cmd or ()))


def _environment(plan: ContainerPlan, image: Stored) -> dict[str, str]:
    kept = {"PATH": PATH, "HOME": "/root" if _user(plan, image) in ("", "0", "root") else "/"}
    if not image.root:
        kept |= {name: os.environ[name] for name in kept.keys() & os.environ.keys()}
    pairs = (entry.partition("=") for entry in image.config.env or ())
    return {**kept, **{name: value for name, _, value in pairs}, **plan.env}


def _user(plan: ContainerPlan, image: Stored) -> str:
    if plan.user is None:
        return image.config.user
    return str(plan.user) if plan.group is None else f"{plan.user}:{plan.group}"


def _dropped(plan: ContainerPlan) -> list[int]:
    names = plan.capabilities.drop
    kept = plan.capabilities.add
    if plan.privileged or not names:
        return []
    return [
        number for number, name in enumerate(CAPABILITIES) if name not in kept and ("ALL" in names or name in names)
    ]
