"""The devices that pods are bound to: online here, away for a while, or gone."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from edged.wanted import BoundDevice

__all__ = ["Devices"]


class Devices:
    """What was last heard of each. A device nobody has spoken of yet is away from the first time it is asked for."""

    def __init__(self, patience: float, changed: Callable[[str], None]) -> None:
        """`patience`: seconds after which a device that is away is gone. `changed` hears of each that came, changed
        or is gone."""
        self._patience = patience
        self._changed = changed
        self._known: dict[str, BoundDevice] = {}
        self._gone: set[str] = set()
        self._leaving: dict[str, asyncio.TimerHandle] = {}

    def hear(self, device_id: str, device: BoundDevice | None) -> None:
        """It is online as this, or not any more."""
        if device is None:
            self._wait_for(device_id)
            return
        if timer := self._leaving.pop(device_id, None):
            timer.cancel()
        self._gone.discard(device_id)
        if self._known.get(device_id) != device:
            self._known[device_id] = device
            self._changed(device_id)

    def gone(self, device_id: str) -> bool:
        """It has been away for too long."""
        if device_id not in self._known:
            self._wait_for(device_id)
        return device_id in self._gone

    def known(self, device_id: str) -> BoundDevice | None:
        """What is known of one that is online, or has been a short while ago."""
        return self._known.get(device_id)

    def close(self) -> None:
        """Wait for nothing any more."""
        for timer in self._leaving.values():
            timer.cancel()
        self._leaving.clear()

    def _wait_for(self, device_id: str) -> None:
        if device_id not in self._leaving and device_id not in self._gone:
            loop = asyncio.get_running_loop()
            self._leaving[device_id] = loop.call_later(self._patience, self._give_up, device_id)

    def _give_up(self, device_id: str) -> None:
        del self._leaving[device_id]
        self._known.pop(device_id, None)
        self._gone.add(device_id)
        self._changed(device_id)
