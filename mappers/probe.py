"""What one device says right now, property by property. Nothing is published."""

from __future__ import annotations

import asyncio
import math
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any, NamedTuple

from device_models.model import Device
from mappers.asking import LOST, words
from mappers.channel import Channel
from mappers.configuration import silence_of, timeout_of
from mappers.mapper import Failure, LinkLost, Mapper, NoAnswer, Point, Raw, Refused, Sample
from mappers.preview import LISTENED
from mappers.protocols import PROTOCOLS, Protocol
from mappers.runner import Plan, links

SILENT = "no answer in time"
ONLY_SET = "it can only be set"
MOST_SILENT = 2
"""Properties that are asked for in vain before a device is given up."""
SHORTEST_EAR, LONGEST_EAR = 5.0, 60.0
"""Seconds that are listened for what a device says by itself; between them, its `silence`."""


class Probed(NamedTuple):
    """One property, read or heard once."""

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


async def probe(device: Device, protocols: Mapping[str, Protocol] = PROTOCOLS) -> list[Probed]:
    """Read each property of a device once, or hear it from itself. ConfigurationErrors when it is wrong, LinkLost
    when it cannot be reached; what is only wrong with one property stands in its row."""
    protocol = protocols.get(device.protocol)
    if protocol is None:
        raise LinkLost(f"{device.id} has the protocol {device.protocol}, which no mapper here speaks")
    found: list[Probed] = []
    for plan in links(protocol, [device]).values():
        async with _connected(plan) as overheard:
            for point in plan.mapper.points:
                found.append(await _probe(plan.mapper, point, overheard))
                if len(found) == MOST_SILENT and all(row.reason == SILENT for row in found):
                    raise LinkLost(f"{plan.name}: {device.id} does not answer")
    return found


class _Overheard:
    """The `Listening` of a probe: what was said last, by point."""

    def __init__(self) -> None:
        self._values: dict[Point[Any, Any], Raw] = {}
        self._news = asyncio.Event()
        self._lost = ""
        self._began = asyncio.get_running_loop().time()

    async def listen(self, mapper: Mapper[Any, Any]) -> None:
        """Let the mapper listen until it is cancelled, or the link is lost."""
        try:
            await mapper.listen(self)
        except LOST as error:
            self._lost = words(error)
            self._news.set()

    def deliver(self, values: Mapping[Point[Any, Any], Raw]) -> None:
        self._values.update(values)
        self._news.set()

    def silent(self, device_id: str, reason: str) -> None:
        """It may speak yet, within the time that is listened."""

    async def of(self, point: Point[Any, Any]) -> Raw:
        """What it says of a point. TimeoutError when nothing in time, LinkLost when it cannot be heard any more."""
        async with asyncio.timeout_at(self._began + _patience(point)):
            while point not in self._values:
                if self._lost:
                    raise LinkLost(self._lost)
                self._news.clear()
                await self._news.wait()
        return self._values[point]


def _patience(point: Point[Any, Any]) -> float:
    silence = silence_of(point)
    return SHORTEST_EAR if silence == math.inf else min(max(SHORTEST_EAR, silence), LONGEST_EAR)


@asynccontextmanager
async def _connected(plan: Plan) -> AsyncIterator[_Overheard]:
    """The link is made, and listened to, until the context ends. LinkLost when it cannot be made."""
    mapper = plan.mapper
    overheard = _Overheard()
    try:
        try:
            async with asyncio.timeout(mapper.connect_patience):
                await mapper.connect()
        except (LinkLost, OSError) as error:
            raise LinkLost(f"{plan.name}: {words(error)}") from error
        listening = asyncio.create_task(overheard.listen(mapper), name=plan.name)
        try:
            yield overheard
        finally:
            listening.cancel()
            await asyncio.gather(listening, return_exceptions=True)
    finally:
        await mapper.close()


async def _probe(mapper: Mapper[Any, Any], point: Point[Any, Any], overheard: _Overheard) -> Probed:
    channel = Channel(point, mapper.conversion_of(point))
    raw: Any = ""
    where = LISTENED
    try:
        if mapper.readable(point):
            [batch] = mapper.plan([point])
            where = mapper.describe(batch)
            async with asyncio.timeout(timeout_of(point)):
                [raw] = await mapper.read(batch)
        elif mapper.polls(point):
            raw = Failure(ONLY_SET)
        else:
            raw = await overheard.of(point)
        reading = channel.accept(raw, 0)
        decodings = await mapper.decodings(point)
    except (NoAnswer, Refused, LinkLost, OSError) as error:
        reason = SILENT if isinstance(error, TimeoutError) else words(error)
        reading, decodings = channel.fail(reason), {}
    assert reading is not None
    shown = _shown(raw)
    return Probed(point.property.name, where, shown, reading.value, reading.quality, reading.reason, decodings)


def _shown(raw: Any) -> str:
    if isinstance(raw, Sample):
        raw = raw.value
    if isinstance(raw, (Failure, ValueError)):
        return ""
    return raw.hex(" ") if isinstance(raw, bytes) else str(raw)
