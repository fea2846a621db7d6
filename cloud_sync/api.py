"""The operators' interface: what the cloud knows and is told, as JSON over HTTPS below `/api/v1/`.

Who asks shows a certificate of this cloud's authority whose organisation is `twinhub:operators`; an edge's is
refused. The forms, and what an answer from 400 up holds, are in `api_forms`.
"""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable, Iterable

from aiohttp import web

from cloud_sync.api_request import Refused, answering
from cloud_sync.tls import peer
from link.enrolment import OPERATORS

__all__ = ["PREFIX", "api"]

PREFIX = "/api/v1/"


def api(routes: Iterable[web.RouteDef], clock: Callable[[], float] = time.time) -> web.Application:
    """These routes for operators only; to be mounted at `PREFIX`. `clock`: Unix seconds."""

    @web.middleware
    async def operators_only(
        request: web.Request, handler: Callable[[web.Request], Awaitable[web.StreamResponse]]
    ) -> web.StreamResponse:
        _check(request, clock())
        return await handler(request)

    application = web.Application(middlewares=[answering, operators_only])
    application.add_routes(routes)
    return application


def _check(request: web.Request, now: float) -> None:
    who = peer(request.get_extra_info("ssl_object"))
    if who is None:
        raise Refused(401, "no certificate was shown", "name the cloud's operator.pem with --credentials FILE")
    if who.organisation != OPERATORS:
        raise Refused(403, "this certificate is not an operator's", "use the cloud's operator.pem")
    if who.not_after <= now:
        raise Refused(403, "these operator credentials have expired", "the cloud makes new ones when it starts")
