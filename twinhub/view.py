"""What a watcher knows of the twins, kept up to date from the documents the hub publishes. Pure.

A document comes for every update, also for an equal reading, whose age it renews; it carries each property whole.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from eventbus import topics
from twin.documents import MsgTwin, TwinDocument
from twinhub.client import Message, decode
from twinhub.text import columns
from twinhub.twin_rows import HEADER, RIGHT, row

__all__ = ["Change", "View", "filters"]

_NO_DOCUMENT = TwinDocument("", 0, {})


class Change(NamedTuple):
    """A property that reads differently now; `twin` is None when it was deleted."""

    device: str
    name: str
    twin: MsgTwin | None


def filters(device: str | None) -> list[str]:
    """What to subscribe to: the documents of one device, or of all."""
    return [topics.of_device(device or "+/+", topics.TWIN_DOCUMENT)]


class View:
    """All twins a watcher has heard of."""

    def __init__(self) -> None:
        self.twins: dict[str, dict[str, MsgTwin]] = {}

    def put(self, device: str, twin: dict[str, MsgTwin]) -> None:
        """A twin as the hub gave it when asked."""
        self.twins[device] = dict(twin)

    def feed(self, message: Message) -> list[Change]:
        """Take a message in; what a reader would see change by it."""
        device = topics.device_of(message.topic, topics.TWIN_DOCUMENT)
        if device is None:
            return []
        document = decode(message.payload, TwinDocument, _NO_DOCUMENT)
        return [c for name, change in document.twin.items() for c in self._replace(device, name, change.current)]

    def lines(self, now: float) -> list[str]:
        """Everything as one table; `now` in Unix seconds."""
        rows = [
            (device if first else "", *row(name, twin[name], now))
            for device, twin in sorted(self.twins.items())
            for first, name in _marked(sorted(twin))
        ]
        return columns(("DEVICE", *HEADER), rows, RIGHT)

    def _replace(self, device: str, name: str, twin: MsgTwin | None) -> Iterator[Change]:
        properties = self.twins.setdefault(device, {})
        before = properties.pop(name, None)
        if twin is not None:
            properties[name] = twin
        if _reading(before) != _reading(twin):
            yield Change(device, name, twin)


def _marked(names: list[str]) -> Iterator[tuple[bool, str]]:
    """Each name, and whether it is the first."""
    return ((i == 0, name) for i, name in enumerate(names))


def _reading(twin: MsgTwin | None) -> tuple[str, ...] | None:
    """What a reader sees of a twin, its age apart."""
    return None if twin is None else row("", twin, 0)[:-1]
