"""A command in a container while it runs: what it is told, what it says, how it ends."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import AsyncIterator
from typing import Literal, NamedTuple

__all__ = ["Session", "Size", "Stream"]

Stream = Literal["stdout", "stderr"]


class Size(NamedTuple):
    """Of a terminal, in characters."""

    rows: int
    columns: int


class Session(ABC):
    """One of them."""

    @abstractmethod
    def output(self) -> AsyncIterator[tuple[Stream, bytes]]:
        """What it says, as it comes, until it says nothing more; to be asked for once. A terminal has one stream.
        Nothing is read ahead: who does not ask holds the command up."""

    @abstractmethod
    async def send(self, data: bytes) -> None:
        """To its input; waits while that is full. What it does not read any more is lost."""

    @abstractmethod
    async def close_input(self) -> None:
        """Nothing more is sent. Without a meaning for a terminal, where a character says so."""

    @abstractmethod
    async def resize(self, size: Size) -> None:
        """Of its terminal."""

    @abstractmethod
    async def exit_code(self) -> int:
        """Once it has ended; to be asked for after the end of its output."""
