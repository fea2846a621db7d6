"""Wishes of the cloud for devices that are not served yet: kept in the catalogue until they are."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from typing import Any

import msgspec

from edgehub.bad_content import BadContent
from twin.documents import MsgTwin
from twin.store import InvalidKeyError, InvalidValueError, Store

__all__ = ["PendingWishes", "Wishes"]

logger = logging.getLogger("edgehub")

PREFIX = "Cloud/Wish/"
MAX_DEVICES = 10_000

Wishes = dict[str, MsgTwin | None]


class PendingWishes:
    """By device id, the newest of each property. `recall` first."""

    def __init__(self, catalogue: Store) -> None:
        self._catalogue = catalogue
        self._wishes: dict[str, Wishes] = {}

    def __len__(self) -> int:
        return len(self._wishes)

    async def recall(self) -> None:
        """What the catalogue knows; an entry that this version cannot read is logged and left out."""
        for entry in await self._catalogue.list(PREFIX):
            try:
                self._wishes[entry.key.removeprefix(PREFIX)] = msgspec.convert(entry.value, Wishes)
            except msgspec.ValidationError as error:
                logger.warning("the catalogue's entry %s is not understood and left out: %s", entry.key, error)

    async def put(self, device_id: str, wishes: Mapping[str, MsgTwin | None]) -> None:
        """Durable on return. Raises `BadContent` or `StoreError`."""
        if device_id not in self._wishes and len(self._wishes) >= MAX_DEVICES:
            raise BadContent(f"wishes wait for {MAX_DEVICES:,} devices that are not here; these are dropped")
        merged = self._wishes.get(device_id, {}) | dict(wishes)
        value: dict[str, Any] = msgspec.to_builtins(merged)
        try:
            await self._catalogue.put(PREFIX + device_id, value)
        except (InvalidKeyError, InvalidValueError) as error:
            raise BadContent(str(error)) from None
        self._wishes[device_id] = merged

    async def forget(self, device_id: str) -> None:
        """They are carried out, or the device is gone."""
        if self._wishes.pop(device_id, None) is not None:
            await self._catalogue.delete(PREFIX + device_id)

    def of(self, served: Callable[[str], bool]) -> dict[str, Wishes]:
        """Those whose device is served now."""
        return {device_id: wishes for device_id, wishes in self._wishes.items() if served(device_id)}
