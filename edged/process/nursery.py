"""The process from which keepers come: forked, they share what all of them need, and begin at once."""

from __future__ import annotations

import asyncio
import socket
import subprocess
from typing import Any

from msgspec import json

from edged.process.rights import program_of
from edged.runtime import RuntimeUnavailable

__all__ = ["Nursery"]

PATIENCE = 5.0
"""Seconds to wait for it to end."""


class Nursery:
    """Started when it is needed, and again when it is gone. Keepers do not belong to it."""

    def __init__(self) -> None:
        self._process: subprocess.Popen[bytes] | None = None
        self._door: socket.socket | None = None

    async def keep(self, order: dict[str, Any]) -> str:
        """Have a container kept; the keeper's answer: `ok`, or why not. RuntimeUnavailable."""
        here, there = socket.socketpair()
        with here, there:
            here.setblocking(False)
            try:
                self._send(there)
            except OSError as error:
                raise RuntimeUnavailable(f"no process can be started: {error}") from error
            there.close()
            reader, writer = await asyncio.open_connection(sock=here)
            try:
                writer.write(json.encode(order))
                writer.write_eof()
                return (await reader.read()).decode(errors="replace")
            except ConnectionError:
                return "its keeper was killed"
            finally:
                writer.close()

    def close(self) -> None:
        """No more keepers are needed; those there are go on."""
        if self._door and self._process:
            self._door.close()
            try:
                self._process.wait(PATIENCE)
            except subprocess.TimeoutExpired:
                self._process.kill()
                self._process.wait()
        self._door = self._process = None

    def _send(self, end: socket.socket) -> None:
        if self._door:
            try:
                socket.send_fds(self._door, [b"k"], [end.fileno()])
            except OSError:
                self.close()
            else:
                return
        here, there = socket.socketpair()
        with there:
            self._process = subprocess.Popen(
                program_of("serve"),
                stdin=there.fileno(),
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                start_new_session=True,
            )
        self._door = here
        socket.send_fds(here, [b"k"], [end.fileno()])
