"""libpod's REST interface: one call each, bounded in time; what goes wrong comes out in edged's words."""

from __future__ import annotations

import asyncio
import json
import re
from asyncio import StreamReader, StreamWriter
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, NamedTuple

from aiohttp import ClientConnectorError, ClientError, ClientResponse, ClientSession, ClientTimeout, UnixConnector

from edged import http_upgrade
from edged.runtime import NoSuchThing, RuntimeRefused, RuntimeUnavailable

__all__ = ["Answer", "Api"]

_PATH = "/v4.0.0/libpod"
PREFIX = f"http://podman{_PATH}"
"""The oldest version that has all that is asked here; newer services speak it too."""
TIMEOUT = 60.0
"""Seconds for a call that has nothing to wait for."""
CONNECTIONS = 256
"""At once; one that stops a container is busy for all its grace."""
MOST_ANSWER = 64 * 1024 * 1024
"""Bytes."""
_ABSENT = ("no such pod", "no such container", "no such image", "no such exec session", "image not known")
"""Causes that podman (4.3) tells with status 500 too."""


class Answer(NamedTuple):
    status: int
    body: bytes
    version: str
    """Of the service."""

    def json(self) -> Any:
        """RuntimeUnavailable: it is none."""
        try:
            return json.loads(self.body)
        except ValueError:
            raise RuntimeUnavailable("podman's service answered something that is not JSON") from None

    def lines(self) -> list[dict[str, Any]]:
        """A report of progress, one object a line."""
        return [_object(line) for line in self.body.splitlines()]


class Api:
    """A connection to the service at `socket`. `ensure` is asked when nobody listens there: once it returns the call
    is made again, since nothing of it was sent."""

    def __init__(self, socket: Path, ensure: Callable[[], Awaitable[None]]) -> None:
        # a connection that was kept would break when it is used again after the service was, with a call half made
        connector = UnixConnector(str(socket), limit=CONNECTIONS, force_close=True)
        self._session = ClientSession(connector=connector, timeout=ClientTimeout(total=None))
        self.socket = socket
        self._ensure = ensure

    async def close(self) -> None:
        await self._session.close()

    async def version(self) -> str:
        """The service's. RuntimeUnavailable: it is too old, or is none."""
        try:
            answer = await self.call("GET", "/_ping")
        except RuntimeRefused:
            raise RuntimeUnavailable(f"what listens at {self.socket} is not podman") from None
        if not re.match(r"[4-9]|[1-9]\d", answer.version):
            raise RuntimeUnavailable(f"podman {answer.version} at {self.socket} is too old: 4.0 or newer is needed")
        return answer.version

    async def call(
        self,
        method: str,
        path: str,
        query: Mapping[str, str] | None = None,
        *,
        refused: str = "",
        within: float = TIMEOUT,
        **body: Any,
    ) -> Answer:
        """NoSuchThing; RuntimeRefused with the reason `refused`; RuntimeUnavailable, also after `within` seconds."""
        try:
            async with asyncio.timeout(within), self._open(method, path, query, body) as response:
                answer = await _answer(response)
        except TimeoutError:
            raise RuntimeUnavailable(f"podman's service did not answer within {within:.0f} s") from None
        if answer.status >= 400:
            raise _refusal(answer, refused)
        return answer

    @asynccontextmanager
    async def stream(
        self, method: str, path: str, query: Mapping[str, str] | None = None, *, refused: str = "", **body: Any
    ) -> AsyncIterator[ClientResponse]:
        """An answer to be read bit by bit, which may have no end: the caller limits size and time."""
        async with self._open(method, path, query, body) as response:
            if response.status >= 400:
                raise _refusal(await _answer(response), refused)
            yield response

    async def upgrade(self, path: str, body: Mapping[str, Any]) -> tuple[StreamReader, StreamWriter]:
        """A connection that stops being HTTP, for what runs behind this call. RuntimeRefused, RuntimeUnavailable."""
        headers = {"Upgrade": "tcp", "Content-Type": "application/json"}
        try:
            async with asyncio.timeout(TIMEOUT):
                reader, writer = await asyncio.open_unix_connection(self.socket)
                answer = await http_upgrade.ask(
                    reader, writer, _PATH + path, "podman", headers, json.dumps(body).encode()
                )
        except (OSError, EOFError, ValueError) as error:
            raise RuntimeUnavailable(f"podman's service at {self.socket} broke off: {_words(error)}") from None
        if not answer.upgraded:
            writer.close()
            raise _refusal(Answer(answer.status, answer.body, "?"), "")
        return reader, writer

    @asynccontextmanager
    async def _open(
        self, method: str, path: str, query: Mapping[str, str] | None, body: Mapping[str, Any]
    ) -> AsyncIterator[ClientResponse]:
        try:
            async with await self._request(method, path, query, body) as response:
                yield response
        except (ClientError, OSError) as error:
            raise RuntimeUnavailable(f"podman's service at {self.socket} broke off: {_words(error)}") from None

    async def _request(
        self, method: str, path: str, query: Mapping[str, str] | None, body: Mapping[str, Any]
    ) -> ClientResponse:
        try:
            return await self._session.request(method, PREFIX + path, params=query, **_fresh(body))
        except ClientConnectorError:
            await self._ensure()
            return await self._session.request(method, PREFIX + path, params=query, **_fresh(body))


def _fresh(body: Mapping[str, Any]) -> Mapping[str, Any]:
    """With `data` as its function gives it for each attempt: whoever sends a file closes it."""
    return {**body, "data": body["data"]()} if "data" in body else body


async def _answer(response: ClientResponse) -> Answer:
    body = bytearray()
    async for chunk in response.content.iter_any():
        body += chunk
        if len(body) > MOST_ANSWER:
            raise RuntimeUnavailable(f"podman's service answered more than {MOST_ANSWER} bytes")
    return Answer(response.status, bytes(body), response.headers.get("Libpod-Api-Version", "?"))


def _refusal(answer: Answer, reason: str) -> RuntimeRefused:
    body = _object(answer.body)
    text = body.get("message") or "; ".join(body.get("Errs") or ()) or f"podman refused with status {answer.status}"
    message = str(text).strip()[:1000]
    absent = answer.status == 404 or body.get("cause") in _ABSENT
    return NoSuchThing(reason, message) if absent else RuntimeRefused(reason, message)


def _object(text: bytes) -> dict[str, Any]:
    """Empty: it is none."""
    try:
        value = json.loads(text)
    except ValueError:
        return {}
    return value if isinstance(value, dict) else {}


def _words(error: Exception) -> str:
    return str(error) or type(error).__name__
