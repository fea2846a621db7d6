"""The proxy passes bytes on, and every disturbance does what it says."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from mappers.testing.proxy import Proxy

Streams = tuple[asyncio.StreamReader, asyncio.StreamWriter]


async def _echo(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while data := await reader.read(1000):
        writer.write(data)
    writer.close()


@pytest.fixture
async def proxy() -> AsyncIterator[Proxy]:
    """In front of a device that says what it was told."""
    device = await asyncio.start_server(_echo, "127.0.0.1", 0)
    async with device, Proxy("127.0.0.1", device.sockets[0].getsockname()[1]) as proxy:
        yield proxy
    await asyncio.sleep(0.01)  # what was just closed is seen off


@asynccontextmanager
async def connected(proxy: Proxy) -> AsyncIterator[Streams]:
    reader, writer = await asyncio.open_connection(proxy.host, proxy.port)
    try:
        yield reader, writer
    finally:
        writer.close()


async def said(streams: Streams, words: bytes, within: float = 20.0) -> bytes:
    streams[1].write(words)
    async with asyncio.timeout(within):
        return await streams[0].readexactly(len(words))


async def test_it_passes_on(proxy: Proxy) -> None:
    async with connected(proxy) as streams:
        assert await said(streams, b"hello") == b"hello"
        assert await said(streams, b"x" * 300_000) == b"x" * 300_000


async def test_silence_holds_all_until_it_is_whole(proxy: Proxy) -> None:
    async with connected(proxy) as streams:
        await proxy.silence()
        with pytest.raises(TimeoutError):
            await said(streams, b"hello", within=0.1)
        async with connected(proxy) as others:
            with pytest.raises(TimeoutError):
                await said(others, b"me too", within=0.1)
        await proxy.whole()
        assert await asyncio.wait_for(streams[0].readexactly(5), 20) == b"hello"


async def test_slow_delays_each_word_and_not_the_sum(proxy: Proxy) -> None:
    async with connected(proxy) as streams:
        await proxy.slow(0.3)
        started = asyncio.get_running_loop().time()
        for _ in range(5):
            streams[1].write(b"word.")
            await asyncio.sleep(0.02)
        await asyncio.wait_for(streams[0].readexactly(25), 20)
        assert asyncio.get_running_loop().time() - started >= 0.3


async def test_slowness_that_ends_brings_what_is_on_the_way(proxy: Proxy) -> None:
    async with connected(proxy) as streams:
        await proxy.slow(3600)
        streams[1].write(b"hello")
        await asyncio.sleep(0.05)
        await proxy.whole()
        assert await asyncio.wait_for(streams[0].readexactly(5), 20) == b"hello"


async def test_garble_makes_noise_of_the_same_length(proxy: Proxy) -> None:
    async with connected(proxy) as streams:
        await proxy.garble()
        assert await said(streams, b"x" * 100) != b"x" * 100
        await proxy.whole()
        assert await said(streams, b"hello") == b"hello"


async def test_drop_ends_connections_and_welcomes_new_ones(proxy: Proxy) -> None:
    async with connected(proxy) as streams:
        assert await said(streams, b"hello") == b"hello"
        await proxy.drop()
        with pytest.raises((EOFError, OSError)):
            await said(streams, b"hello")
    async with connected(proxy) as streams:
        assert await said(streams, b"hello") == b"hello"
    assert proxy.connections == 2


async def test_refuse_lets_nobody_in_until_it_is_whole_at_the_same_port(proxy: Proxy) -> None:
    port = proxy.port
    async with connected(proxy) as streams:
        await proxy.refuse()
        with pytest.raises((EOFError, OSError)):
            await said(streams, b"hello")
    with pytest.raises(OSError):
        await asyncio.open_connection(proxy.host, proxy.port)
    await proxy.whole()
    assert proxy.port == port
    async with connected(proxy) as streams:
        assert await said(streams, b"hello") == b"hello"


async def test_a_device_that_is_not_there_ends_the_connection() -> None:
    gone = await asyncio.start_server(_echo, "127.0.0.1", 0)
    port = gone.sockets[0].getsockname()[1]
    gone.close()
    await gone.wait_closed()
    async with Proxy("127.0.0.1", port) as proxy, connected(proxy) as streams:
        with pytest.raises((EOFError, OSError)):
            await said(streams, b"hello")
