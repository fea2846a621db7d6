"""An aiohttp application behind TLS, with limits on what a stranger can hold open."""

from __future__ import annotations

import asyncio
import logging
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from aiohttp import web
from aiohttp.http_exceptions import HttpProcessingError

from link.limits import HEADER_CHARACTERS, TOKEN_CHARACTERS

__all__ = ["serving"]

logger = logging.getLogger("cloud_sync.https")

_HANDSHAKE = 15.0
"""Seconds for TLS."""
_IDLE = 30.0
"""Seconds a connection may stand without a whole request."""
_LINGER = 2.0
"""Seconds for a peer to finish what it sends after it was answered."""
_HEADERS = 64
"""Headers of a request."""


def _our_fault(record: logging.LogRecord) -> bool:
    """What is no HTTP, or breaks off, is the fault of the peer, who was answered: no stranger fills the log."""
    kind = record.exc_info[0] if record.exc_info else None
    return kind is None or not issubclass(kind, HttpProcessingError | ConnectionError)


logger.addFilter(_our_fault)


@asynccontextmanager
async def serving(
    application: web.Application, context: ssl.SSLContext, host: str | None = None, port: int = 0
) -> AsyncIterator[int]:
    """Serve on `host` (None = all addresses) and `port` (0 = any free one); yields the port. Raises `OSError`."""
    runner = web.AppRunner(
        application,
        access_log=None,
        logger=logger,
        auto_decompress=False,  # nobody compresses what is sent here, unless to make it grow
        keepalive_timeout=_IDLE,
        max_headers=_HEADERS,
        max_line_size=TOKEN_CHARACTERS + HEADER_CHARACTERS,
        max_field_size=TOKEN_CHARACTERS + HEADER_CHARACTERS,
        lingering_time=_LINGER,
        shutdown_timeout=_LINGER,
    )
    await runner.setup()
    assert runner.server is not None
    try:
        server = await asyncio.get_running_loop().create_server(
            runner.server, host, port, ssl=context, ssl_handshake_timeout=_HANDSHAKE, reuse_address=True
        )
        try:
            yield server.sockets[0].getsockname()[1]
        finally:
            server.close()
    finally:
        await runner.cleanup()
