"""Which nodes are connected, written to the registry: of each node the newest, one write at a time.

A thousand edges that come at once wait for none of these writes.
"""

from __future__ import annotations

import asyncio
import logging
from typing import NamedTuple

from cloud_sync.registry import Registry
from twin.store import StoreError

__all__ = ["Presence"]

logger = logging.getLogger("cloud_sync")
_AGAIN = 5.0


class _Seen(NamedTuple):
    connected: bool
    plain: bool
    address: str


class Presence:
    """Call `run` in a task."""

    def __init__(self, registry: Registry) -> None:
        self._registry = registry
        self._news: dict[str, _Seen] = {}
        self._any = asyncio.Event()

    def seen(self, node: str, *, connected: bool, plain: bool, address: str) -> None:
        """The node has come, or gone."""
        self._news[node] = _Seen(connected, plain, address)
        self._any.set()

    async def run(self) -> None:
        """Write what is new, for as long as the server runs."""
        failing = False
        while True:
            await self._any.wait()
            try:
                await self.flush()
            except StoreError as error:
                if not failing:
                    logger.error("which nodes are connected cannot be written: %s", error)
                failing = True
                await asyncio.sleep(_AGAIN)
            else:
                failing = False

    async def flush(self) -> None:
        """Write what is new now. Raises `StoreError`, and keeps what is not written."""
        while self._news:
            node, seen = next(iter(self._news.items()))
            if (
                self._registry.node(node) is None
            ):  # its certificate is ours: it has enrolled before the store was lost
                await self._registry.add_node(node)
            await self._registry.presence(node, connected=seen.connected, plain=seen.plain, address=seen.address)
            if self._news.get(node) == seen:
                del self._news[node]
        self._any.clear()
