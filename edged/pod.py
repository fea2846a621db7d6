"""A Pod manifest (Kubernetes `v1`), typed: what is not here is not supported, and is refused by its path.

Names, meanings and defaults are those of the Kubernetes API reference, "Pod v1 core". Fields that tools write and
that mean nothing on a node of its own are taken with the one value that changes nothing, and no other.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Literal

from msgspec import Meta, Struct

Name = Annotated[str, Meta(pattern=r"^[a-z0-9]([-a-z0-9]*[a-z0-9])?$", max_length=63)]
PortNumber = Annotated[int, Meta(ge=1, le=65535)]
Seconds = Annotated[int, Meta(ge=0, le=86_400)]
AtLeastOne = Annotated[int, Meta(ge=1, le=86_400)]
Quantity = str | int | float
"""A Kubernetes quantity: `500m`, `64Mi`, 2; read by `quantity`."""
EnvName = Annotated[str, Meta(pattern=r"^[-._a-zA-Z][-._a-zA-Z0-9]*$")]


class _Form(Struct, frozen=True, forbid_unknown_fields=True, rename="camel", kw_only=True, omit_defaults=True):
    pass


class FieldRef(_Form, frozen=True):
    field_path: str
    api_version: Literal["v1"] = "v1"


class KeyRef(_Form, frozen=True):
    name: str
    key: str
    optional: bool = False


class ValueFrom(_Form, frozen=True):
    """One of them."""

    field_ref: FieldRef | None = None
    config_map_key_ref: KeyRef | None = None
    secret_key_ref: KeyRef | None = None

    def __post_init__(self) -> None:
        if sum(ref is not None for ref in (self.field_ref, self.config_map_key_ref, self.secret_key_ref)) != 1:
            raise ValueError("write one of fieldRef, configMapKeyRef and secretKeyRef")


class EnvVar(_Form, frozen=True):
    name: EnvName
    value: str = ""
    value_from: ValueFrom | None = None


class ObjectRef(_Form, frozen=True):
    name: str
    optional: bool = False


class EnvFrom(_Form, frozen=True):
    """All keys of one object, after a prefix."""

    prefix: str = ""
    config_map_ref: ObjectRef | None = None
    secret_ref: ObjectRef | None = None

    def __post_init__(self) -> None:
        if (self.config_map_ref is None) == (self.secret_ref is None):
            raise ValueError("write either configMapRef or secretRef")


class VolumeMount(_Form, frozen=True):
    name: str
    mount_path: Annotated[str, Meta(pattern=r"^/[^:]*$")]
    read_only: bool = False
    sub_path: str = ""


class VolumeDevice(_Form, frozen=True):
    """A device path of the node inside the container; the volume is a hostPath of type CharDevice or BlockDevice."""

    name: str
    device_path: str


class ExecAction(_Form, frozen=True):
    command: tuple[str, ...]


class HttpHeader(_Form, frozen=True):
    name: str
    value: str


class HttpGetAction(_Form, frozen=True):
    port: int | str
    path: str = "/"
    host: str = ""
    scheme: Literal["HTTP", "HTTPS"] = "HTTP"
    http_headers: tuple[HttpHeader, ...] = ()


class TcpSocketAction(_Form, frozen=True):
    port: int | str
    host: str = ""


class Probe(_Form, frozen=True):
    """One of exec, httpGet and tcpSocket, and its timing in seconds."""

    exec: ExecAction | None = None
    http_get: HttpGetAction | None = None
    tcp_socket: TcpSocketAction | None = None
    initial_delay_seconds: Seconds = 0
    timeout_seconds: AtLeastOne = 1
    period_seconds: AtLeastOne = 10
    success_threshold: Annotated[int, Meta(ge=1)] = 1
    failure_threshold: Annotated[int, Meta(ge=1)] = 3
    termination_grace_period_seconds: Seconds | None = None

    def __post_init__(self) -> None:
        if sum(action is not None for action in (self.exec, self.http_get, self.tcp_socket)) != 1:
            raise ValueError("write one of exec, httpGet and tcpSocket")


class Handler(_Form, frozen=True):
    exec: ExecAction | None = None
    http_get: HttpGetAction | None = None

    def __post_init__(self) -> None:
        if (self.exec is None) == (self.http_get is None):
            raise ValueError("write either exec or httpGet")


class Lifecycle(_Form, frozen=True):
    pre_stop: Handler | None = None


class Resources(_Form, frozen=True):
    limits: Mapping[str, Quantity] = {}
    """`cpu` and `memory`."""
    requests: Mapping[str, Quantity] = {}


class ContainerPort(_Form, frozen=True):
    container_port: PortNumber
    host_port: PortNumber | None = None
    host_ip: str = ""
    name: str = ""
    protocol: Literal["TCP", "UDP"] = "TCP"


class Capabilities(_Form, frozen=True):
    add: tuple[str, ...] = ()
    drop: tuple[str, ...] = ()


class SecurityContext(_Form, frozen=True):
    run_as_user: int | None = None
    run_as_group: int | None = None
    run_as_non_root: bool | None = None
    read_only_root_filesystem: bool = False
    privileged: bool = False
    allow_privilege_escalation: bool | None = None
    capabilities: Capabilities = Capabilities()


class PodSecurityContext(_Form, frozen=True):
    run_as_user: int | None = None
    run_as_group: int | None = None
    run_as_non_root: bool | None = None
    fs_group: int | None = None


class Container(_Form, frozen=True):
    name: Name
    image: Annotated[str, Meta(min_length=1)]
    image_pull_policy: Literal["Always", "IfNotPresent", "Never"] | None = None
    """Left out: Always for the tag `latest` or none, else IfNotPresent."""
    command: tuple[str, ...] = ()
    args: tuple[str, ...] = ()
    working_dir: str = ""
    env: tuple[EnvVar, ...] = ()
    env_from: tuple[EnvFrom, ...] = ()
    ports: tuple[ContainerPort, ...] = ()
    resources: Resources = Resources()
    volume_mounts: tuple[VolumeMount, ...] = ()
    volume_devices: tuple[VolumeDevice, ...] = ()
    liveness_probe: Probe | None = None
    readiness_probe: Probe | None = None
    startup_probe: Probe | None = None
    lifecycle: Lifecycle = Lifecycle()
    security_context: SecurityContext = SecurityContext()
    stdin: bool = False
    tty: bool = False
    termination_message_path: str = "/dev/termination-log"
    termination_message_policy: Literal["File", "FallbackToLogsOnError"] = "File"


class KeyToPath(_Form, frozen=True):
    key: str
    path: str
    mode: int | None = None


class EmptyDir(_Form, frozen=True):
    medium: Literal["", "Memory"] = ""
    size_limit: Quantity | None = None


class HostPath(_Form, frozen=True):
    path: Annotated[str, Meta(pattern="^/")]
    type: Literal[
        "", "DirectoryOrCreate", "Directory", "FileOrCreate", "File", "Socket", "CharDevice", "BlockDevice"
    ] = ""


class ConfigMapVolume(_Form, frozen=True):
    name: str
    items: tuple[KeyToPath, ...] = ()
    default_mode: int = 0o644
    optional: bool = False


class SecretVolume(_Form, frozen=True):
    secret_name: str
    items: tuple[KeyToPath, ...] = ()
    default_mode: int = 0o644
    optional: bool = False


class Volume(_Form, frozen=True):
    """A name and one source."""

    name: Name
    empty_dir: EmptyDir | None = None
    host_path: HostPath | None = None
    config_map: ConfigMapVolume | None = None
    secret: SecretVolume | None = None

    def __post_init__(self) -> None:
        sources = (self.empty_dir, self.host_path, self.config_map, self.secret)
        if sum(source is not None for source in sources) != 1:
            raise ValueError("write one of emptyDir, hostPath, configMap and secret")


class PodSpec(_Form, frozen=True):
    containers: Annotated[tuple[Container, ...], Meta(min_length=1)]
    init_containers: tuple[Container, ...] = ()
    volumes: tuple[Volume, ...] = ()
    restart_policy: Literal["Always", "OnFailure", "Never"] = "Always"
    termination_grace_period_seconds: Seconds = 30
    node_name: str = ""
    """Left out: the node in whose folder the manifest lies."""
    hostname: str = ""
    host_network: bool = False
    security_context: PodSecurityContext = PodSecurityContext()
    # what tools write, and what has no other meaning here
    dns_policy: Literal["ClusterFirst", "ClusterFirstWithHostNet", "Default"] = "ClusterFirst"
    scheduler_name: Literal["default-scheduler"] = "default-scheduler"
    enable_service_links: bool = True
    automount_service_account_token: Literal[False] = False


class Metadata(_Form, frozen=True):
    name: Annotated[str, Meta(pattern=r"^[a-z0-9]([-a-z0-9.]*[a-z0-9])?$", max_length=200)]
    namespace: Name = "default"
    uid: str = ""
    labels: Mapping[str, str] = {}
    annotations: Mapping[str, str] = {}
    creation_timestamp: str | None = None
    resource_version: str = ""
    generation: int = 0


class Pod(_Form, frozen=True):
    """One pod as it is wanted."""

    api_version: Literal["v1"]
    kind: Literal["Pod"]
    metadata: Metadata
    spec: PodSpec
    status: Mapping[str, Any] = {}
    """What somebody saw elsewhere; not used."""

    @property
    def id(self) -> str:
        """`<namespace>/<name>`."""
        return f"{self.metadata.namespace}/{self.metadata.name}"


DEVICE_ANNOTATION = "twinhub.io/device"
"""`<namespace>/<name>`: the pod runs while this device's twin is online on this node."""
