"""Who watches a registry is told the names of the nodes for which something may have changed."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager

__all__ = ["NodeChanges"]


class _Changes:
    """The names of nodes for one watcher: each at most once, however often it changes."""

    def __init__(self) -> None:
        self._nodes: dict[str, None] = {}
        self._any = asyncio.Event()

    def add(self, nodes: Iterable[str]) -> None:
        self._nodes.update(dict.fromkeys(nodes))
        if self._nodes:
            self._any.set()

    async def __aiter__(self) -> AsyncIterator[str]:
        while True:
            await self._any.wait()
            self._any.clear()
            nodes, self._nodes = self._nodes, {}
            for node in nodes:
                yield node


class NodeChanges:
    """To all who watch."""

    def __init__(self) -> None:
        self._watchers: set[_Changes] = set()

    @asynccontextmanager
    async def watch(self) -> AsyncIterator[AsyncIterator[str]]:
        """The names of nodes for which something may have changed, from now on."""
        changes = _Changes()
        self._watchers.add(changes)
        try:
            yield aiter(changes)
        finally:
            self._watchers.discard(changes)

    def tell(self, nodes: Iterable[str]) -> None:
        for watcher in self._watchers:
            watcher.add(nodes)
