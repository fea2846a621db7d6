"""Speaks for the twins of pods and node on the bus, as a mapper does for its devices: reports, and hears wishes."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable, Mapping
from functools import partial
from typing import NamedTuple, Self

from eventbus.device_side import DeviceSide, Reading
from eventbus.owned_task import OwnedTask
from twin.store import StoreError

__all__ = ["TwinFace"]

logger = logging.getLogger("edged")

RETRY = 5.0
"""Seconds after which wishes are taken up again that could not be noted."""

Fulfil = Callable[[str, Mapping[str, str]], Awaitable[Mapping[str, str]]]
"""Device id, its open wishes → what cannot be, and why. StoreError: not now."""


class _Said(NamedTuple):
    state: str
    values: Mapping[str, str]


class TwinFace:
    """`side` is entered already. `async with` begins to take up wishes."""

    def __init__(self, side: DeviceSide, fulfil: Fulfil) -> None:
        self._side = side
        self._fulfil = fulfil
        self._said: dict[str, _Said] = {}
        self._open: dict[str, Mapping[str, str]] = {}
        """Wishes to be taken up, the latest of each device."""
        self._told: dict[tuple[str, str], str] = {}
        """Wishes that were refused, so that each is logged once."""
        self._news = asyncio.Event()
        self._task: OwnedTask

    async def __aenter__(self) -> Self:
        self._task = OwnedTask(self._work(), "wishes for pods")
        await self._task.__aenter__()
        return self

    async def __aexit__(self, *exc: object) -> None:
        await self._task.__aexit__(*exc)

    def serve(self, device_ids: frozenset[str]) -> None:
        """Speak for these from now on, and no others. The hub knows them."""
        for device_id in self._said.keys() - device_ids:
            self._side.remove(device_id)
            del self._said[device_id]
            self._open.pop(device_id, None)
            self._told = {key: text for key, text in self._told.items() if key[0] != device_id}
        for device_id in sorted(device_ids - self._said.keys()):
            self._said[device_id] = _Said("", {})
            self._side.add(device_id, partial(self._hear, device_id))

    def report(self, device_id: str, state: str, values: Mapping[str, str]) -> None:
        """A device is like this; only what is new is said. One that is not served is passed over."""
        said = self._said.get(device_id)
        if said is None:
            return
        new = {name: value for name, value in values.items() if said.values.get(name) != value}
        self._said[device_id] = _Said(state, dict(values))
        if new:
            now = time.time_ns() // 1_000_000
            self._side.report(device_id, [Reading(name, value, now) for name, value in new.items()])
        if state != said.state:
            self._side.state(device_id, state)

    def _hear(self, device_id: str, wishes: Mapping[str, str]) -> None:
        if wishes:
            self._open[device_id] = dict(wishes)
            self._news.set()

    async def _work(self) -> None:
        while True:
            await self._news.wait()
            self._news.clear()
            while self._open:
                device_id, wishes = self._open.popitem()
                await self._take_up(device_id, wishes)

    async def _take_up(self, device_id: str, wishes: Mapping[str, str]) -> None:
        try:
            refused = await self._fulfil(device_id, wishes)
        except StoreError as error:
            logger.error("%s: its wishes cannot be noted, tried again in %g s: %s", device_id, RETRY, error)
            await asyncio.sleep(RETRY)
            if device_id in self._said:
                self._open.setdefault(device_id, wishes)
            return
        for name, why in refused.items():
            if self._told.get((device_id, name)) != wishes[name]:
                self._told[device_id, name] = wishes[name]
                logger.warning("%s: the wish %s = %.60r cannot be: %s", device_id, name, wishes[name], why)
