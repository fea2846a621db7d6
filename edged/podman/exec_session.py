"""A command in a running container."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import Iterator, Sequence
from contextlib import suppress
from typing import TYPE_CHECKING

from edged.runtime import MOST_OUTPUT, Executed, NoSuchThing, RuntimeUnavailable

if TYPE_CHECKING:
    from edged.podman.api import Api

__all__ = ["Output", "execute"]

_HEAD = 8
"""Bytes before each piece of output: the stream, three zeros, the length (big endian)."""
ENDING = 5.0
"""Seconds for a command that was killed to be gone, and for the exit code to be told."""


class Output:
    """The last `MOST_OUTPUT` bytes of both streams, out of frames that come in any pieces."""

    def __init__(self) -> None:
        self._rest = bytearray()
        self._kept = bytearray()

    def feed(self, data: bytes) -> None:
        self._rest += data
        for text in self._frames():
            self._kept += text
        if len(self._kept) > 2 * MOST_OUTPUT:
            del self._kept[:-MOST_OUTPUT]

    def __bytes__(self) -> bytes:
        return bytes(self._kept[-MOST_OUTPUT:])

    def _frames(self) -> Iterator[bytes]:
        at, rest = 0, self._rest
        while len(rest) >= at + _HEAD:
            end = at + _HEAD + int.from_bytes(rest[at + 4 : at + _HEAD], "big")
            if len(rest) < end:
                break
            yield bytes(rest[at + _HEAD : end])
            at = end
        del rest[:at]


async def execute(api: Api, container: str, command: Sequence[str], within: float) -> Executed:
    """As `Runtime.execute`."""
    body = {"AttachStdout": True, "AttachStderr": True, "Cmd": list(command)}
    session = (await api.call("POST", f"/containers/{container}/exec", json=body)).json()["Id"]
    output = Output()
    try:
        async with asyncio.timeout(within):
            await _follow(api, session, output)
    except TimeoutError:
        await _kill(api, session)
        raise
    return Executed(await _exit_code(api, session), bytes(output))


async def _follow(api: Api, session: str, output: Output) -> None:
    body = {"Detach": False, "Tty": False}
    async with api.stream("POST", f"/exec/{session}/start", json=body) as response:
        async for data in response.content.iter_any():
            output.feed(data)


async def _exit_code(api: Api, session: str) -> int:
    """The output may end a moment before the command does: a program that closes it and goes on has `ENDING` s."""
    async with asyncio.timeout(ENDING):
        while True:
            seen = (await api.call("GET", f"/exec/{session}/json")).json()
            if not seen["Running"]:
                return int(seen["ExitCode"])
            await asyncio.sleep(0.05)


async def _kill(api: Api, session: str) -> None:
    """libpod has no call for it. The service is on this machine, so its process numbers are ours, where we may."""
    with suppress(NoSuchThing, RuntimeUnavailable, OSError):
        seen = (await api.call("GET", f"/exec/{session}/json", within=ENDING)).json()
        if seen["Running"] and seen["Pid"] > 1:
            os.kill(seen["Pid"], signal.SIGKILL)
