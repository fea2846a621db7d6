"""The connection passes on everything that was said, from the first byte to the last, on any event loop."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import pytest
import uvloop

from mappers.mapper import LinkLost
from mappers.satellite.bus import CHUNK, open_bus

LOOPS = {"asyncio": asyncio.new_event_loop, "uvloop": uvloop.new_event_loop}
PACKET = bytes.fromhex("0864c0000001") + b"ab"


class Talk(asyncio.Protocol):
    """Says a packet at once, another when something comes, and leaves."""

    def connection_made(self, transport: Any) -> None:
        self.transport = transport
        transport.write(PACKET)

    def data_received(self, data: bytes) -> None:
        self.transport.write(PACKET)
        self.transport.close()


@pytest.mark.parametrize("loop", LOOPS)
def test_what_is_said_before_anybody_listens_waits(loop: str) -> None:
    async def talk() -> None:
        heard: list[bytes] = []
        server = await asyncio.get_running_loop().create_server(Talk, "127.0.0.1", 0)
        async with server:
            bus = await open_bus("127.0.0.1", server.sockets[0].getsockname()[1], 4096, heard.extend)
            await asyncio.sleep(0.1)
            assert heard == []
            bus.send(PACKET)
            assert await asyncio.wait_for(bus.listen(), 20) == "the bus closed the connection"
            assert heard == [PACKET, PACKET]
            with pytest.raises(LinkLost):
                bus.send(PACKET)
            bus.close()

    factory: Callable[[], asyncio.AbstractEventLoop] = LOOPS[loop]
    with asyncio.Runner(loop_factory=factory) as runner:
        runner.run(talk())


@pytest.mark.parametrize("loop", LOOPS)
def test_a_flood_comes_in_pieces_so_that_others_have_their_turn(loop: str) -> None:
    async def flood() -> None:
        heard: list[int] = []
        packets = 8 * CHUNK // len(PACKET)

        async def pour(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            writer.write(PACKET * packets)
            writer.close()

        server = await asyncio.start_server(pour, "127.0.0.1", 0)
        async with server:
            port = server.sockets[0].getsockname()[1]
            bus = await open_bus("127.0.0.1", port, 4096, lambda came: heard.append(sum(1 for _ in came)))
            await asyncio.wait_for(bus.listen(), 20)
            bus.close()
        assert sum(heard) == packets
        assert max(heard) <= CHUNK // len(PACKET) + 1

    with asyncio.Runner(loop_factory=LOOPS[loop]) as runner:
        runner.run(flood())
