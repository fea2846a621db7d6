"""A `Store`, and an index of what stands in it: whoever has written through this finds it in the index.

The index changes by the events of the store and by reading all of it, in the order of the store: what was deleted
cannot come back by an event that is late. Of what other processes write no event tells; it is found when a write is
refused because of it.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Callable, Iterable, Iterator
from contextlib import AsyncExitStack, contextmanager
from typing import Any, Self

from cloud_sync.index import PREFIXES, Index
from twin.store import Event, Lost, Store, StoreError

__all__ = ["ATTEMPTS", "IndexedStore"]

logger = logging.getLogger("cloud_sync")

ATTEMPTS = 5
"""How often a write is decided anew because another one came first."""
AGAIN = 1.0
"""Seconds between two attempts to read everything."""


class IndexedStore:
    """Open with `async with`, over an open store. Every method that reads or writes raises `StoreError` when it
    cannot, and what it could not write is in no index."""

    def __init__(self, store: Store, tell: Callable[[Iterable[str]], None]) -> None:
        """`tell` is called with the names of the nodes for which something may have changed."""
        self._store, self._tell = store, tell
        self.index = Index()
        self._reached = 0
        """The version of the last write that is in the index."""
        self._awaited: list[tuple[str, int, asyncio.Future[None]]] = []
        """(key, version; 0 = its delete): writes of ours that are not in the index yet."""
        self._meanwhile: list[Event] | None = None
        """What happened since it began to read everything."""
        self._reading = asyncio.Lock()
        self._opened = AsyncExitStack()

    async def __aenter__(self) -> Self:
        async with AsyncExitStack() as opening:
            events = await opening.enter_async_context(self._store.watch())
            await self._read_all()
            self._follower = asyncio.create_task(self._follow(events), name="registry")
            self._opened = opening.pop_all()
        return self

    async def __aexit__(self, *exc: object) -> None:
        self._follower.cancel()
        await asyncio.gather(self._follower, return_exceptions=True)
        await self._opened.aclose()

    # ---- writing

    async def put(self, key: str, value: dict[str, Any], version: int | None) -> None:
        """As `Store.put`."""
        written = await self._store.put(key, value, version=version)
        if written > self._reached and not self._follower.done():
            with self._awaiting(key, written) as learned:
                await learned

    async def drop(self, key: str) -> bool:
        """As `Store.delete`, whatever stands there."""
        with self._awaiting(key, 0) as learned:
            gone = await self._store.delete(key)
            if gone and not self._follower.done():
                await learned
        return gone

    async def catch_up(self) -> None:
        """Read everything: events were lost, or another process came first."""
        async with self._reading:
            await self._read_all()
        self._tell(self.index.entries)

    @contextmanager
    def _awaiting(self, key: str, version: int) -> Iterator[asyncio.Future[None]]:
        entry = key, version, asyncio.get_running_loop().create_future()
        self._awaited.append(entry)
        try:
            yield entry[2]
        finally:
            self._awaited.remove(entry)

    # ---- learning

    async def _follow(self, events: AsyncIterator[Event]) -> None:
        try:
            while True:
                try:
                    self._learn(await anext(events))
                except Lost:
                    await self._catch_up_at_last()
        except StopAsyncIteration:
            return
        finally:
            self._release()

    def _learn(self, event: Event) -> None:
        if self._meanwhile is not None:
            self._meanwhile.append(event)
        if event.key.startswith(PREFIXES):
            self._tell(self.index.learn(event))
        if event.entry:
            self._reached = max(self._reached, event.entry.version)
        for key, version, done in self._awaited:
            if not done.done() and (version <= self._reached if version else key == event.key and not event.entry):
                done.set_result(None)

    async def _catch_up_at_last(self) -> None:
        """While the store cannot be read, nothing more can be learned either."""
        failing = False
        while True:
            try:
                await self.catch_up()
            except StoreError as error:
                if not failing:
                    logger.error("what is declared cannot be read; trying again every second: %s", error)
                failing = True
                await asyncio.sleep(AGAIN)
            else:
                if failing:
                    logger.info("what is declared is read again")
                self._release()
                return

    async def _read_all(self) -> None:
        """What happens while it reads, at whichever moment, happens to the new index as well."""
        index, reached, self._meanwhile = Index(), 0, []
        try:
            for prefix in PREFIXES:
                for entry in await self._store.list(prefix):
                    index.put(entry)
                    reached = max(reached, entry.version)
            for event in self._meanwhile:
                index.learn(event)
        finally:
            self._meanwhile = None
        self.index, self._reached = index, max(reached, self._reached)

    def _release(self) -> None:
        """Nobody who has written waits for an event that does not come any more."""
        for _, _, done in self._awaited:
            if not done.done():
                done.set_result(None)
