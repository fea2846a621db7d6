"""What a stranger can hold open, and for how long."""

import asyncio
import ssl
from pathlib import Path

import pytest
from aiohttp import web
from enrolment_server import HOSTS

from cloud_sync import https
from cloud_sync.authority import Authority
from cloud_sync.https import serving
from cloud_sync.tls import bootstrap_context


@pytest.fixture
def authority(tmp_path: Path) -> Authority:
    return Authority.open(tmp_path / "ca")


async def end(port: int, context: ssl.SSLContext | None, sent: bytes) -> None:
    """Returns when the server ends the connection."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port, ssl=context)
    writer.write(sent)
    try:
        async with asyncio.timeout(5):
            while await reader.read(1000):
                pass
    finally:
        writer.close()


async def test_who_does_not_begin_tls_is_cut(authority: Authority, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(https, "_HANDSHAKE", 0.1)
    async with serving(web.Application(), bootstrap_context(authority, HOSTS), "127.0.0.1") as port:
        await end(port, None, b"")
        await end(port, None, b"\x16\x03\x01")
        await end(port, None, b"GET / HTTP/1.1\r\n\r\n")


@pytest.mark.parametrize(
    "sent", [b"", b"GET /", b"GET / HTTP/1.1\r\nHost: x\r\n", b"GET / HTTP/1.1\r\nHost: x\r\n\r\n"]
)
async def test_who_asks_nothing_more_is_cut(
    authority: Authority, monkeypatch: pytest.MonkeyPatch, sent: bytes
) -> None:
    monkeypatch.setattr(https, "_IDLE", 0.1)
    trusted = ssl.create_default_context(cadata=authority.ca_pem)
    async with serving(web.Application(), bootstrap_context(authority, HOSTS), "127.0.0.1") as port:
        await end(port, trusted, sent)


async def test_a_fault_of_our_own_is_logged_and_not_shown(
    authority: Authority, caplog: pytest.LogCaptureFixture
) -> None:
    async def broken(_request: web.Request) -> web.Response:
        raise ZeroDivisionError("our mistake")

    application = web.Application()
    application.add_routes([web.get("/", broken)])
    trusted = ssl.create_default_context(cadata=authority.ca_pem)
    async with serving(application, bootstrap_context(authority, HOSTS), "127.0.0.1") as port:
        reader, writer = await asyncio.open_connection("127.0.0.1", port, ssl=trusted)
        writer.write(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
        answer = await reader.readuntil(b"\r\n\r\n") + await reader.read(1000)
        writer.close()
    assert answer.startswith(b"HTTP/1.1 500 ")
    assert b"mistake" not in answer
    assert "our mistake" in caplog.text


async def test_a_port_that_is_taken_is_an_error(authority: Authority) -> None:
    context = bootstrap_context(authority, HOSTS)
    async with serving(web.Application(), context, "127.0.0.1") as port:
        with pytest.raises(OSError, match="address already in use"):
            async with serving(web.Application(), context, "127.0.0.1", port):
                pass


async def test_it_ends_although_someone_is_connected(authority: Authority) -> None:
    trusted = ssl.create_default_context(cadata=authority.ca_pem)
    async with asyncio.timeout(5):
        async with serving(web.Application(), bootstrap_context(authority, HOSTS), "127.0.0.1") as port:
            reader, writer = await asyncio.open_connection("127.0.0.1", port, ssl=trusted)
        assert await reader.read() == b""
        writer.close()
