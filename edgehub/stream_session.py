"""One connection of the stream channel: log lines go up, a frame at a time, each when the last one is confirmed."""

from __future__ import annotations

import asyncio

from edgehub.channel import Closed
from edgehub.connection import Connection, LinkLost
from edgehub.counts import Counts
from edgehub.log_lines import LogLines
from link.acknowledgement import is_acknowledgement
from link.contents import LogLine
from link.message import BadFrame, decode, encode
from link.rows import log_lines

__all__ = ["StreamSession"]

LINES, CHARACTERS = 200, 32 * 1024
"""Of one frame: little enough to hold up nothing on a slow line."""


class StreamSession:
    """`run` serves the connection until it is lost, or was idle."""

    def __init__(self, connection: Connection, lines: LogLines, idle: float, counts: Counts) -> None:
        """`idle`: seconds without a line after which the connection is closed."""
        self._connection = connection
        self._lines = lines
        self._idle = idle
        self._counts = counts

    async def run(self) -> None:
        """Raises `LinkLost`, or `Closed`."""
        while True:
            try:
                async with asyncio.timeout(self._idle):
                    await self._lines.wait()
            except TimeoutError:
                raise Closed("nothing to say") from None
            await self._send(self._lines.take(LINES, CHARACTERS))

    async def _send(self, lines: list[LogLine]) -> None:
        """What is lost on the way is not sent again: a line may be dropped."""
        message = log_lines(lines)
        try:
            await self._connection.send(encode(message))
            await self._confirmed(message.header.msg_id)
        except LinkLost:
            self._lines.dropped += len(lines)
            raise
        self._counts.log_lines += len(lines)

    async def _confirmed(self, msg_id: str) -> None:
        while True:
            try:
                answers = decode(await self._connection.receive())
            except BadFrame as fault:
                raise LinkLost(f"the cloud sent what is no message: {fault}") from None
            if any(is_acknowledgement(answer) and answer.header.parent_msg_id == msg_id for answer in answers):
                return
