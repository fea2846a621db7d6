"""A `Store` over something that blocks: one thread works, the event loop never waits, watchers are told."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from typing import Any, Protocol, Self, TypeVar

import msgspec.json

from twin.store import Entry, Event, Lost, Store, StoreError, check_key, check_prefix, encode

__all__ = ["MAX_WAITING", "LocalStore", "Shelf", "Watcher"]

MAX_WAITING = 1000
"""Events that wait for a watcher before it gets `Lost` instead."""

T = TypeVar("T")


class Shelf(Protocol):
    """Where the entries lie. Blocking, and always called from the same one thread, `open` first, `close` last.

    Keys and values are checked already. Values are handed over: neither side keeps a reference to one that it
    gave away. `put` and `delete` return when the change is durable, and raise `Conflict` by `check_version`.
    """

    failures: tuple[type[Exception], ...]
    """What its methods raise when the disk or the file fails; becomes a `StoreError` with the same words."""

    def open(self) -> None: ...
    def close(self) -> None: ...
    def get(self, key: str) -> Entry | None: ...
    def list(self, prefix: str) -> list[Entry]: ...
    def put(self, key: str, value: dict[str, Any], version: int | None) -> int: ...
    def delete(self, key: str, version: int | None) -> bool: ...


class LocalStore(Store):
    """`watch` shows the changes made through this object."""

    def __init__(self, shelf: Shelf, name: str) -> None:
        self._shelf, self._name = shelf, name
        self._worker: ThreadPoolExecutor | None = None
        self._watchers: set[Watcher] = set()

    async def __aenter__(self) -> Self:
        self._worker = ThreadPoolExecutor(1, f"store {self._name}")
        try:
            await self._run(self._shelf.open)
        except BaseException:
            await self._stop()
            raise
        return self

    async def __aexit__(self, *exc: object) -> None:
        for watcher in self._watchers:
            watcher.close()
        await self._stop()

    async def get(self, key: str) -> Entry | None:
        check_key(key)
        return await self._run(lambda: self._shelf.get(key))

    async def list(self, prefix: str = "") -> list[Entry]:
        check_prefix(prefix)
        return await self._run(lambda: self._shelf.list(prefix))

    async def put(self, key: str, value: dict[str, Any], *, version: int | None = None) -> int:
        check_key(key)
        text = encode(key, value)
        loop = asyncio.get_running_loop()

        def work() -> int:
            new = self._shelf.put(key, msgspec.json.decode(text), version)
            event = Event("put", key, Entry(key, msgspec.json.decode(text), new))
            loop.call_soon_threadsafe(self._tell, event)  # from here, so that a cancelled caller changes nothing
            return new

        return await self._run(work)

    async def delete(self, key: str, *, version: int | None = None) -> bool:
        check_key(key)
        loop = asyncio.get_running_loop()

        def work() -> bool:
            existed = self._shelf.delete(key, version)
            if existed:
                loop.call_soon_threadsafe(self._tell, Event("delete", key, None))
            return existed

        return await self._run(work)

    @asynccontextmanager
    async def watch(self, prefix: str = "") -> AsyncIterator[AsyncIterator[Event]]:
        check_prefix(prefix)
        watcher = Watcher(prefix, MAX_WAITING)
        self._watchers.add(watcher)
        try:
            yield watcher
        finally:
            self._watchers.discard(watcher)

    def _tell(self, event: Event) -> None:
        for watcher in self._watchers:
            watcher.offer(event)

    async def _run(self, work: Callable[[], T]) -> T:
        if self._worker is None:
            raise StoreError(f"{self._name} is not open: enter it with `async with`")
        try:
            return await asyncio.get_running_loop().run_in_executor(self._worker, work)
        except self._shelf.failures as error:
            raise StoreError(f"{self._name}: {error}") from error

    async def _stop(self) -> None:
        """The thread works through what it was given, closes the shelf and ends, even if we are cancelled."""
        worker, self._worker = self._worker, None
        if worker is not None:
            closing = asyncio.get_running_loop().run_in_executor(worker, self._shelf.close)
            worker.shutdown(wait=False)
            await asyncio.shield(closing)


class Watcher:
    """The bounded queue of one watcher, and its iterator."""

    def __init__(self, prefix: str, limit: int) -> None:
        self._prefix, self._limit = prefix, limit
        self._events: deque[Event] = deque()
        self._ready = asyncio.Event()
        self._lost = self._closed = False

    def offer(self, event: Event) -> None:
        """Queue an event that concerns this watcher. When the queue is full it is emptied: all of it is lost."""
        if self._lost or not event.key.startswith(self._prefix):
            return
        if len(self._events) == self._limit:
            self._events.clear()
            self._lost = True
        else:
            self._events.append(event)
        self._ready.set()

    def close(self) -> None:
        """End the iteration after what is queued."""
        self._closed = True
        self._ready.set()

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> Event:
        await self._ready.wait()
        try:
            return self._next()
        finally:
            if not self._events and not self._closed:
                self._ready.clear()

    def _next(self) -> Event:
        if self._lost:
            self._lost = False
            raise Lost(f"more than {self._limit:,} changes below {self._prefix!r} were waiting: list again")
        if not self._events:
            raise StopAsyncIteration
        return self._events.popleft()
