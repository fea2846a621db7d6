"""A Pod manifest (Kubernetes `v1`), typed: what is not here is not supported, and is refused by its path.

Names, meanings and defaults are those of the Kubernetes API reference, "Pod v1 core". Fields that tools write and
that mean nothing on a node of its own are taken with the one value that changes nothing, and no other.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, ClassVar, Literal

from msgspec import Meta, Struct, field

Name = Annotated[
    str,
    Meta(
        pattern=r"^[a-z0-9]([-a-z0-9]*[a-z0-9])?\Z",
        max_length=63,
        description="up to 63 of the letters a to z, digits and '-', no '-' at either end",
    ),
]
ObjectName = Annotated[
    str,
    Meta(
        pattern=r"^[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*\Z",
        max_length=200,
        description="up to 200 of the letters a to z, digits, '-' and '.', a letter or digit on each side of '.'",
    ),
]
PortNumber = Annotated[int, Meta(ge=1, le=65535)]
Port = PortNumber | Annotated[str, Meta(min_length=1)]
"""A number, or the name of one of the container's ports."""
Mode = Annotated[int, Meta(ge=0, le=0o777, description="permissions, 0 to 0777")]
Identity = Annotated[int, Meta(ge=0, le=2**31 - 1, description="the number of a user or group")]
_NO_WAY_UP = r"(?!(.*/)?\.\.(/|\Z))[^\x00-\x1f]*\Z"
RelativePath = Annotated[
    str, Meta(pattern=rf"^(?!/){_NO_WAY_UP}", max_length=4096, description="a path below the volume, without '..'")
]
FilePath = Annotated[
    str,
    Meta(
        pattern=rf"^(?!/|\.\.){_NO_WAY_UP}",
        min_length=1,
        max_length=255,
        description="a path below the volume, without '..'",
    ),
]
AbsolutePath = Annotated[
    str, Meta(pattern=rf"^/{_NO_WAY_UP}", max_length=4096, description="an absolute path, without '..'")
]
Seconds = Annotated[int, Meta(ge=0, le=86_400)]
AtLeastOne = Annotated[int, Meta(ge=1, le=86_400)]
Quantity = str | int | float
"""A Kubernetes quantity: `500m`, `64Mi`, 2; read by `quantity`."""
EnvName = Annotated[
    str, Meta(pattern=r"^[-._a-zA-Z][-._a-zA-Z0-9]*\Z", description="letters, digits, '_', '-', '.', no digit first")
]


class _Form(Struct, frozen=True, forbid_unknown_fields=True, rename="camel", kw_only=True, omit_defaults=True):
    pass


class Choice(_Form, frozen=True):
    """Exactly one of some fields."""

    CHOICE: ClassVar[tuple[str, ...]]
    """Their names, as they are written in a manifest."""

    def __post_init__(self) -> None:
        names = dict(zip(self.__struct_encode_fields__, self.__struct_fields__, strict=True))
        if sum(getattr(self, names[choice]) is not None for choice in self.CHOICE) != 1:
            raise ValueError(f"write one of {', '.join(self.CHOICE)}")


class _Nothing(_Form, frozen=True):
    """`{}`, which tools write."""


class FieldRef(_Form, frozen=True):
    field_path: str
    api_version: Literal["v1"] = "v1"


class KeyRef(_Form, frozen=True):
    name: ObjectName
    key: str
    optional: bool = False


class ValueFrom(Choice, frozen=True):
    """One of them."""

    CHOICE = ("fieldRef", "configMapKeyRef", "secretKeyRef")

    field_ref: FieldRef | None = None
    config_map_key_ref: KeyRef | None = None
    secret_key_ref: KeyRef | None = None


class EnvVar(_Form, frozen=True):
    name: EnvName
    value: str = ""
    value_from: ValueFrom | None = None


class ObjectRef(_Form, frozen=True):
    name: ObjectName
    optional: bool = False


class EnvFrom(Choice, frozen=True):
    """All keys of one object, after a prefix."""

    CHOICE = ("configMapRef", "secretRef")

    prefix: str = ""
    config_map_ref: ObjectRef | None = None
    secret_ref: ObjectRef | None = None


class VolumeMount(_Form, frozen=True):
    name: str
    mount_path: Annotated[str, Meta(pattern=r"^/[^:\x00-\x1f]*\Z", description="an absolute path without ':'")]
    read_only: bool = False
    sub_path: RelativePath = ""


class VolumeDevice(_Form, frozen=True):
    """A device path of the node inside the container; the volume is a hostPath of type CharDevice or BlockDevice."""

    name: str
    device_path: AbsolutePath


class ExecAction(_Form, frozen=True):
    command: tuple[str, ...]


class HttpHeader(_Form, frozen=True):
    name: str
    value: str


class HttpGetAction(_Form, frozen=True):
    port: Port
    path: str = "/"
    host: str = ""
    scheme: Literal["HTTP", "HTTPS"] = "HTTP"
    http_headers: tuple[HttpHeader, ...] = ()


class TcpSocketAction(_Form, frozen=True):
    port: Port
    host: str = ""


class Probe(Choice, frozen=True):
    """One of exec, httpGet and tcpSocket, and its timing in seconds."""

    CHOICE = ("exec", "httpGet", "tcpSocket")

    exec: ExecAction | None = None
    http_get: HttpGetAction | None = None
    tcp_socket: TcpSocketAction | None = None
    initial_delay_seconds: Seconds = 0
    timeout_seconds: AtLeastOne = 1
    period_seconds: AtLeastOne = 10
    success_threshold: Annotated[int, Meta(ge=1)] = 1
    failure_threshold: Annotated[int, Meta(ge=1)] = 3
    termination_grace_period_seconds: Seconds | None = None


class Handler(Choice, frozen=True):
    CHOICE = ("exec", "httpGet")

    exec: ExecAction | None = None
    http_get: HttpGetAction | None = None


class Lifecycle(_Form, frozen=True):
    pre_stop: Handler | None = None


class Resources(_Form, frozen=True):
    limits: Mapping[str, Quantity] = {}
    """`cpu` and `memory`."""
    requests: Mapping[str, Quantity] = {}


class ContainerPort(_Form, frozen=True):
    container_port: PortNumber
    host_port: PortNumber | None = None
    host_ip: str = field(default="", name="hostIP")
    name: str = ""
    protocol: Literal["TCP", "UDP"] = "TCP"


class Capabilities(_Form, frozen=True):
    add: tuple[str, ...] = ()
    drop: tuple[str, ...] = ()


class SecurityContext(_Form, frozen=True):
    run_as_user: Identity | None = None
    run_as_group: Identity | None = None
    run_as_non_root: bool | None = None
    read_only_root_filesystem: bool = False
    privileged: bool = False
    allow_privilege_escalation: bool | None = None
    capabilities: Capabilities = Capabilities()
    se_linux_options: _Nothing = _Nothing()


class PodSecurityContext(_Form, frozen=True):
    run_as_user: Identity | None = None
    run_as_group: Identity | None = None
    run_as_non_root: bool | None = None
    fs_group: Identity | None = None
    supplemental_groups: tuple[Identity, ...] = ()
    se_linux_options: _Nothing = _Nothing()


class Container(_Form, frozen=True):
    name: Name
    image: Annotated[str, Meta(pattern=r"^[^\s]+\Z", description="the name of an image")]
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
    termination_message_path: AbsolutePath = "/dev/termination-log"
    termination_message_policy: Literal["File", "FallbackToLogsOnError"] = "File"


class KeyToPath(_Form, frozen=True):
    key: str
    path: FilePath
    mode: Mode | None = None


class EmptyDir(_Form, frozen=True):
    medium: Literal["", "Memory"] = ""


class HostPath(_Form, frozen=True):
    path: AbsolutePath
    type: Literal[
        "", "DirectoryOrCreate", "Directory", "FileOrCreate", "File", "Socket", "CharDevice", "BlockDevice"
    ] = ""


class ConfigMapVolume(_Form, frozen=True):
    name: ObjectName
    items: tuple[KeyToPath, ...] = ()
    default_mode: Mode = 0o644
    optional: bool = False


class SecretVolume(_Form, frozen=True):
    secret_name: ObjectName
    items: tuple[KeyToPath, ...] = ()
    default_mode: Mode = 0o644
    optional: bool = False


class Volume(Choice, frozen=True):
    """A name and one source."""

    CHOICE = ("emptyDir", "hostPath", "configMap", "secret")

    name: Name
    empty_dir: EmptyDir | None = None
    host_path: HostPath | None = None
    config_map: ConfigMapVolume | None = None
    secret: SecretVolume | None = None


class PodSpec(_Form, frozen=True):
    containers: Annotated[tuple[Container, ...], Meta(min_length=1)]
    init_containers: tuple[Container, ...] = ()
    volumes: tuple[Volume, ...] = ()
    restart_policy: Literal["Always", "OnFailure", "Never"] = "Always"
    termination_grace_period_seconds: Seconds = 30
    node_name: str = ""
    """Left out: the node in whose folder the manifest lies."""
    hostname: Name | Literal[""] = ""
    host_network: bool = False
    security_context: PodSecurityContext = PodSecurityContext()
    # what tools write, and what has no other meaning here
    dns_policy: Literal["ClusterFirst", "ClusterFirstWithHostNet", "Default"] = "ClusterFirst"
    scheduler_name: Literal["default-scheduler"] = "default-scheduler"
    enable_service_links: bool = True
    automount_service_account_token: Literal[False] = False


class Metadata(_Form, frozen=True):
    name: ObjectName
    namespace: Name = "default"
    uid: Annotated[
        str, Meta(pattern=r"^([a-zA-Z0-9][-a-zA-Z0-9]*)?\Z", max_length=64, description="letters, digits and '-'")
    ] = ""
    """Left out: one that is made of node and id, so always the same."""
    labels: Mapping[str, str] = {}
    annotations: Mapping[str, str] = {}
    # what tools write
    creation_timestamp: str | None = None
    resource_version: str = ""
    generation: int = 0
    generate_name: str = ""
    self_link: str = ""
    managed_fields: tuple[Mapping[str, Any], ...] = ()
    owner_references: tuple[Mapping[str, Any], ...] = ()


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
