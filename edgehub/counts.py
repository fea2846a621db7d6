"""What the link counts, since the start of the process."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["Counts"]


@dataclass(slots=True)
class Counts:
    """Shared by all connections."""

    sent: int = 0
    """Changes that left, repeats included."""
    acknowledged: int = 0
    """Changes up to which the cloud has confirmed everything."""
    fresh: int = 0
    """Copies of newest values that were sent ahead."""
    unconfirmed: int = 0
    """Changes given up because a KubeEdge cloud does not confirm them."""
    received: int = 0
    """Messages of the cloud, its acknowledgements not counted."""
    unreadable: int = 0
    """Frames of the cloud that are none."""
    log_lines: int = 0
    """Log lines the cloud has confirmed."""
