"""The catalogue's record of what is declared: what a hub falls back on, and which wishes are news.

Each device stands under `Device/<namespace>/<name>` as it was last applied, so that a hub whose manifests are
broken at its start goes on with the last good ones, and a wish in a manifest is imposed when it is new or edited
and never again over what somebody wished later.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable, Sequence
from typing import Any

import msgspec

from device_models import Device
from twin.store import Store

__all__ = ["Declared", "wishes"]

logger = logging.getLogger("twinhub")

PREFIX = "Device/"


class Declared:
    """What was applied last, in memory and in the catalogue."""

    def __init__(self, catalogue: Store) -> None:
        self._catalogue = catalogue
        self._devices: dict[str, Device] = {}

    async def recall(self) -> list[Device]:
        """The devices the catalogue knows; an entry that this version cannot read is logged and left out."""
        entries = await self._catalogue.list(PREFIX)
        devices = [_decode(entry.key, entry.value) for entry in entries]
        self._devices = {device.id: device for device in devices if device is not None}
        return list(self._devices.values())

    def news(self, devices: Iterable[Device]) -> dict[str, dict[str, str]]:
        """Device id → the wishes its manifest did not have when it was last applied."""
        found = {device.id: wishes(device, self._devices.get(device.id)) for device in devices}
        return {device_id: wanted for device_id, wanted in found.items() if wanted}

    async def remember(self, devices: Sequence[Device]) -> None:
        """These are applied now, and no others."""
        now = {device.id: device for device in devices}
        for device_id in self._devices.keys() - now.keys():
            await self._catalogue.delete(PREFIX + device_id)
        for device_id, device in now.items():
            if self._devices.get(device_id) != device:
                await self._catalogue.put(PREFIX + device_id, _encode(device))
        self._devices = now


def wishes(device: Device, before: Device | None) -> dict[str, str]:
    """Property → desired value, for those the manifest did not ask for before."""
    known = {p.name: p.desired for p in before.properties} if before else {}
    return {p.name: p.desired for p in device.properties if p.desired is not None and p.desired != known.get(p.name)}


def _encode(device: Device) -> dict[str, Any]:
    plain: dict[str, Any] = msgspec.json.decode(msgspec.json.encode(device))
    return plain


def _decode(key: str, value: dict[str, Any]) -> Device | None:
    try:
        return msgspec.convert(value, Device)
    except msgspec.ValidationError as error:
        logger.warning("the catalogue's entry %s is not understood and left out: %s", key, error)
        return None
