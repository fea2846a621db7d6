"""A connection that stops being HTTP after its first answer, as engines use it for commands in containers."""

from __future__ import annotations

from asyncio import StreamReader, StreamWriter
from collections.abc import Mapping
from http import HTTPStatus
from typing import NamedTuple

__all__ = ["Answered", "ask"]

LONGEST = 1 << 16
"""Bytes of an answer that is none."""


class Answered(NamedTuple):
    """`upgraded`: from now on the connection is the program's."""

    upgraded: bool
    status: int
    body: bytes


async def ask(
    reader: StreamReader, writer: StreamWriter, path: str, host: str, headers: Mapping[str, str], body: bytes = b""
) -> Answered:
    """POST. OSError, EOFError, ValueError: the other end broke off, or does not speak HTTP."""
    lines = [f"POST {path} HTTP/1.1", f"Host: {host}", "Connection: Upgrade", f"Content-Length: {len(body)}"]
    lines += [f"{name}: {value}" for name, value in headers.items()]
    writer.write("\r\n".join([*lines, "", ""]).encode() + body)
    await writer.drain()
    first, *rest = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
    status = int(first.split(" ")[1])
    if status == HTTPStatus.SWITCHING_PROTOCOLS:
        return Answered(True, status, b"")
    fields = dict(line.lower().split(": ", 1) for line in rest if ": " in line)
    size = min(int(fields.get("content-length", LONGEST)), LONGEST)
    return Answered(False, status, await _some(reader, size))


async def _some(reader: StreamReader, size: int) -> bytes:
    """So many bytes, or all there are."""
    found = b""
    while len(found) < size and (data := await reader.read(size - len(found))):
        found += data
    return found
