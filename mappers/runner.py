"""Runs a protocol's mappers: one link per endpoint, changed live, and only where something changed."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Hashable, Iterable
from typing import Any, NamedTuple, NoReturn, Self

from device_models.model import Device
from eventbus.device_side import DeviceSide
from mappers.configuration import AnyMapper, ConfigurationError, ConfigurationErrors, points_of
from mappers.link import LONGEST_DELAY, Link, LinkStatistics
from mappers.protocols import Protocol

log = logging.getLogger("mappers")


class Changes(NamedTuple):
    """What `apply` did, by the names of links."""

    started: tuple[str, ...]
    stopped: tuple[str, ...]
    kept: tuple[str, ...]


class Plan(NamedTuple):
    """One link to run."""

    name: str
    devices: tuple[Device, ...]
    mapper: AnyMapper


class _Running(NamedTuple):
    plan: Plan
    link: Link
    task: asyncio.Task[Any]


def links(protocol: Protocol, devices: Iterable[Device]) -> dict[Hashable, Plan]:
    """The links that these devices need, other protocols' left out. Opens nothing.

    ConfigurationErrors with all that is wrong in any device.
    """
    ours = [device for device in devices if device.protocol in protocol.names]
    by_id = {device.id: device for device in ours}
    points: dict[Hashable, list[Any]] = {}
    for point in points_of(protocol.mapper, ours):
        points.setdefault(protocol.mapper.link_of(point.config), []).append(point)
    plans: dict[Hashable, Plan] = {}
    errors: list[ConfigurationError] = []
    for key, on_link in points.items():
        device_ids = dict.fromkeys(point.device_id for point in on_link)
        try:
            mapper = protocol.mapper(on_link)
        except ValueError as error:
            errors.append(ConfigurationError(next(iter(device_ids)), "protocol.configData", str(error)))
        else:
            name = f"{protocol.name} {key}"
            plans[key] = Plan(name, tuple(by_id[device_id] for device_id in device_ids), mapper)
    if errors:
        raise ConfigurationErrors(errors)
    return plans


class MapperRunner:
    """`async with` runs the links of one protocol; devices of other protocols are ignored.

    ConfigurationErrors on entering, and from `apply`, when any device is wrong: then nothing was changed.
    """

    def __init__(self, protocol: Protocol, devices: Iterable[Device], side: DeviceSide) -> None:
        self._protocol = protocol
        self._devices = tuple(devices)
        self._side = side
        self._running: dict[Hashable, _Running] = {}
        self._tasks = asyncio.TaskGroup()

    async def __aenter__(self) -> Self:
        plans = links(self._protocol, self._devices)
        await self._tasks.__aenter__()
        for key, plan in plans.items():
            self._start(key, plan)
        return self

    async def __aexit__(self, *exc: object) -> None:
        await self._stop(list(self._running))
        await self._tasks.__aexit__(None, None, None)  # the caller's errors are no group of ours

    async def apply(self, devices: Iterable[Device]) -> Changes:
        """Go over to these devices. A link whose devices are all as before is not touched."""
        plans = links(self._protocol, devices)
        kept = [key for key, plan in plans.items() if self._runs(key, plan)]
        gone = [key for key in self._running if key not in kept]
        before = self._device_ids()
        stopped = [self._running[key].plan.name for key in gone]
        await self._stop(gone)
        started = [key for key in plans if key not in kept]
        for key in started:
            self._start(key, plans[key])
        for device_id in before - self._device_ids():
            self._side.remove(device_id)
        return Changes(tuple(plans[k].name for k in started), tuple(stopped), tuple(plans[k].name for k in kept))

    def statistics(self) -> dict[str, LinkStatistics]:
        """Per link, by name, since it was started."""
        return {running.plan.name: running.link.statistics() for running in self._running.values()}

    def _runs(self, key: Hashable, plan: Plan) -> bool:
        return key in self._running and self._running[key].plan.devices == plan.devices

    def _device_ids(self) -> set[str]:
        return {device.id for running in self._running.values() for device in running.plan.devices}

    def _start(self, key: Hashable, plan: Plan) -> None:
        link = Link(plan.name, plan.mapper, self._side)
        link.join()
        self._running[key] = _Running(plan, link, self._tasks.create_task(_keep(link), name=plan.name))

    async def _stop(self, keys: list[Hashable]) -> None:
        stopping = [self._running.pop(key).task for key in keys]
        for task in stopping:
            task.cancel()
        if stopping:
            await asyncio.wait(stopping)


async def _keep(link: Link) -> NoReturn:
    """A link that ends is a defect of ours; it must not end the others."""
    while True:
        try:
            await link.run()
        except Exception as error:
            log.error("%s: ended by a defect, beginning again", link.name, exc_info=error)
        await asyncio.sleep(LONGEST_DELAY)
