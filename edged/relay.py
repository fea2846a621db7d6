"""Carries what a running command and a client on a socket say to each other, until one of them is done."""

from __future__ import annotations

import asyncio
from asyncio import StreamReader, StreamWriter
from contextlib import AbstractAsyncContextManager
from typing import NoReturn

import msgspec

from edged.channels import HEAD, LONGEST, Channel, FrameError, frame, head
from edged.errands import Begun, End, Refusal
from edged.runtime import RuntimeRefused, RuntimeUnavailable
from edged.session import Session, Size

__all__ = ["Relay"]

SLOW = "it took longer than it was given; --timeout gives it more"


class Relay:
    """Of one command, which ends when the client has gone."""

    def __init__(self, session: AbstractAsyncContextManager[Session], within: float | None) -> None:
        """`session` is entered here. `within`: seconds for all of it."""
        self._session = session
        self._within = within

    async def run(self, reader: StreamReader, writer: StreamWriter) -> Refusal | None:
        """Why it did not begin. ConnectionError: the client has gone."""
        begun = False
        try:
            async with asyncio.timeout(self._within), self._session as session:
                writer.write(msgspec.json.encode(Begun()) + b"\n")
                begun = True
                end = End(await _talk(session, reader, writer))
        except ConnectionError:
            raise
        except TimeoutError:
            end = End(1, SLOW)
        except (RuntimeRefused, RuntimeUnavailable, OSError) as error:
            end = End(1, str(error))
        if not begun:
            return Refusal(end.reason)
        writer.write(frame(Channel.END, msgspec.json.encode(end)))
        await writer.drain()
        return None


async def _talk(session: Session, reader: StreamReader, writer: StreamWriter) -> int:
    """Its exit code."""
    pieces: asyncio.Queue[bytes] = asyncio.Queue(1)
    try:
        async with asyncio.TaskGroup() as group:
            hearing = group.create_task(_hear(session, reader, pieces), name="what a client says")
            feeding = group.create_task(_feed(session, pieces, writer), name="input of a command")
            await _speak(session, writer)
            code = await session.exit_code()
            hearing.cancel()
            feeding.cancel()
    except BaseExceptionGroup as group_error:
        raise group_error.exceptions[0] from None
    return code


async def _hear(session: Session, reader: StreamReader, pieces: asyncio.Queue[bytes]) -> NoReturn:
    """Always, so that it is noticed when the client goes."""
    try:
        while True:
            channel, size = head(await reader.readexactly(HEAD))
            data = await reader.readexactly(size)
            if channel is Channel.STDIN:
                pieces.put_nowait(data)
            elif channel is Channel.RESIZE:
                await session.resize(msgspec.json.decode(data, type=Size))
    except (EOFError, FrameError, msgspec.MsgspecError, asyncio.QueueFull) as error:
        raise ConnectionAbortedError(f"the client has gone, or made no sense: {error}") from None


async def _feed(session: Session, pieces: asyncio.Queue[bytes], writer: StreamWriter) -> None:
    while data := await pieces.get():
        await session.send(data)
        writer.write(frame(Channel.STDIN))
    await session.close_input()


async def _speak(session: Session, writer: StreamWriter) -> None:
    async for stream, data in session.output():
        channel = Channel.STDOUT if stream == "stdout" else Channel.STDERR
        for at in range(0, len(data), LONGEST):
            writer.write(frame(channel, data[at : at + LONGEST]))
            await writer.drain()
