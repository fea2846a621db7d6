"""Requests of operators, read within limits; whatever is wrong with one is answered, with what to do."""

from __future__ import annotations

import asyncio
import logging
from bisect import bisect_right
from collections.abc import Awaitable, Callable, Iterable, Sequence
from typing import TypeVar

import msgspec
from aiohttp import web

from cloud_sync.api_forms import Failure
from cloud_sync.twin_log import TwinLogError
from device_models.problem import nearest
from twin.store import StoreError

__all__ = ["BODY_BYTES", "PAGE", "Refused", "answer", "answering", "body", "number", "page", "page_size", "similar"]

logger = logging.getLogger("cloud_sync")

T = TypeVar("T")
Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]

BODY_BYTES = 16 * 1024 * 1024
BODY_SECONDS = 60.0
"""Within which a body must have arrived."""
PAGE = 200
"""Entries of one page, at most and by default: more would hold up the links for too long."""
LARGEST_NUMBER = 2**53


class Refused(Exception):
    """The request is not carried out; nothing has changed."""

    def __init__(self, status: int, message: str, advice: str = "") -> None:
        super().__init__(message)
        self.status, self.failure = status, Failure(message, advice)


def answer(form: object, status: int = 200) -> web.Response:
    """The form as JSON."""
    return web.Response(body=msgspec.json.encode(form), status=status, content_type="application/json")


@web.middleware
async def answering(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Turns what goes wrong in a handler into a `Failure`."""
    try:
        return await handler(request)
    except Refused as refused:
        return answer(refused.failure, refused.status)
    except web.HTTPException as error:
        return answer(Failure(error.reason, "`twinhub --version` here and in the cloud may differ"), error.status)
    except (TwinLogError, StoreError) as error:
        logger.error("%s %s: %s", request.method, request.path, error)
        return answer(Failure(str(error), "the cloud's log says more"), 503)


async def body(request: web.Request, form: type[T]) -> T:
    """The body of a request as `form`."""
    try:
        async with asyncio.timeout(BODY_SECONDS):
            content = await _content(request)
    except TimeoutError:
        raise Refused(408, f"the body did not arrive within {BODY_SECONDS:g} s", "try again") from None
    try:
        return msgspec.json.decode(content, type=form)
    except (msgspec.MsgspecError, UnicodeError, RecursionError) as error:
        raise Refused(400, f"the body is not understood: {error}") from None


async def _content(request: web.Request) -> bytes:
    content = bytearray()
    async for chunk in request.content.iter_any():
        content += chunk
        if len(content) > BODY_BYTES:
            raise Refused(413, f"the body has more than {BODY_BYTES // 2**20} MiB", "send it in parts")
    return bytes(content)


def number(request: web.Request, name: str, default: int) -> int:
    """A whole number of the query, from 0 up."""
    text = request.query.get(name)
    if text is None:
        return default
    if not (text.isascii() and text.isdigit() and len(text) < 17 and int(text) <= LARGEST_NUMBER):
        raise Refused(400, f"{name} is {text[:40]!r}", "write a whole number from 0 up")
    return int(text)


def page(request: web.Request, entries: Sequence[T], key: Callable[[T], str]) -> tuple[Sequence[T], str]:
    """The entries after the one named by `after`, as many as are wanted at once, and where to go on: empty = that is
    all. They come sorted by `key`."""
    start = bisect_right(entries, request.query.get("after", ""), key=key)
    found = entries[start : start + page_size(request)]
    return found, key(found[-1]) if start + len(found) < len(entries) else ""


def page_size(request: web.Request) -> int:
    """How many entries are wanted at once."""
    return max(1, min(number(request, "limit", PAGE), PAGE))


def similar(word: str, known: Iterable[str], things: str) -> str:
    """What to do when there is nothing of that name."""
    near = nearest(word, known)
    return f"did you mean {near}?" if near else f"`twinhub get {things}` lists those it knows"
