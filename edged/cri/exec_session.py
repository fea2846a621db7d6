"""A command in a running container, by the engine's streaming server: SPDY, which every engine's speaks, and which
knows the end of an input."""

from __future__ import annotations

import asyncio
import json
from asyncio import StreamReader, StreamWriter
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress
from urllib.parse import urlsplit

from cri_api.v1 import api_pb2 as cri

from edged import http_upgrade
from edged.cri.api import Api
from edged.cri.spdy import Ended, Ping, Said, Spdy
from edged.cri.stray_command import CommandHunt
from edged.runtime import RuntimeRefused, RuntimeUnavailable
from edged.session import Session, Size, Stream

__all__ = ["exit_code", "session"]

CHUNK = 1 << 16
PATIENCE = 10.0
"""Seconds for the streaming server to answer."""
PROTOCOL = "v4.channel.k8s.io"
"""Whose exit code is told in words that programs read."""


@asynccontextmanager
async def session(
    api: Api, container: str, command: Sequence[str], *, stdin: bool, terminal: Size | None
) -> AsyncIterator[Session]:
    """As `Runtime.session`."""
    tty = terminal is not None
    request = cri.ExecRequest(container_id=container, cmd=command, tty=tty, stdin=stdin, stdout=True, stderr=not tty)
    hunt = await CommandHunt.begin(api, container, command)
    reader, writer = await _connected((await api.call(request, cri.ExecResponse)).url)
    made = _CriSession(reader, writer, stdin=stdin, tty=tty)
    try:
        if terminal:
            await made.resize(terminal)
        yield made
    finally:
        writer.close()
        if not made.status:
            await hunt.end()


async def _connected(url: str) -> tuple[StreamReader, StreamWriter]:
    place = urlsplit(url)
    if place.scheme != "http":
        raise RuntimeRefused("", "the engine streams by TLS only: twinhub speaks to it on this machine, without")
    headers = {"Upgrade": "SPDY/3.1", "X-Stream-Protocol-Version": PROTOCOL}
    try:
        async with asyncio.timeout(PATIENCE):
            reader, writer = await asyncio.open_connection(place.hostname, place.port)
            answer = await http_upgrade.ask(reader, writer, place.path, place.netloc, headers)
    except (OSError, EOFError, ValueError) as error:
        raise RuntimeUnavailable(f"the engine's streaming server does not answer: {error}") from None
    if not answer.upgraded:
        writer.close()
        raise RuntimeRefused("", f"the engine runs no command: {answer.body.decode(errors='replace')[:300].strip()}")
    return reader, writer


class _CriSession(Session):
    def __init__(self, reader: StreamReader, writer: StreamWriter, *, stdin: bool, tty: bool) -> None:
        self._reader = reader
        self._writer = writer
        self._spdy = Spdy()
        kinds = ["error", *(["stdin"] if stdin else []), "stdout", *(["resize"] if tty else ["stderr"])]
        self._streams = {kind: self._open(kind) for kind in kinds}
        self._tty = tty
        self.status = b""
        """How it ended, as JSON; empty: nobody knows."""

    def _open(self, kind: str) -> int:
        number, frame = self._spdy.open({"streamtype": kind})
        self._writer.write(frame)
        return number

    async def output(self) -> AsyncIterator[tuple[Stream, bytes]]:
        names: dict[int, Stream] = {self._streams["stdout"]: "stdout"}
        if not self._tty:
            names[self._streams["stderr"]] = "stderr"
        awaited, status = {*names, self._streams["error"]}, b""
        async for event in self._events():
            if isinstance(event, Said) and event.stream in names:
                yield names[event.stream], event.data
            elif isinstance(event, Said) and event.stream == self._streams["error"]:
                status += event.data
            elif isinstance(event, Ended):
                awaited.discard(event.stream)
            if not awaited:
                break
        self.status = status

    async def _events(self) -> AsyncIterator[Said | Ended]:
        try:
            while data := await self._reader.read(CHUNK):
                for event in self._spdy.feed(data):
                    if isinstance(event, Ping):
                        self._writer.write(event.frame)
                    else:
                        yield event
        except OSError as error:
            raise RuntimeUnavailable(f"the engine's streaming server broke off: {error}") from None

    async def send(self, data: bytes) -> None:
        await self._say("stdin", data)

    async def close_input(self) -> None:
        if not self._tty:
            await self._say("stdin", b"", last=True)

    async def resize(self, size: Size) -> None:
        await self._say("resize", json.dumps({"Width": size.columns, "Height": size.rows}).encode())

    async def exit_code(self) -> int:
        return exit_code(self.status)

    async def _say(self, kind: str, data: bytes, *, last: bool = False) -> None:
        if kind in self._streams:
            with suppress(OSError):
                self._writer.write(self._spdy.say(self._streams[kind], data, last=last))
                await self._writer.drain()


def exit_code(status: bytes) -> int:
    """Out of a metav1.Status. RuntimeUnavailable: the engine could not tell. RuntimeRefused: it could not run it."""
    try:
        told = json.loads(status)
        if told["status"] == "Success":
            return 0
        if told.get("reason") == "NonZeroExitCode":
            return next(int(one["message"]) for one in told["details"]["causes"] if one["reason"] == "ExitCode")
        raise RuntimeRefused("", str(told["message"])[:1000])
    except (ValueError, KeyError, TypeError, StopIteration):
        raise RuntimeUnavailable("the engine did not say how the command ended") from None
