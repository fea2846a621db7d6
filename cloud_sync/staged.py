"""What an open twin log has taken and not yet written."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from typing import Any

from cloud_sync.known_twins import KnownTwin
from cloud_sync.twins_at_hand import StagedProperty

__all__ = ["Staged"]


@dataclass(slots=True)
class Staged:
    """What the next commit takes along."""

    twins: dict[str, KnownTwin] = field(default_factory=dict)
    properties: dict[int, StagedProperty] = field(default_factory=dict)
    readings: list[tuple[Any, ...]] = field(default_factory=list)
    cursors: dict[tuple[str, str], int] = field(default_factory=dict)
    lost: list[tuple[object, ...]] = field(default_factory=list)
    forgotten: list[tuple[str]] = field(default_factory=list)
    waiting: list[asyncio.Future[None]] = field(default_factory=list)

    def concerns(self, twin: KnownTwin) -> bool:
        """Whether something of this device is still to be written."""
        return twin.name in self.twins or any(known.id in self.properties for known in twin.properties.values())
