"""The least MQTT 3.1.1 client, for measuring: it must cost less than what it measures.

QoS 0 and 1 both ways, clean session. All packets of one read are handled in one go, everything published in one turn
of the event loop leaves in one write. It trusts its broker: no reconnect, no limit, no resending.
"""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable, Sequence
from typing import Self, cast

CONNACK, PUBLISH, PUBACK, SUBACK = 2, 3, 4, 9
KEEPALIVE = 0  # off
CLEAN_SESSION = 2


class Client(asyncio.Protocol):
    """`async with await Client.connect(host, port, "name", on_message) as client`."""

    def __init__(self, client_id: str, on_message: Callable[[bytes, bytes], None]) -> None:
        """`on_message` gets topic and payload."""
        self._client_id = client_id
        self._on_message = on_message
        self._pieces = b""
        self._last_id = 0
        self._out: list[bytes] = []
        loop = asyncio.get_running_loop()
        self._replies: dict[int, asyncio.Future[bytes]] = {CONNACK: loop.create_future()}
        self.lost: asyncio.Future[None] = loop.create_future()

    @classmethod
    async def connect(cls, host: str, port: int, client_id: str, on_message: Callable[[bytes, bytes], None]) -> Self:
        loop = asyncio.get_running_loop()
        _, client = await loop.create_connection(lambda: cls(client_id, on_message), host, port)
        await client.accepted()
        return client

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *exc: object) -> None:
        self._transport.close()
        await self.lost

    async def accepted(self) -> None:
        """Wait for the CONNACK."""
        connack = await self._reply(CONNACK)
        if connack[1]:
            raise ConnectionRefusedError(f"the broker refuses us with code {connack[1]}")

    async def subscribe(self, filters: Sequence[str], qos: int) -> None:
        self._replies[SUBACK] = asyncio.get_running_loop().create_future()
        body = self._new_id() + b"".join(_text(f.encode()) + bytes((qos,)) for f in filters)
        self._send(_packet(0x82, body))
        suback = await self._reply(SUBACK)
        if any(code > 2 for code in suback[2:]):
            raise ConnectionRefusedError(f"the broker refuses one of {filters}")

    async def stay(self, seconds: float) -> None:
        """Wait; ConnectionError when the connection does not last as long, as when `on_message` raises."""
        await asyncio.wait([self.lost], timeout=seconds)
        if self.lost.done():
            raise ConnectionError("the connection to the broker has ended")

    def publish(self, topic: bytes, payload: bytes, qos: int) -> None:
        """Hand over for the next write; nobody waits for the PUBACK."""
        if qos:
            self._send(_packet(0x32, _text(topic) + self._new_id() + payload))
        else:
            self._send(_packet(0x30, _text(topic) + payload))

    def _new_id(self) -> bytes:
        self._last_id = self._last_id % 65535 + 1
        return self._last_id.to_bytes(2, "big")

    def _send(self, packet: bytes) -> None:
        if not self._out:
            asyncio.get_running_loop().call_soon(self._flush)
        self._out.append(packet)

    def _flush(self) -> None:
        self._transport.write(b"".join(self._out))
        self._out.clear()

    async def _reply(self, kind: int) -> bytes:
        reply = self._replies[kind]
        await asyncio.wait((reply, self.lost), timeout=10, return_when=asyncio.FIRST_COMPLETED)
        if not reply.done():
            raise ConnectionError("the broker does not answer")
        return reply.result()

    # ---- the protocol

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)  # uvloop's is no subclass of it
        transport.get_extra_info("socket").setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        flags = bytes((4, CLEAN_SESSION)) + KEEPALIVE.to_bytes(2, "big")
        self._transport.write(_packet(0x10, _text(b"MQTT") + flags + _text(self._client_id.encode())))

    def connection_lost(self, _: Exception | None) -> None:
        self.lost.set_result(None)

    def data_received(self, data: bytes) -> None:
        data = self._pieces + data
        at, end = 0, len(data)
        acknowledgements = []
        while end - at >= 2:
            length, shift, start = 0, 0, at + 1
            while start < end and start < at + 5:
                length |= (data[start] & 0x7F) << shift
                start += 1
                if data[start - 1] < 0x80:
                    break
                shift += 7
            else:
                break  # the length itself is not complete
            if start + length > end:
                break
            first, at = data[at], start + length
            if first >> 4 == PUBLISH:
                text = start + 2 + (data[start] << 8 | data[start + 1])
                body = text
                if first & 6:
                    acknowledgements.append(b"\x40\x02" + data[text : text + 2])
                    body += 2
                self._on_message(data[start + 2 : text], data[body:at])
            elif first >> 4 in (CONNACK, SUBACK):
                self._replies[first >> 4].set_result(data[start:at])
        self._pieces = data[at:]
        if acknowledgements:
            self._send(b"".join(acknowledgements))


def _text(text: bytes) -> bytes:
    return len(text).to_bytes(2, "big") + text


def _packet(first: int, body: bytes) -> bytes:
    length, head = len(body), bytearray((first,))
    while length > 0x7F:
        head.append(length & 0x7F | 0x80)
        length >>= 7
    head.append(length)
    return bytes(head) + body
