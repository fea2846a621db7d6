"""A command in a running container, by a connection that stops being HTTP once it begins."""

from __future__ import annotations

import asyncio
import os
import signal
from asyncio import StreamReader, StreamWriter
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager, suppress
from typing import TYPE_CHECKING

from edged.runtime import NoSuchThing, RuntimeRefused, RuntimeUnavailable
from edged.session import Session, Size, Stream

if TYPE_CHECKING:
    from edged.podman.api import Api

__all__ = ["Pieces", "session"]

_HEAD = 8
"""Bytes before each piece of output: the stream, three zeros, the length (big endian)."""
CHUNK = 1 << 16
ENDING = 5.0
"""Seconds for a command that was killed to be gone, and for its exit code to be told after its output."""


class Pieces:
    """What the two streams say, out of frames that come in any pieces; not `framed`: a terminal."""

    def __init__(self, *, framed: bool = True) -> None:
        self._framed = framed
        self._rest = bytearray()
        self._left = 0
        self._stream: Stream = "stdout"

    def feed(self, data: bytes) -> Iterator[tuple[Stream, bytes]]:
        """As soon as it is there, not only when a frame is whole."""
        if not self._framed:
            yield "stdout", data
            return
        self._rest += data
        while self._rest and (self._left or len(self._rest) >= _HEAD):
            if not self._left:
                self._stream = "stderr" if self._rest[0] == 2 else "stdout"
                self._left = int.from_bytes(self._rest[4:_HEAD], "big")
                del self._rest[:_HEAD]
            if text := bytes(self._rest[: self._left]):
                yield self._stream, text
                del self._rest[: len(text)]
                self._left -= len(text)


@asynccontextmanager
async def session(
    api: Api, container: str, command: Sequence[str], *, stdin: bool, terminal: Size | None
) -> AsyncIterator[Session]:
    """As `Runtime.session`."""
    tty = terminal is not None
    body = {"AttachStdin": stdin, "AttachStdout": True, "AttachStderr": True, "Tty": tty, "Cmd": list(command)}
    id_ = (await api.call("POST", f"/containers/{container}/exec", json=body)).json()["Id"]
    size = {"h": terminal.rows, "w": terminal.columns} if terminal else {}
    reader, writer = await api.upgrade(f"/exec/{id_}/start", {"Detach": False, "Tty": tty, **size})
    made = _PodmanSession(api, id_, reader, writer, tty=tty)
    try:
        yield made
    finally:
        writer.close()
        if not made.ended:
            await _kill(api, id_)


class _PodmanSession(Session):
    def __init__(self, api: Api, id_: str, reader: StreamReader, writer: StreamWriter, *, tty: bool) -> None:
        self._api = api
        self._id = id_
        self._reader = reader
        self._writer = writer
        self._tty = tty
        self.ended = False

    async def output(self) -> AsyncIterator[tuple[Stream, bytes]]:
        pieces = Pieces(framed=not self._tty)
        try:
            while data := await self._reader.read(CHUNK):
                for piece in pieces.feed(data):
                    yield piece
        except OSError as error:
            raise RuntimeUnavailable(f"podman's service broke off: {error}") from None

    async def send(self, data: bytes) -> None:
        with suppress(OSError):
            self._writer.write(data)
            await self._writer.drain()

    async def close_input(self) -> None:
        if not self._tty:
            with suppress(OSError):
                self._writer.write_eof()

    async def resize(self, size: Size) -> None:
        query = {"h": str(size.rows), "w": str(size.columns)}
        with suppress(RuntimeRefused):  # it has just ended
            await self._api.call("POST", f"/exec/{self._id}/resize", query)

    async def exit_code(self) -> int:
        """A program that has closed its output and goes on has `ENDING` s. TimeoutError."""
        async with asyncio.timeout(ENDING):
            while True:
                seen = (await self._api.call("GET", f"/exec/{self._id}/json")).json()
                if not seen["Running"]:
                    self.ended = True
                    return int(seen["ExitCode"])
                await asyncio.sleep(0.05)


async def _kill(api: Api, session_id: str) -> None:
    """libpod has no call for it. The service is on this machine, so its process numbers are ours, where we may."""
    with suppress(NoSuchThing, RuntimeUnavailable, OSError):
        seen = (await api.call("GET", f"/exec/{session_id}/json", within=ENDING)).json()
        if seen["Running"] and seen["Pid"] > 1:
            os.kill(seen["Pid"], signal.SIGKILL)
