import asyncio
import logging
import socket
from collections.abc import Callable
from contextlib import suppress

import pytest
from edge_clients import Cloud, until
from websockets.asyncio.client import ClientConnection
from websockets.exceptions import ConnectionClosed

from link.acknowledgement import acknowledge
from link.handshake import Channel, Hello
from link.limits import FRAME_BYTES
from link.message import new_message
from link.rows import keepalive


async def test_links_show_who_is_connected_and_how(cloud: Cloud) -> None:
    async with cloud.edge("edge-1", plain=True), cloud.edge("edge-2"), cloud.edge("edge-2", Channel.BUS):
        await until(lambda: len(cloud.server.links()) == 3)
        shown = sorted((link.node, link.channel, link.plain) for link in cloud.server.links())
        assert shown == [("edge-1", "hub", True), ("edge-2", "bus", False), ("edge-2", "hub", False)]
        assert all(link.address.startswith("127.0.0.1:") for link in cloud.server.links())
    await until(lambda: not cloud.server.links())


async def test_that_a_node_is_connected_stands_in_the_registry(cloud: Cloud) -> None:
    def entry() -> tuple[bool, bool]:
        known = cloud.registry.node("edge-7")
        assert known is not None
        return known.connected, known.plain

    async with cloud.edge(plain=True):
        await until(lambda: entry() == (True, True))
    await until(lambda: entry() == (False, True))


async def test_when_the_server_ends_nobody_is_connected_any_more(cloud: Cloud) -> None:
    async with cloud.serving() as server, cloud.edge(server=server) as edge:
        await until(lambda: getattr(cloud.registry.node("edge-7"), "connected", False))
        closing = asyncio.create_task(server.__aexit__(None, None, None))
        await edge.closed()
        await closing
        known = cloud.registry.node("edge-7")
        assert known is not None
        assert not known.connected


async def test_a_revocation_ends_live_connections_at_once(cloud: Cloud) -> None:
    async with cloud.edge("edge-7") as hub, cloud.edge("edge-7", Channel.BUS) as bus, cloud.edge("edge-8") as other:
        await until(lambda: len(cloud.server.links()) == 3)
        await cloud.registry.revoke("edge-7")
        assert "revoked" in await hub.closed(2.0)
        assert "revoked" in await bus.closed(2.0)
        assert [link.node for link in cloud.server.links()] == ["edge-8"]
        await other.send(keepalive())


async def test_a_plain_connection_is_cut_when_its_node_is_revoked(cloud: Cloud) -> None:
    async with cloud.edge(plain=True) as edge:
        await until(cloud.links)
        await cloud.registry.revoke("edge-7")
        assert await edge.closed(2.0) == ""


async def test_a_node_that_is_revoked_while_it_shakes_hands_does_not_get_in(
    cloud: Cloud, monkeypatch: pytest.MonkeyPatch
) -> None:
    cursor = cloud.log.cursor

    async def revoked_meanwhile(node: str, journal: str) -> int:
        await cloud.registry.revoke(node)
        return await cursor(node, journal)

    monkeypatch.setattr(cloud.log, "cursor", revoked_meanwhile)
    async with cloud.edge(channel=Channel.BUS) as bus:
        assert "revoked" in await bus.closed(2.0)


async def test_who_asks_and_does_not_read_the_answers_is_cut(cloud: Cloud) -> None:
    """Answers to pings are written without waiting for the peer to read them."""
    ping = b"\x89\xfd" + bytes(4) + bytes(125)
    async with cloud.edge(channel=Channel.STREAM) as edge:
        transport = edge.socket.transport
        transport.pause_reading()
        await until(cloud.links)
        sent = 0
        while cloud.links() and sent < 64 * 1024 * 1024:
            transport.write(ping * 1_000)
            sent += len(ping) * 1_000
            while transport.get_write_buffer_size() > 1024 * 1024 and cloud.links():
                await asyncio.sleep(0.001)
        await until(lambda: not cloud.links(), 2.0)
        transport.abort()


async def test_the_end_of_its_certificate_ends_a_connection(cloud: Cloud) -> None:
    async with cloud.edge(context=cloud.identity("edge-7", lifetime=2.0)) as edge:
        assert "certificate expired" in await edge.closed(5.0)


async def test_an_operator_can_disconnect_a_node(cloud: Cloud) -> None:
    async with cloud.edge() as hub, cloud.edge(channel=Channel.STREAM) as stream:
        await until(lambda: len(cloud.links()) == 2)
        assert cloud.server.disconnect("edge-7", "for a test") == 2
        assert [await hub.closed(), await stream.closed()] == ["for a test"] * 2
        assert cloud.server.disconnect("edge-7") == 0


@pytest.mark.parametrize("plain", [True, False])
async def test_a_second_connection_of_a_node_and_channel_replaces_the_first(cloud: Cloud, plain: bool) -> None:
    context = cloud.identity("edge-7")
    async with cloud.edge(context=context, plain=plain) as first, cloud.edge(channel=Channel.BUS) as bus:
        await until(lambda: len(cloud.links()) == 2)
        async with cloud.edge(context=context, plain=plain):
            assert ("replaced" in await first.closed()) is not plain
            await until(lambda: len(cloud.links()) == 2)
            known = cloud.registry.node("edge-7")
            assert known is not None
            assert known.connected
            await bus.socket.ping()


@pytest.mark.parametrize("plain", [True, False])
@pytest.mark.parametrize("frame", ["hello", "", "null", "5", '{"header":', "[null]", '"\\ud800"', "[" * 100_000])
async def test_garbage_ends_the_connection_and_nothing_else(cloud: Cloud, plain: bool, frame: str) -> None:
    async with cloud.edge("edge-8") as other, cloud.edge(plain=plain) as edge:
        await edge.socket.send(frame)
        reason = await edge.closed()
        assert bool(reason) is not plain
        await until(lambda: not cloud.links())
        await other.send(keepalive())
        await (await other.socket.ping())


@pytest.mark.parametrize("plain", [True, False])
async def test_a_frame_beyond_the_limit_ends_the_connection(cloud: Cloud, plain: bool) -> None:
    async with cloud.edge(plain=plain) as edge:
        await edge.socket.send("x" * (FRAME_BYTES + 1))
        await edge.closed()
    await until(lambda: not cloud.links())


async def test_what_grows_beyond_the_limit_when_decompressed_ends_the_connection(cloud: Cloud) -> None:
    async with cloud.edge() as edge:
        assert edge.socket.protocol.extensions
        await edge.socket.send(b" " * (FRAME_BYTES * 2), text=True)  # a few kilobytes on the wire
        await edge.closed()


async def test_a_batch_on_the_plain_wire_ends_the_connection(cloud: Cloud) -> None:
    async with cloud.edge(plain=True) as edge:
        await edge.send(keepalive(), keepalive())
        await edge.closed()


async def test_compression_is_for_twinhub_edges_only(cloud: Cloud) -> None:
    hello = Hello("edge-7")
    async with cloud.dial(hello, cloud.identity("edge-7"), compression="deflate") as socket:
        assert not socket.protocol.extensions
        assert socket.response is not None
        assert "Twinhub-Link" not in socket.response.headers
    async with cloud.edge() as edge:
        assert [extension.name for extension in edge.socket.protocol.extensions] == ["permessage-deflate"]
        assert not edge.welcome.plain


async def test_compression_can_be_switched_off(cloud_of: Callable[..., Cloud]) -> None:
    async with cloud_of(compression=False).running() as cloud, cloud.edge() as edge:
        assert not edge.socket.protocol.extensions


def deaf(connection: ClientConnection) -> None:
    """It hears nothing any more, as when a cable is cut: no answer to a ping, either."""
    transport = connection.transport
    assert isinstance(transport, asyncio.Transport)
    transport.pause_reading()


async def test_a_half_open_connection_is_noticed(cloud_of: Callable[..., Cloud]) -> None:
    async with cloud_of(ping_interval=0.1, ping_timeout=0.1).running() as cloud, cloud.edge() as edge:
        await until(cloud.links)
        await asyncio.sleep(0.5)
        assert cloud.links()  # it answers: it stays
        deaf(edge.socket)
        await until(lambda: not cloud.links())
        edge.kill()


async def test_a_plain_connection_ends_without_keepalives(cloud_of: Callable[..., Cloud]) -> None:
    now = asyncio.get_running_loop().time
    cloud = cloud_of(keepalive=0.5, ping_interval=0.1, ping_timeout=0.1)
    async with cloud.running(), cloud.edge(plain=True) as edge:
        began = now()
        while now() < began + 1.0:
            await edge.send(keepalive())
            await asyncio.sleep(0.1)
        last = now()
        assert cloud.links()
        await edge.closed(5.0)
        assert 0.3 < now() - last < 2.0


async def test_an_edge_that_does_not_read_is_cut(cloud_of: Callable[..., Cloud]) -> None:
    async with cloud_of(send_timeout=0.3, keepalive=60.0).running() as cloud, cloud.edge(plain=True) as edge:
        edge.socket.transport.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4_096)
        deaf(edge.socket)
        name = "x" * 480
        asked = new_message("twin", "resource", "update", f"device/{name}/{name}/state/update", "?")
        await until(cloud.links)
        with suppress(ConnectionClosed):
            while cloud.links():
                await edge.send(asked)
                await asyncio.sleep(0)
        await until(lambda: not cloud.links())
        edge.kill()


async def test_coming_and_going_is_logged_once(cloud: Cloud, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "cloud_sync")
    async with cloud.edge(), cloud.edge(channel=Channel.BUS):
        await until(lambda: len(cloud.links()) == 2)
    await until(lambda: not cloud.links())
    assert [record.message.split(" from ")[0].split(":")[0] for record in caplog.records] == [
        "node edge-7 is connected",
        "node edge-7 is gone",
    ]


async def test_an_edge_whose_connection_is_torn_during_delivery_gets_it_again(cloud: Cloud) -> None:
    await cloud.declare(*(f"pump-{number}" for number in range(20)))
    async with cloud.edge() as edge:
        first = await edge.receive()
        edge.kill()
    async with cloud.edge() as edge:
        again = await edge.receive()
        assert again.route == first.route
        await edge.send(acknowledge(again))
