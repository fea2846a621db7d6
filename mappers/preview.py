"""Looking before running: which requests a set of devices will cost. Nothing is opened or sent.

The rows are plain, for a table or for JSON.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from device_models.model import Device
from mappers.mapper import Point
from mappers.protocols import PROTOCOLS, Protocol
from mappers.runner import Plan, links

LISTENED = "listens to"
"""Stands in the place of a request for what devices say by themselves."""


class PlannedRequest(NamedTuple):
    """One read request that a device gets in every period, or what is listened to."""

    link: str
    device: str
    period: float
    """Seconds; 0 for what is listened to."""
    request: str
    properties: tuple[str, ...]


def plan_rows(devices: Iterable[Device], protocols: Mapping[str, Protocol] = PROTOCOLS) -> list[PlannedRequest]:
    """Every request of every device. ConfigurationErrors when a device is wrong. Opens nothing."""
    devices = tuple(devices)
    return [row for protocol in dict.fromkeys(protocols.values()) for row in _rows_of(protocol, devices)]


def _rows_of(protocol: Protocol, devices: Sequence[Device]) -> list[PlannedRequest]:
    if not any(device.protocol in protocol.names for device in devices):
        return []  # and its library is not imported
    return [row for plan in links(protocol, devices).values() for row in _rows_of_link(plan)]


def _rows_of_link(plan: Plan) -> list[PlannedRequest]:
    due_together: dict[tuple[str, float], list[Point[Any, Any]]] = {}
    for point in plan.mapper.points:
        period = point.property.collect_cycle if plan.mapper.polls(point) else 0.0
        due_together.setdefault((point.device_id, period), []).append(point)
    return [
        row for (device_id, period), points in due_together.items() for row in _rows(plan, device_id, period, points)
    ]


def _rows(plan: Plan, device_id: str, period: float, points: Sequence[Point[Any, Any]]) -> Iterator[PlannedRequest]:
    if not period:
        yield PlannedRequest(plan.name, device_id, period, LISTENED, _names(points))
        return
    for batch in plan.mapper.plan(points):
        yield PlannedRequest(plan.name, device_id, period, plan.mapper.describe(batch), _names(batch.points))


def _names(points: Sequence[Point[Any, Any]]) -> tuple[str, ...]:
    return tuple(point.property.name for point in points)


def plan_text(devices: Iterable[Device], protocols: Mapping[str, Protocol] = PROTOCOLS) -> str:
    """The same for people: by link and device, with the sum of it all."""
    rows = plan_rows(devices, protocols)
    lines: list[str] = []
    link = device = ""
    for row in rows:
        if row.link != link:
            link, device = row.link, ""
            lines.append(link)
        if row.device != device:
            device = row.device
            lines.append(f"  {device}")
        how = f"every {row.period:g} s: {row.request}:" if row.period else row.request
        lines.append(f"    {how} {', '.join(row.properties)}")
    return "\n".join([*lines, _sum(rows)])


def _sum(rows: Sequence[PlannedRequest]) -> str:
    link_count, device_count = len({row.link for row in rows}), len({row.device for row in rows})
    polled = [row for row in rows if row.period]
    properties, a_second = sum(len(row.properties) for row in polled), sum(1 / row.period for row in polled)
    read = f"{properties} properties in {len(polled)} requests, {a_second:.4g} requests a second"
    listened = sum(len(row.properties) for row in rows) - properties
    heard = f"; {listened} are listened to" if listened else ""
    return f"{link_count} links, {device_count} devices: {read}{heard}"
