"""What edge and cloud say of the same devices, side by side."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import NamedTuple

from edged import node_twin
from edged.pod_names import pod_of
from eventbus import topics
from twin.documents import MsgTwin
from twinhub.client import Message, TwinClient
from twinhub.cloud_client import CloudClient
from twinhub.text import age, columns, printable
from twinhub.twin_rows import row
from twinhub.view import View, filters

HEADER = ("DEVICE", "PROPERTY", "UNIT", "EDGE", "DESIRED", "QUALITY", "AGE", "CLOUD", "DESIRED THERE")
RIGHT = ("EDGE", "DESIRED", "AGE", "CLOUD", "DESIRED THERE")
CLOUD_EVERY = 0.5  # s between two questions to the cloud; the edge's changes come by themselves
NOTHING = MsgTwin()

Place = tuple[str, str]  # device id, property
OF_PODS = ("phase", "reason", "restarts")
"""What is shown of a pod's twin; the rest is for `twinhub describe`."""


class Recorded(NamedTuple):
    """One reported value: when the edge received it (Unix milliseconds), and what it was."""

    time: int
    value: str | None


class BothEnds:
    """Kept up to date by `follow`."""

    def __init__(self, edge: TwinClient, cloud: CloudClient) -> None:
        self._edge, self._cloud = edge, cloud
        self._view = View()
        self._in_cloud: Mapping[str, Mapping[str, MsgTwin]] = {}
        self._ask_at = 0.0
        self._record: dict[Place, list[Recorded]] | None = None
        edge.subscribe(filters(None))
        for device in edge.devices():
            self._view.put(device.id, edge.twin(device.id))
        self._narrow()

    def follow(self, seconds: float) -> None:
        """Listen for so long."""
        for message in self._edge.messages(seconds):
            self._feed(message)
        self._narrow()
        if time.monotonic() >= self._ask_at:
            self._ask_at = time.monotonic() + CLOUD_EVERY
            self._in_cloud = {twin.device: twin.twin for twin in self._cloud.twins()}

    def wish(self, place: Place, value: str) -> None:
        """Set a desired value in the cloud."""
        self._cloud.wish(place[0], {place[1]: value})
        self._ask_at = 0.0

    # ---- the comparison

    def rows(self, now: float) -> list[tuple[str, ...]]:
        """The cells under `HEADER`; `now` in Unix seconds. Age: since the edge heard of it."""
        return [
            self._row((device, name), twin, now)
            for device, twins in sorted(self._view.twins.items())
            for name, twin in sorted(twins.items())
        ]

    def table(self, now: float) -> list[str]:
        """Lines, the header first; each device's name once."""
        rows = self.rows(now)
        devices = [cells[0] for cells in rows]
        shown = ["" if n and devices[n - 1] == device else device for n, device in enumerate(devices)]
        return columns(HEADER, [(device, *cells[1:]) for device, cells in zip(shown, rows, strict=True)], RIGHT)

    def sides(self, place: Place) -> tuple[MsgTwin, MsgTwin]:
        """What the edge knows, and what the cloud knows."""
        device, name = place
        return self._view.twins.get(device, {}).get(name, NOTHING), self._in_cloud.get(device, {}).get(name, NOTHING)

    def reported(self, place: Place) -> tuple[str | None, str | None]:
        """The value at the edge, and in the cloud."""
        at_edge, in_cloud = self.sides(place)
        return _value(at_edge), _value(in_cloud)

    def agree(self) -> bool:
        """Whether the cloud shows every value that the edge shows."""
        places = [(device, name) for device, twins in self._view.twins.items() for name in twins]
        return all(edge == cloud for edge, cloud in map(self.reported, places))

    def _row(self, place: Place, twin: MsgTwin, now: float) -> tuple[str, ...]:
        name, value, unit, desired, quality, heard = row(place[1], twin, now)
        _, there, _, desired_there, *_ = row(name, self._in_cloud.get(place[0], {}).get(name, NOTHING), now)
        return place[0], name, unit, value, desired, quality, heard, there, desired_there

    # ---- the record

    def record(self) -> None:
        """From now on keep every new value of the edge."""
        self._record = {}

    def recorded(self) -> dict[Place, list[Recorded]]:
        """What was recorded; recording ends."""
        found, self._record = self._record or {}, None
        return found

    def history(self, place: Place, since: int, until: int) -> list[Recorded]:
        """What the cloud knows of that time (Unix milliseconds, `until` included), in its order."""
        readings = self._cloud.readings(*place, since=since, until=until + 1)
        return [Recorded(reading.time, reading.value) for reading in readings]

    def _feed(self, message: Message) -> None:
        device = topics.device_of(message.topic, topics.TWIN_DOCUMENT)
        before = dict(self._view.twins.get(device or "", {}))
        self._view.feed(message)
        if self._record is None or device is None or pod_of(device) or is_node(device):
            return
        for name, twin in self._view.twins.get(device, {}).items():
            actual = twin.actual
            if actual and actual.metadata and _value(twin) != _value(before.get(name, NOTHING)):
                self._record.setdefault((device, name), []).append(Recorded(actual.metadata.timestamp, actual.value))

    def _narrow(self) -> None:
        """To what is looked at: of the plant all, of pods a little, of the node nothing."""
        for device, twins in list(self._view.twins.items()):
            if is_node(device):
                del self._view.twins[device]
            elif pod_of(device):
                self._view.twins[device] = {name: twins[name] for name in OF_PODS if name in twins}


def is_node(device: str) -> bool:
    return device.partition("/")[2].startswith(node_twin.PREFIX)


def line(cells: tuple[str, ...]) -> str:
    """A row as one line of text, without its age."""
    device, name, unit, value, desired, quality, _, there, desired_there = map(printable, cells)
    edge = f"{device}  {name}  {f'{value} {unit}'.rstrip()}  {quality}{f'  desired {desired}' if desired else ''}"
    return f"{edge}  | cloud  {there}{f'  desired {desired_there}' if desired_there else ''}"


def seconds(since: float) -> str:
    """How long that is ago, by the monotonic clock."""
    return age(time.monotonic() - since)


def _value(twin: MsgTwin) -> str | None:
    return twin.actual.value if twin.actual else None
