"""Looking before running: which requests a set of devices will cost, and what one device says right now.

Nothing is published. The rows are plain, for a table or for JSON.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

from device_models.model import Device
from mappers.asking import words
from mappers.channel import Channel
from mappers.configuration import timeout_of
from mappers.mapper import Failure, LinkLost, Mapper, NoAnswer, Point, Refused
from mappers.protocols import PROTOCOLS, Protocol
from mappers.runner import links

SILENT = "no answer in time"
MOST_SILENT = 2
"""Properties that are waited for in vain before a device is given up."""


class PlannedRequest(NamedTuple):
    """One read request that a device gets in every period."""

    link: str
    device: str
    period: float
    """Seconds."""
    request: str
    properties: tuple[str, ...]


class Probed(NamedTuple):
    """One property, read once."""

    property: str
    where: str
    """The request that read it."""
    raw: str
    """As the protocol had it; empty when there is none."""
    value: str | None
    """What the twin would show; None when it cannot be read."""
    quality: str
    reason: str
    decodings: Mapping[str, str]
    """What the raw value would be, read in other ways."""


def plan_rows(devices: Iterable[Device], protocols: Mapping[str, Protocol] = PROTOCOLS) -> list[PlannedRequest]:
    """Every request of every device. ConfigurationErrors when a device is wrong. Opens nothing."""
    devices = tuple(devices)
    return [row for protocol in protocols.values() for row in _rows_of(protocol, devices)]


def _rows_of(protocol: Protocol, devices: Sequence[Device]) -> list[PlannedRequest]:
    if not any(device.protocol == protocol.name for device in devices):
        return []  # and its library is not imported
    rows = []
    for plan in links(protocol, devices).values():
        due_together: dict[tuple[str, float], list[Point[Any, Any]]] = {}
        for point in plan.mapper.points:
            due_together.setdefault((point.device_id, point.property.collect_cycle), []).append(point)
        for (device_id, period), points in due_together.items():
            for batch in plan.mapper.plan(points):
                names = tuple(point.property.name for point in batch.points)
                rows.append(PlannedRequest(plan.name, device_id, period, plan.mapper.describe(batch), names))
    return rows


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
        lines.append(f"    every {row.period:g} s: {row.request}: {', '.join(row.properties)}")
    return "\n".join([*lines, _sum(rows)])


def _sum(rows: Sequence[PlannedRequest]) -> str:
    link_count, device_count = len({row.link for row in rows}), len({row.device for row in rows})
    properties, a_second = sum(len(row.properties) for row in rows), sum(1 / row.period for row in rows)
    read = f"{properties} properties in {len(rows)} requests, {a_second:.4g} requests a second"
    return f"{link_count} links, {device_count} devices: {read}"


async def probe(device: Device, protocols: Mapping[str, Protocol] = PROTOCOLS) -> list[Probed]:
    """Read each property of a device once. ConfigurationErrors when it is wrong, LinkLost when it cannot be
    reached; what is only wrong with one property stands in its row."""
    protocol = protocols.get(device.protocol)
    if protocol is None:
        raise LinkLost(f"{device.id} has the protocol {device.protocol}, which no mapper here speaks")
    found = []
    for plan in links(protocol, [device]).values():
        await _connect(plan.mapper, plan.name)
        try:
            for point in plan.mapper.points:
                found.append(await _probe(plan.mapper, point))
                if len(found) == MOST_SILENT and all(row.reason == SILENT for row in found):
                    raise LinkLost(f"{plan.name}: {device.id} does not answer")
        finally:
            await plan.mapper.close()
    return found


async def _connect(mapper: Mapper[Any, Any], name: str) -> None:
    try:
        async with asyncio.timeout(mapper.connect_patience):
            await mapper.connect()
    except (LinkLost, OSError) as error:
        await mapper.close()
        raise LinkLost(f"{name}: {words(error)}") from error


async def _probe(mapper: Mapper[Any, Any], point: Point[Any, Any]) -> Probed:
    channel = Channel(point, mapper.conversion_of(point))
    [batch] = mapper.plan([point])
    raw: Any = ""
    try:
        async with asyncio.timeout(timeout_of(point)):
            [raw] = await mapper.read(batch)
        reading = channel.accept(raw, 0)
        decodings = await mapper.decodings(point)
    except (NoAnswer, Refused, LinkLost, OSError) as error:
        reason = SILENT if isinstance(error, TimeoutError) else words(error)
        reading, decodings = channel.fail(reason), {}
    assert reading is not None
    shown = "" if isinstance(raw, (Failure, ValueError)) else raw.hex(" ") if isinstance(raw, bytes) else str(raw)
    where = mapper.describe(batch)
    return Probed(point.property.name, where, shown, reading.value, reading.quality, reading.reason, decodings)
