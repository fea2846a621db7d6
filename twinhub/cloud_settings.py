"""The optional `cloud.yaml` of a cloud: checked against its schema, mistakes named with line and remedy."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

import msgspec

from twinhub.errors import CommandError
from twinhub.settings_file import read_settings

__all__ = ["FILE", "CloudServerSettings", "load_cloud_settings"]

FILE = "cloud.yaml"


class CloudServerSettings(msgspec.Struct, frozen=True, rename="camel"):
    """Everything that can be set, with its default."""

    hosts: list[str] = []
    """The names and addresses by which edges and operators reach this cloud; they stand in its certificate, along
    with this host's own name and the loopback's."""
    listen: str = "0.0.0.0"  # noqa: S104 - edges come from elsewhere, and every channel wants a certificate
    link_port: int = 10000
    """Where edges connect."""
    port: int = 10002
    """Where edges join and operators ask."""
    metrics_port: int = 9091
    """Where Prometheus finds the metrics, on 127.0.0.1; 0 = nowhere."""
    certificate_days: float = 365
    """How long an edge's certificate is good for; the edge renews it in time."""
    grace_days: float = 30
    """How long after its end an edge that was away may still renew it."""
    token_minutes: float = 60
    """How long a join token is good for."""
    allow_unbound_tokens: bool = False
    """Accept KubeEdge's tokens too, with which any node may join, as often as it likes."""
    history_days: float = 30
    """How long readings are kept."""
    node_limit: int = 10_000
    """Nodes that may be connected at once."""
    store: Literal["tinydb", "sqlite"] = "sqlite"
    """What keeps nodes, models and devices."""


def load_cloud_settings(path: Path, *, required: bool = False) -> CloudServerSettings:
    """The settings in a file; the defaults where it need not be there and is not. CommandError with every mistake
    there is."""
    if not required and not path.exists():
        return CloudServerSettings()
    values, problems = read_settings(path, "cloud_settings.schema.json")
    if problems:
        raise CommandError("\n".join(map(str, problems)))
    return msgspec.convert(values, CloudServerSettings)
