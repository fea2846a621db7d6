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

__all__ = ["FrontDoor"]

logger = logging.getLogger("edged")

LONGEST = 1 << 18
"""Bytes of an errand."""
PATIENCE = 5.0
"""Seconds in which an errand must have been said."""
MOST = 32
"""Errands at a time."""

Serve = Callable[[Errand], Awaitable[Answer]]


class FrontDoor:
    """`async with` listens."""

    def __init__(self, directory: Path, serve: Serve) -> None:
        """`directory`: of this hub alone."""
        self._directory = directory
        self._serve = serve
        self._turns = asyncio.Semaphore(MOST)
        self._server: asyncio.Server

    async def __aenter__(self) -> Self:
        listener = _listener(self._directory)
        self._server = await asyncio.start_unix_server(self._answer, sock=listener, limit=LONGEST)
        return self

    async def __aexit__(self, *exc: object) -> None:
        self._server.close()
        (self._directory / SOCKET).unlink(missing_ok=True)

    async def _answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            async with self._turns:
                answer = await self._answer_to(reader)
                writer.write(msgspec.json.encode(answer) + b"\n")
                await writer.drain()
        except OSError:
            pass  # who asked has gone
        finally:
            writer.close()

    async def _answer_to(self, reader: asyncio.StreamReader) -> Answer:
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
