"""What is shown of the link."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from edgehub.channel import ChannelState
from edgehub.counts import Counts

__all__ = ["LinkStatistics"]


class LinkStatistics(NamedTuple):
    """As of one moment."""

    node: str
    channels: Mapping[str, ChannelState]
    in_contact: bool
    """Whether the link may be used."""
    outbox_depth: int
    """Changes that the cloud has not confirmed."""
    outbox_age: float
    """Seconds since the oldest of them was made."""
    folded: int
    """Changes that went into newer ones because the outbox was full or they were old, since it was made."""
    refused: int
    """Messages of the cloud that can never be used."""
    log_lines_waiting: int
    log_lines_dropped: int
    objects: int
    """Devices, models, Pods, ConfigMaps and Secrets that the cloud declared."""
    pending_wishes: int
    """Devices not served yet for which the cloud wishes something."""
    conditions: Mapping[str, str]
    """Key of a device of the cloud that is not served as it is declared now → why."""
    not_after: float
    """When the certificate expires, Unix seconds; 0 = not known."""
    counts: Counts
