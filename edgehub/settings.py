"""What can be set of the link to the cloud."""

from __future__ import annotations

from typing import NamedTuple

__all__ = ["LinkSettings"]


class LinkSettings(NamedTuple):
    """All times in seconds."""

    compression: bool = True
    """Compress what goes over the link, where the cloud can."""
    drain_rate: float = 20_000.0
    """Changes a second of a backlog at most."""
    ping_seconds: float = 10.0
    """Between two pings, at least 1; a link that leaves one unanswered for as long again is taken for broken."""
    keepalive: float = 15.0
    """Between two keepalives on the hub channel; KubeEdge's cloud ends a connection after 30 s without one."""
    connect_timeout: float = 10.0
    first_pause: float = 1.0
    """The longest pause before the first attempt after a loss; it doubles with every attempt that fails."""
    longest_pause: float = 15.0
    fresh: float = 0.5
    """When the readings lag by so much, the newest values are sent ahead of them, so often."""
    logs: bool = True
    """Send the hub's log lines."""
    contact: tuple[tuple[str, str], ...] = ()
    """Properties (device id, name): the cloud is called only while one of them is reported true. Empty = always."""
    log_idle: float = 30.0
    """The stream channel is closed after so long without a line."""
