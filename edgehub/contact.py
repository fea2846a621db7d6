"""Whether the link to the cloud may be used, as a property of a twin says: that a satellite is over a ground station,
a ship has its antenna up, or a metered modem is allowed to dial."""

from __future__ import annotations

import asyncio
import logging

from twin.keeper import Keeper

__all__ = ["OUT_OF_CONTACT", "Contact"]

logger = logging.getLogger("edgehub")

OUT_OF_CONTACT = "out of contact"


class Contact:
    """On while the property is reported true, and not of bad quality. `begins` and `ends` are waited for in turn."""

    def __init__(self, keeper: Keeper, device_id: str, name: str) -> None:
        self.on = False
        """May be read from any thread."""
        self._keeper = keeper
        self._place = device_id, name
        self._name = f"{device_id}/{name}"
        self._news = asyncio.Event()
        keeper.watch(device_id, self._news.set)

    async def begins(self) -> None:
        """Returns at once where it has begun."""
        if not self._reported():
            self._tell_of_waiting()
        await self._until(True)
        logger.info("in contact (%s): the link to the cloud may be used", self._name)

    async def ends(self) -> None:
        """Returns at once where it has ended."""
        await self._until(False)

    def _tell_of_waiting(self) -> None:
        device_id, name = self._place
        device = self._keeper.device(device_id)
        if device and (name in (self._keeper.get(device_id) or {}) or any(p.name == name for p in device.properties)):
            logger.info("out of contact (%s): the link to the cloud rests", self._name)
        else:
            lacking = f"this edge has no {f'property {name} of ' if device else ''}device {device_id}"
            logger.warning("the cloud is not called until %s is true, but %s; see cloud.contact", self._name, lacking)

    async def _until(self, on: bool) -> None:
        while True:
            self._news.clear()
            self.on = self._reported()
            if self.on is on:
                return
            await self._news.wait()

    def _reported(self) -> bool:
        device_id, name = self._place
        twin = (self._keeper.get(device_id) or {}).get(name)
        if twin is None or twin.actual is None:
            return False
        bad = twin.actual.metadata is not None and twin.actual.metadata.quality == "bad"
        return twin.actual.value == "true" and not bad
