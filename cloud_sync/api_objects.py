"""What operators declare: devices and models, and what follows from it for the twins."""

from __future__ import annotations

from aiohttp import web

from cloud_sync import api_forms as forms
from cloud_sync import api_views as views
from cloud_sync.api_request import Refused, answer, body, similar
from cloud_sync.hub_server import HubServer
from cloud_sync.registry import Registry
from cloud_sync.stored import DEVICE, MODEL, Applied
from cloud_sync.twin_log import TwinLog

__all__ = ["ObjectRoutes"]

OBJECTS = 5_000
"""Objects in one request."""


class ObjectRoutes:
    """Answers over these."""

    def __init__(self, registry: Registry, log: TwinLog, server: HubServer) -> None:
        self._registry, self._log, self._server = registry, log, server

    def routes(self) -> list[web.RouteDef]:
        return [
            web.post("/objects", self._apply),
            web.delete(f"/objects/{{kind:{DEVICE}|{MODEL}}}/{{namespace}}/{{name}}", self._delete),
        ]

    async def _apply(self, request: web.Request) -> web.Response:
        objects = (await body(request, forms.Objects)).objects
        if len(objects) > OBJECTS:
            raise Refused(413, f"{len(objects):,} objects; the most is {OBJECTS:,}", "send them in parts")
        applied = await self._registry.apply(objects)
        for one in applied:
            await self._follow(one)
        return answer(forms.Outcomes([self._outcome(one) for one in applied]))

    async def _follow(self, applied: Applied) -> None:
        """What an applied device means for its twin: its new home, and desired values that are new or edited."""
        kind, _, device = applied.key.partition("/")
        stored = self._registry.device(device) if kind == DEVICE else None
        if stored is None:
            return
        if applied.moved_from is not None:
            await self._log.rehome(device, stored.node)
        if applied.wishes:
            await self._log.wish(stored.node, device, applied.wishes)
        if applied.wishes or applied.moved_from is not None:
            self._server.wished([device])

    def _outcome(self, applied: Applied) -> forms.Applied:
        conditions = self._registry.conditions(applied.key) if applied.outcome != "refused" else []
        return forms.Applied(applied.key, applied.outcome, applied.message, views.conditions(conditions))

    async def _delete(self, request: web.Request) -> web.Response:
        kind = request.match_info["kind"]
        name = f"{request.match_info['namespace']}/{request.match_info['name']}"
        objects = self._registry.objects(kind)
        origins = [one.origin for one in objects if one.id == name]
        if not origins:
            known = [one.id for one in objects]
            raise Refused(404, f"the cloud knows no {kind} {name[:200]}", similar(name, known, "devices"))
        if all(origins):
            raise Refused(409, f"{kind} {name} is declared at {origins[0]}", "delete it from the folder there")
        await self._registry.delete(f"{kind}/{name}")
        if kind == DEVICE:
            await self._log.forget(name)
        return answer({"deleted": f"{kind}/{name}"})
