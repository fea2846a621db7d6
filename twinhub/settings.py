"""The optional `twinhub.yaml`: checked against its schema, every mistake named with its line and a remedy.

A password never stands in the file itself: `{env: NAME}` takes it from the environment, `{file: PATH}` from a file.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from itertools import chain
from pathlib import Path
from typing import Any, Literal

import msgspec

from device_models import DataType, Device
from device_models.problem import Problem, suggestion
from edged.choice import RuntimeName
from twinhub.broker_checks import broker_findings
from twinhub.errors import CommandError
from twinhub.settings_file import Check, Finding, read_settings

__all__ = [
    "FILE",
    "BrokerSettings",
    "BrokerTls",
    "BrokerUser",
    "CloudSettings",
    "PodSettings",
    "Secret",
    "Settings",
    "load_settings",
    "settings_problems",
]

FILE = "twinhub.yaml"
_SECRETS: dict[tuple[str | int, ...], str] = {("broker", "url"): "this is not the address of a broker"}


class Secret(msgspec.Struct, frozen=True):
    """Where a secret is to be found: in an environment variable or in a file."""

    env: str = ""
    file: str = ""

    def read(self, folder: Path) -> str:
        """The secret itself. A relative file lies beside the settings. CommandError when it is not there."""
        if self.env:
            if self.env not in os.environ:
                raise CommandError(f"{FILE}: the environment has no {self.env}, which should hold a password")
            return os.environ[self.env]
        try:
            return (folder / self.file).read_text().rstrip("\n")
        except (OSError, UnicodeDecodeError) as error:
            raise CommandError(f"{FILE}: cannot read the password file {self.file}: {error}") from None


class BrokerUser(msgspec.Struct, frozen=True):
    """Somebody the private broker lets in. Places are `NAMESPACE/NAME`, either of which may be `*`, or `*` alone."""

    name: str
    password: Secret
    read: list[str] = []
    """The devices whose twins this user may see."""
    steer: list[str] = []
    """Those for which it may wish, too."""
    report: list[str] = []
    """Those for which it may speak, too: a mapper of its own."""


class BrokerTls(msgspec.Struct, frozen=True, rename="camel"):
    """With what the private broker shows others that it is the one they mean: PEM files."""

    cert_file: str
    key_file: str
    port: int = 8883


class BrokerSettings(msgspec.Struct, frozen=True, rename="camel"):
    """A broker by address where `url` is given, else a private one on `port` of this machine."""

    url: str | None = None
    port: int = 1883
    listen: str | None = None
    """The address of this machine on which others reach the private broker; None = they do not."""
    tls: BrokerTls | None = None
    """Others reach it encrypted, on a port of its own; None = on the same port, in clear."""
    users: list[BrokerUser] = []
    """Who is let in; without any, everybody on this machine."""
    kind: Literal["mosquitto", "nats"] | None = None
    """Which program the private broker is; None = mosquitto where there is one."""
    username: str | None = None
    password: Secret | None = None
    ca_file: str | None = None
    cert_file: str | None = None
    key_file: str | None = None


class CloudSettings(msgspec.Struct, frozen=True, rename="camel"):
    """The link to the cloud; without effect until `twinhub join` gave this edge an identity."""

    compression: bool = True
    """Compress what goes over the link, where the cloud can."""
    drain_rate: int = 20_000
    """Changes a second of a backlog at most, so that it does not crowd out what is new."""
    ping_seconds: float = 10
    """A link that stays silent for two of these is taken for broken."""
    retry_seconds: float = 15
    """The longest pause between two attempts to reach the cloud."""
    contact: str | list[str] = []
    """Properties, NAMESPACE/DEVICE/PROPERTY: the cloud is called only while one of them is reported true. Empty =
    always."""
    outbox_days: float = 30
    """Changes older than that are folded to the newest value of each property."""
    logs: bool = True
    """Send the hub's log lines, as far as the link has room for them."""
    metrics_port: int = 0
    """Where Prometheus finds the edge's metrics on 127.0.0.1; 0 = nowhere."""


class PodSettings(msgspec.Struct, frozen=True, rename="camel"):
    """Pods on this node; without effect while none is declared."""

    runtime: RuntimeName = "auto"
    """The container engine; auto = podman where it is installed, else processes of this node."""
    device_away_seconds: float = 30
    """How long a device may be away before the pods that are bound to it are stopped."""


class Settings(msgspec.Struct, frozen=True, rename="camel"):
    """Everything that can be set, with its default."""

    node: str | None = None
    """The name of this edge; None = the host's name."""
    broker: BrokerSettings = BrokerSettings()
    mappers: bool = True
    """Run the mappers in the hub's process; false where `twinhub mapper run` does it."""
    store: Literal["tinydb", "sqlite"] | None = None
    """The catalogue; None = TinyDB, one readable file, for up to a hundred devices, else SQLite."""
    strict: bool = False
    """KubeEdge's rules for values: 512 characters of a small set."""
    max_value_bytes: int = 64 * 1024
    answer_on_empty_id: bool = False
    """Answer unreadable updates on the empty device id as well, as KubeEdge does."""
    outbox_limit: int = 100_000
    """Changes kept for the cloud; 0 = none."""
    cloud: CloudSettings = CloudSettings()
    pods: PodSettings = PodSettings()


def load_settings(folder: Path) -> Settings:
    """The settings of a folder; the defaults where it has no file. CommandError with every mistake there is."""
    values, problems = _read(folder)
    if problems:
        raise CommandError("\n".join(map(str, problems)))
    return msgspec.convert(values, Settings)


def settings_problems(folder: Path, devices: Mapping[str, Device]) -> tuple[Problem, ...]:
    """What is wrong with the settings of a folder that declares these devices, by id."""
    return _read(folder, lambda values: chain(broker_findings(values), _contact_findings(values, devices)))[1]


def _read(folder: Path, check: Check = broker_findings) -> tuple[dict[str, Any], tuple[Problem, ...]]:
    path = folder / FILE
    return read_settings(path, "settings.schema.json", _SECRETS, check) if path.exists() else ({}, ())


def _contact_findings(values: dict[str, Any], devices: Mapping[str, Device]) -> Iterator[Finding]:
    """A contact that is not there would never come."""
    named, where = values.get("cloud", {}).get("contact", []), ("cloud", "contact")
    places = {where: named} if isinstance(named, str) else {(*where, n): place for n, place in enumerate(named)}
    for path, place in places.items():
        device_id, _, name = place.rpartition("/")
        device = devices.get(device_id)
        known = device.property(name) if device else None
        if device is None:
            yield path, f"no device {device_id} is declared here", suggestion(device_id, devices)
        elif known is None and device.protocol != "external":
            names = [prop.name for prop in device.properties]
            yield path, f"{device_id} has no property {name}", suggestion(name, names)
        elif known is not None and known.type is not DataType.BOOLEAN:
            yield path, f"{place} is of type {known.type}", "name a BOOLEAN"
