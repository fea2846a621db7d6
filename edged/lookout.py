"""Looks at the engine, one for all who want one at the same time."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping

from edged.runtime import Runtime
from edged.sight import Sight, by_pod

__all__ = ["Lookout"]


class Lookout:
    """What is ours on the engine, as it was seen last."""

    def __init__(self, runtime: Runtime, node: str, seen: Callable[[frozenset[str]], None]) -> None:
        """`seen` is told after a look what pods look otherwise than before."""
        self._runtime = runtime
        self._node = node
        self._seen = seen
        self._turn = asyncio.Lock()
        self._begun = 0
        self._ended = 0
        self._sights: Mapping[str, Sight] = {}

    def of(self, pod_id: str) -> Sight:
        """One pod."""
        return self._sights.get(pod_id, Sight())

    def pods(self) -> frozenset[str]:
        """All of which there is something."""
        return frozenset(self._sights)

    def next(self) -> int:
        """The number of the first look that begins after now."""
        return self._begun + 1

    async def look(self, number: int | None = None) -> None:
        """Returns after a look that began after this call, or after that of this number. RuntimeUnavailable."""
        wanted = number or self.next()
        async with self._turn:
            if self._ended >= wanted:
                return
            self._begun += 1
            sights = by_pod(await self._runtime.found(self._node))
            self._ended = self._begun
            before, self._sights = self._sights, sights
        self._seen(frozenset(pod for pod in before.keys() | sights.keys() if before.get(pod) != sights.get(pod)))
