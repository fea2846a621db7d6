"""What can be set on the cloud end of the link: limits, time-outs, paces. The defaults work."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["HubSettings"]


@dataclass(frozen=True, slots=True)
class HubSettings:
    """All times in seconds."""

    node_limit: int = 10_000
    """Nodes connected to this process; a further one is told to try again later."""
    compression: bool = True
    """Offer permessage-deflate to twinhub edges, without a context that would cost memory between frames."""
    keepalive: float = 30.0
    """A plain connection ends that long after its last keepalive message."""
    ping_interval: float = 20.0
    """A twinhub edge is pinged so often, and must answer within `ping_timeout`."""
    ping_timeout: float = 10.0
    open_timeout: float = 30.0
    """For TLS, and then for the WebSocket handshake: long enough for a thousand edges that come at once."""
    close_timeout: float = 2.0
    send_timeout: float = 30.0
    """A peer that does not read for so long is cut."""
    handshakes: int = 64
    """Handshakes that look into the store at the same time; the others wait."""
    backlog: int = 4_096
    """Connections the system keeps until they are accepted."""
    resend_after: float = 5.0
    """On the plain wire, as KubeEdge does."""
    resend_after_ours: float = 30.0
    """A twinhub edge acknowledges when something is durable: that it is slow does not mean that it got lost."""
    attempts: int = 5
    """A message that is not acknowledged is sent so often before it goes to the end of the queue."""
    window: int = 64
    """Messages on their way to a twinhub edge without an acknowledgement; to a plain edge it is one."""
    queue_limit: int = 10_000
    """Messages that wait for one edge at a time; what else it is to be brought stays in the registry."""
    reread: float = 5.0
    """Within this time a wish is noticed that another process of the cloud has set."""
    declared_limit: int = 50_000
    """Objects one edge may declare."""
    patience: float = 10.0
    """A report of an unknown device waits so long for the edge to declare it."""
