"""Where a bus would be while memory is measured: takes all, keeps nothing, and knows who is online."""

from __future__ import annotations

import asyncio
import gc
import os
from collections.abc import Callable, Mapping, Sequence

from bench.processes import rss
from eventbus.device_side import Reading

WARM = 10
"""Devices that are connected before measuring begins, so that every module is loaded."""


class DeafSide:
    """Stands for a `DeviceSide`."""

    def __init__(self) -> None:
        self.online: set[str] = set()

    def add(self, device_id: str, on_wishes: Callable[[Mapping[str, str]], None]) -> None:
        pass

    def remove(self, device_id: str) -> None:
        pass

    def report(self, device_id: str, readings: Sequence[Reading]) -> None:
        pass

    def state(self, device_id: str, state: str) -> None:
        (self.online.add if state == "online" else self.online.discard)(device_id)

    def behind(self, _device_id: str) -> bool:
        return False


async def all_online(side: DeafSide, count: int) -> None:
    """Wait until so many devices are."""
    async with asyncio.timeout(60):
        while len(side.online) < count:
            await asyncio.sleep(0.1)


def resident() -> float:
    """Bytes of this process, once what is garbage is gone."""
    gc.collect()
    return rss(os.getpid())
