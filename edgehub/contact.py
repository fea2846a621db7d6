"""Whether the link to the cloud may be used, as properties of twins say: that a satellite is over a ground station,
a ship has its antenna up, or a metered modem is allowed to dial."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Sequence

from twin.keeper import Keeper

__all__ = ["OUT_OF_CONTACT", "Contact"]

logger = logging.getLogger("edgehub")

OUT_OF_CONTACT = "out of contact"


class Contact:
    """On while one of the properties is reported true, and not of bad quality. `begins` and `ends` are waited for in
    turn."""

    def __init__(self, keeper: Keeper, places: Sequence[tuple[str, str]]) -> None:
        """`places`: device id and name of each property."""
        self.on = False
        """May be read from any thread."""
        self._keeper = keeper
        self._places = places
        self._news = asyncio.Event()
        for device_id, _ in places:
            keeper.watch(device_id, self._news.set)

    async def begins(self) -> None:
        """Returns at once where it has begun."""
        if not self._reported():
            for place in self._places:
                self._tell_if_unknown(*place)
            logger.info("out of contact (%s): the link to the cloud rests", ", ".join(map("/".join, self._places)))
        await self._until(True)
        logger.info("in contact (%s): the link to the cloud may be used", "/".join(self._reported()))

    async def ends(self) -> None:
        """Returns at once where it has ended."""
        await self._until(False)

    async def _until(self, on: bool) -> None:
        while True:
            self._news.clear()
            self.on = bool(self._reported())
            if self.on is on:
                return
            await self._news.wait()

    def _reported(self) -> tuple[str, ...]:
        """The property that says so; empty = none."""
        return next((place for place in self._places if self._is_true(*place)), ())

    def _is_true(self, device_id: str, name: str) -> bool:
        twin = (self._keeper.get(device_id) or {}).get(name)
        if twin is None or twin.actual is None:
            return False
        bad = twin.actual.metadata is not None and twin.actual.metadata.quality == "bad"
        return twin.actual.value == "true" and not bad

    def _tell_if_unknown(self, device_id: str, name: str) -> None:
        device = self._keeper.device(device_id)
        if device and (name in (self._keeper.get(device_id) or {}) or any(p.name == name for p in device.properties)):
            return
        lacking = f"this edge has no {f'property {name} of ' if device else ''}device {device_id}"
        logger.warning("cloud.contact names %s/%s, but %s", device_id, name, lacking)
