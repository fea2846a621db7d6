"""A paho client driven by the event loop instead of by a thread of its own."""

from __future__ import annotations

import asyncio
import socket as sockets
import ssl
import traceback
from collections.abc import Callable
from contextlib import suppress
from typing import Any

from paho.mqtt.client import Client

from eventbus.connection import Connection, first_of

READS_AT_ONCE = 256
"""Packets after which others get a turn."""
CONNECT_TIMEOUT = 5.0
"""Seconds for TCP, and again for TLS; paho waits for both in a thread."""


class PahoConnection(Connection):
    """One connection of `client`; `on_read` is called after each read, which has fed the client's callbacks.

    Only the public side of paho is used: to end a connection its socket is shut down, and paho notices.
    """

    def __init__(self, client: Client, on_read: Callable[[], None]) -> None:
        super().__init__()
        self.received = False
        """To be set by whoever hears of a packet: there may be another one."""
        self._loop = asyncio.get_running_loop()
        self._client = client
        self._on_read = on_read
        self._socket: sockets.socket | None = None
        self._held = False
        self._ticker: asyncio.TimerHandle | None = None
        client.on_socket_close = lambda *_: self._closing()
        client.on_socket_register_write = lambda *_: self._want_write()
        client.on_socket_unregister_write = lambda *_: self._want_no_write()
        client.on_disconnect = lambda *reason: self._end(f"the connection broke ({reason[3]})")

    async def open(self, keepalive: float) -> None:
        """Connect and send CONNECT; OSError when it fails. The thread is waited for even when we are cancelled."""
        connecting = asyncio.ensure_future(asyncio.to_thread(self._client.reconnect))
        try:
            await asyncio.shield(connecting)
        except asyncio.CancelledError:
            await asyncio.wait([connecting])
            if connecting.exception() is None:
                self._adopt(keepalive)
            self.abort("given up")
            raise
        except OSError as error:
            traceback.clear_frames(error.__traceback__)  # paho leaves a socket that it could not connect to them
            raise
        self._adopt(keepalive)

    def _adopt(self, keepalive: float) -> None:
        socket: Any = self._client.socket()
        if socket is None:
            return
        if socket.family != sockets.AF_UNIX:
            # else a small packet waits for the acknowledgement of the one before
            socket.setsockopt(sockets.IPPROTO_TCP, sockets.TCP_NODELAY, 1)
        self._socket = socket
        self._loop.add_reader(socket, self._readable)
        self._loop.add_writer(socket, self._writable)
        self._tick(keepalive / 12)

    # -- paho's loop, in ours -------------------------------------------------------------------------------

    def _readable(self) -> None:
        self.guard(self._read)

    def _read(self) -> None:
        for _ in range(READS_AT_ONCE):
            self.received = False
            self._client.loop_read()
            if self._socket is None or not self.received:
                break
        self._on_read()
        if isinstance(self._socket, ssl.SSLSocket) and self._socket.pending() and not self._held:
            self._loop.call_soon(self._readable)  # decrypted already: the socket will not become readable for it

    def _writable(self) -> None:
        self.guard(self._write)

    def _write(self) -> None:
        self._client.loop_write()

    def _want_write(self) -> None:
        if self._socket is not None:
            self._loop.add_writer(self._socket, self._writable)

    def _want_no_write(self) -> None:
        if self._socket is not None:
            self._loop.remove_writer(self._socket)

    def _tick(self, seconds: float) -> None:
        """Let paho look after its keepalive, unless we could not hear an answer."""
        if not self._held:
            self._client.loop_misc()
        if not self.lost.done():
            self._ticker = self._loop.call_later(seconds, self._tick, seconds)

    def _closing(self) -> None:
        if self._socket is not None:
            self._loop.remove_reader(self._socket)
            self._loop.remove_writer(self._socket)
            self._socket = None

    # -- for the session ------------------------------------------------------------------------------------

    def hold(self) -> None:
        self._held = True
        if self._socket is not None:
            self._loop.remove_reader(self._socket)

    def release(self) -> None:
        if self._held and self._socket is not None:
            self._loop.add_reader(self._socket, self._readable)
            self._loop.call_soon(self._readable)
        self._held = False

    async def close(self) -> None:
        self._client.disconnect()
        await first_of(self.lost, within=1)
        self.abort("closed")

    def _end(self, reason: str) -> None:
        if self._ticker:
            self._ticker.cancel()
        super()._end(reason)

    def _drop(self) -> None:
        while self._socket is not None:
            with suppress(OSError):
                self._socket.shutdown(sockets.SHUT_RDWR)
            self._client.loop_read()  # what has arrived, packet by packet, and then the end
