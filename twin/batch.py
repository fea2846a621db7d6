"""What the next commit of the journal takes along."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import NamedTuple

from twin.documents import MsgTwin
from twin.outbox import Change

__all__ = ["Batch", "Durable", "StoredDevice"]

Durable = Callable[[Exception | None], None]
"""Called after the commit with None, or with the error that kept it from the disk."""


class StoredDevice(NamedTuple):
    """A member of this node as the journal has it."""

    id: str
    state: str
    last_online: str


@dataclass(slots=True)
class Batch:
    """Collected while the last commit is on its way to the disk."""

    changes: list[Change] = field(default_factory=list)
    newest: dict[str, dict[str, MsgTwin]] = field(default_factory=dict)
    """The last of the changes of each property."""
    quiet: list[tuple[str, str]] = field(default_factory=list)
    """(device, twins as in a change): values that are as they were, with newer times"""
    removed: set[str] = field(default_factory=set)
    """devices that leave, before anything else of this batch"""
    joined: dict[str, StoredDevice] = field(default_factory=dict)
    states: dict[str, StoredDevice] = field(default_factory=dict)
    digests: deque[bytes] = field(default_factory=deque)
    trim: int = 0
    identity: str = ""
    """The journal's new identity, where it gets one."""
    sending: bool = False
    """From now on numbers leave for the cloud."""
    waiting: list[Durable] = field(default_factory=list)

    @property
    def writes(self) -> bool:
        told = self.trim or self.identity or self.sending
        return bool(self.changes or self.quiet or self.removed or self.joined or self.states or told)

    def devices(self) -> dict[str, StoredDevice]:
        """Who joined or has a new state, as it is then."""
        return self.joined | self.states

    def lasting(self, failed: Batch) -> Batch:
        """What has to be stored of a batch that failed and of this one behind it: what nobody will ask for again."""
        joined = {device_id: d for device_id, d in failed.joined.items() if device_id not in self.removed}
        return Batch(
            removed=failed.removed | self.removed, joined=joined | self.joined, trim=max(failed.trim, self.trim)
        )
