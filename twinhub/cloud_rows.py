"""What a cloud knows, as rows of tables. Pure; `now` in Unix seconds."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime

from cloud_sync.api_forms import Condition, Device, Node, Reading, Twin
from twinhub.text import age, columns, printable
from twinhub.twin_rows import HEADER, RIGHT, row

__all__ = ["condition_lines", "device_table", "local_time", "node_table", "reading_table", "twin_lines"]


def node_table(nodes: Sequence[Node], now: float) -> list[str]:
    """The nodes, their links, and what waits for them."""
    header = ("NODE", "STATE", "SINCE", "LINKS", "DEVICES", "WAITING", "ADDRESS")
    return columns(header, [_node(node, now) for node in nodes], ("DEVICES", "WAITING"))


def _node(node: Node, now: float) -> tuple[str, ...]:
    links = "+".join(link.channel for link in node.links)
    waiting = sum(link.queue for link in node.links)
    oldest = max((link.oldest for link in node.links if link.queue), default=0.0)
    return (
        node.name,
        node.state,
        _ago(node.since, now),
        f"{links} (plain)" if links and node.plain else links,
        str(node.devices),
        f"{waiting} for {age(oldest)}" if waiting else "0",
        node.address,
    )


def device_table(devices: Sequence[Device], now: float) -> list[str]:
    """The devices, and below them what is wrong with any."""
    header = ("DEVICE", "NODE", "MODEL", "DECLARED", "STATE", "HEARD OF", "CONDITION")
    rows = [
        (
            device.id,
            device.node,
            device.model,
            "at the edge" if device.origin else "here",
            device.state or "unknown",
            _ago(device.received, now),
            ", ".join(condition.type for condition in device.conditions),
        )
        for device in devices
    ]
    troubles = (line for device in devices for line in condition_lines(device.id, device.conditions))
    return [*columns(header, rows), *troubles]


def condition_lines(subject: str, conditions: Iterable[Condition]) -> Iterator[str]:
    """One line for each condition, with what to do."""
    for condition in conditions:
        advice = f"; {condition.advice}" if condition.advice else ""
        yield printable(f"{subject}: {condition.type}: {condition.message}{advice}", longest=500)


def twin_lines(twin: Twin, now: float) -> Iterator[str]:
    """A twin as a table; below it, what is open, lost or wrong."""
    yield from columns(HEADER, [row(name, twin.twin[name], now) for name in sorted(twin.twin)], RIGHT)
    if twin.unmet:
        yield printable(f"not confirmed by {twin.node or 'any node'} yet: {', '.join(twin.unmet)}", 500)
    for lost in twin.lost:
        yield printable(
            f"{lost.property}: {lost.wanted}, wished here, gave way to {lost.kept}, set at the edge"
            f" ({_ago(lost.at, now)} ago)",
            500,
        )
    yield from condition_lines(twin.device, twin.conditions)


def reading_table(readings: Iterable[Reading]) -> list[str]:
    """Readings, oldest first, with the times when they were made."""
    rows = [
        (
            local_time(reading.source_time or reading.time),
            reading.value if reading.value is not None else "-",
            f"{reading.quality}: {reading.reason}" if reading.reason else reading.quality,
        )
        for reading in readings
    ]
    return columns(("TIME", "VALUE", "QUALITY"), rows, ("VALUE",))


def local_time(milliseconds: int) -> str:
    """`2026-03-01 14:05:09.120`, as the clock here shows it."""
    moment = datetime.fromtimestamp(milliseconds / 1000).astimezone()
    return moment.isoformat(sep=" ", timespec="milliseconds")[:23]


def _ago(milliseconds: int, now: float) -> str:
    return age(now - milliseconds / 1000) if milliseconds else "never"
