"""One connection to a broker: what keeping a session connected needs to know of it."""

from __future__ import annotations

import asyncio
from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import Any, TypeVar

T = TypeVar("T")


class Connection(ABC):
    """Alive until `lost` is done, whose result tells why it ended, or whose exception came from a callback."""

    def __init__(self) -> None:
        self.lost: asyncio.Future[str] = asyncio.get_running_loop().create_future()
        self.failure: Exception | None = None
        """What a request that waited in vain shall raise, when it is not just the loss of the connection."""

    @abstractmethod
    def hold(self) -> None:
        """Stop reading."""

    @abstractmethod
    def release(self) -> None:
        """Read again."""

    @abstractmethod
    def _drop(self) -> None:
        """Close the socket now. Harmless when it is closed."""

    @abstractmethod
    async def close(self) -> None:
        """Say DISCONNECT after what is written, then end; bounded to a second."""

    def abort(self, reason: str) -> None:
        """End it now. Harmless when it has ended."""
        self._end(reason)
        self._drop()

    def guard(self, call: Callable[[], None]) -> None:
        """Run a callback of the house; what it raises ends the connection and becomes the exception of `lost`."""
        try:
            call()
        except Exception as error:  # noqa: BLE001 - handed to the owner of the session
            if not self.lost.done():
                self.lost.set_exception(error)
            self._drop()

    async def answer(self, reply: asyncio.Future[T]) -> T:
        """The broker's reply; ConnectionError (or `failure`) when the connection is lost first."""
        await first_of(self.lost, reply)
        if reply.done():
            return reply.result()
        raise self.failure or ConnectionError(self.lost.result())

    def _end(self, reason: str) -> None:
        if not self.lost.done():
            self.lost.set_result(reason)


async def first_of(*futures: asyncio.Future[Any], within: float | None = None) -> None:
    """Wait for one of them (or `within` seconds), without cancelling any."""
    await asyncio.wait(futures, timeout=within, return_when=asyncio.FIRST_COMPLETED)
