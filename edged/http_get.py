"""One small HTTP GET, as probes and hooks make it: no redirect is followed, no certificate is judged."""

from __future__ import annotations

import asyncio
import ssl

from edged.pod import HttpGetAction

__all__ = ["http_get"]

MOST_LINE = 4096
"""Bytes of the status line."""


async def http_get(action: HttpGetAction, host: str, port: int) -> int:
    """The status code. OSError or ValueError: no answer, or one that is not HTTP; the caller limits the time."""
    reader, writer = await asyncio.open_connection(host, port, ssl=_any_certificate(action.scheme), limit=MOST_LINE)
    try:
        writer.write(_request(action, host, port))
        await writer.drain()
        line = await reader.readline()
    finally:
        writer.close()
    version, _, rest = line.partition(b" ")
    if not version.startswith(b"HTTP/"):
        raise ValueError("the answer is not HTTP")
    return int(rest[:3])


def _request(action: HttpGetAction, host: str, port: int) -> bytes:
    path = action.path if action.path.startswith("/") else f"/{action.path}"
    headers = {"Host": f"{host}:{port}", "User-Agent": "twinhub-probe", "Accept": "*/*", "Connection": "close"}
    headers |= {header.name: header.value for header in action.http_headers}
    lines = [f"GET {path} HTTP/1.1", *(f"{name}: {value}" for name, value in headers.items())]
    safe = [line.replace("\r", " ").replace("\n", " ") for line in lines]
    return "\r\n".join([*safe, "", ""]).encode()


def _any_certificate(scheme: str) -> ssl.SSLContext | None:
    if scheme == "HTTP":
        return None
    context = ssl.create_default_context()
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context
