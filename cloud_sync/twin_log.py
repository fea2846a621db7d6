"""The cloud's memory of twins: what each is now, what it was, and what people want of it.

A log is shared by all connections of one cloud, and may be shared by several cloud processes: nothing that counts is
kept in one process alone. What a method has returned from is durable.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple, Self

from twin.documents import DeviceState, MsgTwin, Quality

__all__ = ["Change", "Latest", "LostWish", "Reading", "TwinLog", "TwinLogError"]


class TwinLogError(Exception):
    """The log cannot be used; the message says what to do."""


class Change(NamedTuple):
    """One report of an edge."""

    seq: int
    """Its number in the edge's journal; 0 = it has none (the plain wire, or a copy sent ahead of its turn)."""
    device: str
    body: Mapping[str, MsgTwin] | DeviceState
    """Properties with versions where the edge sent them, or what the device says of itself."""


class Latest(NamedTuple):
    """What a twin is now."""

    device: str
    node: str
    twin: Mapping[str, MsgTwin]
    """With versions; deleted properties are not in it."""
    state: DeviceState | None
    received: int
    """When the cloud heard of it last, Unix milliseconds; 0 = never."""
    unmet: frozenset[str] = frozenset()
    """Properties whose desired value the edge has not confirmed yet."""


class Reading(NamedTuple):
    """One reported value that was."""

    time: int
    """When the edge received it, Unix milliseconds."""
    source_time: int
    """When the device was read; 0 = not said."""
    quality: Quality
    value: str | None
    reason: str = ""


class LostWish(NamedTuple):
    """A desired value set in the cloud that gave way to one set at the edge at the same time."""

    property: str
    wanted: str
    kept: str
    at: int
    """When the cloud learned of it, Unix milliseconds."""


class TwinLog(ABC):
    """Open with `async with`. Every method raises `TwinLogError` when the log cannot be used."""

    @abstractmethod
    async def __aenter__(self) -> Self: ...

    @abstractmethod
    async def __aexit__(self, *exc: object) -> None: ...

    @abstractmethod
    async def cursor(self, node: str, journal: str) -> int:
        """The highest number of this journal of this node that is safe here; 0 = none."""

    @abstractmethod
    async def take(self, node: str, journal: str, changes: Sequence[Change], *, history: bool = True) -> None:
        """Take reports, in order. Those numbered at or below the cursor are known already and passed over; each other
        one goes to the history (unless `history` is false), and to the latest twin where it is newer by its version.

        The first report of a new journal means that the edge began anew: its versions are believed from there on.
        Concurrent calls share a commit; calls for one node are committed in the order made.
        """

    @abstractmethod
    async def wish(self, node: str, device: str, values: Mapping[str, str]) -> Mapping[str, MsgTwin]:
        """Set desired values, each one version of the cloud up; what to send to the edge, by property."""

    @abstractmethod
    async def open_wishes(self, devices: Iterable[str]) -> Mapping[str, Mapping[str, MsgTwin]]:
        """Of these devices, the desired values the edge has not confirmed: device → property → what to send."""

    @abstractmethod
    async def confirm(self, device: str, sent: Mapping[str, MsgTwin]) -> None:
        """The edge has these wishes durably (unless newer ones were set meanwhile, which stay open)."""

    @abstractmethod
    async def lost_wishes(self, device: str) -> Sequence[LostWish]:
        """The last ten wishes of the device that lost against the edge, newest first."""

    @abstractmethod
    async def rehome(self, device: str, node: str) -> None:
        """The device lives at another node now: versions start anew, and all its desired values are open again."""

    @abstractmethod
    async def forget(self, device: str) -> None:
        """The device is gone: its twin and its wishes go, its readings stay until they are too old."""

    @abstractmethod
    async def latest(self, devices: Iterable[str]) -> Mapping[str, Latest]:
        """What these devices' twins are now; a device never heard of is missing."""

    @abstractmethod
    async def readings(
        self, device: str, name: str, *, since: int, until: int, limit: int = 1000
    ) -> Sequence[Reading]:
        """The readings with since ≤ time < until (Unix ms), by time, those of one moment in the order they were made,
        at most `limit`."""

    @abstractmethod
    async def at(self, device: str, name: str, time: int) -> Reading | None:
        """What the property was at that time: the last reading made at or before it."""
