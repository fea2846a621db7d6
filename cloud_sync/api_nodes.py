"""What operators ask and say of nodes: who there is, who may join, who may not stay, what they log."""

from __future__ import annotations

import time
from collections.abc import Callable

from aiohttp import web

from cloud_sync import api_forms as forms
from cloud_sync import api_views as views
from cloud_sync.api_request import Refused, answer, body, page, similar
from cloud_sync.hub_server import HubServer
from cloud_sync.node_logs import NodeLogs
from cloud_sync.registry import Registry
from cloud_sync.stored import NodeEntry
from cloud_sync.tokens import Tokens

__all__ = ["NodeRoutes"]

LONGEST_TOKEN = 365 * 24 * 3600.0
"""Seconds."""


class NodeRoutes:
    """Answers over these; `token_lifetime` in seconds, where a request names none."""

    def __init__(
        self,
        registry: Registry,
        server: HubServer,
        logs: NodeLogs,
        tokens: Tokens,
        *,
        token_lifetime: float,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._registry, self._server, self._logs, self._tokens = registry, server, logs, tokens
        self._token_lifetime, self._clock = token_lifetime, clock

    def routes(self) -> list[web.RouteDef]:
        return [
            web.get("/nodes", self._list),
            web.post("/nodes/{node}/revoke", self._revoke),
            web.get("/nodes/{node}/logs", self._lines),
            web.post("/tokens", self._token),
        ]

    async def _list(self, request: web.Request) -> web.Response:
        entries = sorted(self._registry.nodes(), key=lambda entry: entry.name)
        shown, following = page(request, entries, lambda entry: entry.name)
        return answer(forms.Nodes([self._shown(entry) for entry in shown], following))

    async def _revoke(self, request: web.Request) -> web.Response:
        name = self._known(request).name
        await self._registry.revoke(name)
        self._server.disconnect(name, "revoked by the operator")
        return answer(self._shown(self._known(request)))

    async def _lines(self, request: web.Request) -> web.Response:
        return answer(forms.LogLines(list(self._logs.last(self._known(request).name))))

    async def _token(self, request: web.Request) -> web.Response:
        wanted = await body(request, forms.TokenRequest)
        lifetime = self._token_lifetime if wanted.minutes is None else wanted.minutes * 60
        if not 0 < lifetime <= LONGEST_TOKEN:
            raise Refused(
                400, f"a token cannot be good for {wanted.minutes} minutes", "write more than 0, at most a year"
            )
        try:
            token = await self._tokens.issue(wanted.node, lifetime)
        except ValueError as error:
            raise Refused(400, str(error)) from None
        return answer(forms.Token(wanted.node, token, int((self._clock() + lifetime) * 1000)))

    def _known(self, request: web.Request) -> NodeEntry:
        name = request.match_info["node"]
        entry = self._registry.node(name)
        if entry is None:
            known = [entry.name for entry in self._registry.nodes()]
            raise Refused(404, f"the cloud knows no node {name[:80]}", similar(name, known, "nodes"))
        return entry

    def _shown(self, entry: NodeEntry) -> forms.Node:
        links = [link for link in self._server.links() if link.node == entry.name]
        return views.node(entry, links, len(self._registry.devices_of(entry.name)))
