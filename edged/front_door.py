"""A socket in the state directory through which commands on this machine reach edged: logs, exec, images.

Whoever may write to the socket may run what they like in the pods: it is for the owner of the hub alone.
"""

from __future__ import annotations

import asyncio
import logging
import os
import socket
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Self

import msgspec

from edged.errands import SOCKET, Answer, Errand, Refusal
from edged.relay import Relay

__all__ = ["FrontDoor"]

logger = logging.getLogger("edged")

LONGEST = 1 << 18
"""Bytes of an errand."""
PATIENCE = 5.0
"""Seconds in which an errand must have been said."""
MOST = 32
"""Errands at a time, and running commands."""

Serve = Callable[[Errand], Awaitable[Answer | Relay]]


class FrontDoor:
    """`async with` listens."""

    def __init__(self, directory: Path, serve: Serve) -> None:
        """`directory`: of this hub alone."""
        self._directory = directory
        self._serve = serve
        self._turns = asyncio.Semaphore(MOST)
        self._relays = 0
        self._clients: set[asyncio.Task[None]] = set()
        self._server: asyncio.Server

    async def __aenter__(self) -> Self:
        listener = _listener(self._directory)
        self._server = await asyncio.start_unix_server(self._answer, sock=listener, limit=LONGEST)
        return self

    async def __aexit__(self, *exc: object) -> None:
        self._server.close()
        for client in self._clients:
            client.cancel()
        await asyncio.gather(*self._clients, return_exceptions=True)
        (self._directory / SOCKET).unlink(missing_ok=True)

    async def _answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task
        task.set_name("an errand")
        self._clients.add(task)
        try:
            await self._attend(reader, writer)
        except (OSError, asyncio.CancelledError):
            pass  # who asked has gone, or the hub is to end
        finally:
            self._clients.discard(task)
            writer.close()

    async def _attend(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        async with self._turns:
            answer = await self._answer_to(reader)
        said = await self._relay(answer, reader, writer) if isinstance(answer, Relay) else answer
        if said:
            writer.write(msgspec.json.encode(said) + b"\n")
            await writer.drain()

    async def _relay(
        self, relay: Relay, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> Refusal | None:
        if self._relays >= MOST:
            return Refusal(f"{MOST} commands run already; end one")
        self._relays += 1
        try:
            return await relay.run(reader, writer)
        finally:
            self._relays -= 1

    async def _answer_to(self, reader: asyncio.StreamReader) -> Answer | Relay:
        try:
            async with asyncio.timeout(PATIENCE):
                line = await reader.readline()
            errand = msgspec.json.decode(line, type=Errand)
        except (ValueError, TimeoutError, RecursionError) as error:
            return Refusal(f"this is no errand: {error}")
        try:
            return await self._serve(errand)
        except Exception:
            logger.exception("an errand failed in a way nobody had thought of")
            return Refusal("it failed; the hub's log says how")


def _listener(directory: Path) -> socket.socket:
    """The path of a socket may have 107 bytes only, so it is reached through the open directory."""
    (directory / SOCKET).unlink(missing_ok=True)
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM | socket.SOCK_CLOEXEC)
    opened = os.open(directory, os.O_DIRECTORY | os.O_CLOEXEC)
    before = os.umask(0o177)
    try:
        listener.bind(f"/proc/self/fd/{opened}/{SOCKET}")
    finally:
        os.umask(before)
        os.close(opened)
    listener.setblocking(False)
    return listener
