"""What operators declare, and what follows from it for the twins of devices."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable

from aiohttp import web

from cloud_sync import api_forms as forms
from cloud_sync import api_views as views
from cloud_sync.api_request import Refused, answer, body, similar
from cloud_sync.desired import desired
from cloud_sync.hub_server import HubServer
from cloud_sync.known_pods import known_pod
from cloud_sync.registry import Registry
from cloud_sync.stored import CONFIG_MAP, DEVICE, KINDS, MODEL, POD, SECRET, Applied, StoredObject
from cloud_sync.twin_log import Latest, TwinLog

__all__ = ["ObjectRoutes"]

OBJECTS = 1_000
"""Objects in one request."""
_LISTED = {DEVICE: "devices", MODEL: "devices", POD: "pods", CONFIG_MAP: "configmaps", SECRET: "secrets"}
"""By kind: what `twinhub get` shows it in."""


class ObjectRoutes:
    """Answers over these."""

    def __init__(self, registry: Registry, log: TwinLog, server: HubServer) -> None:
        self._registry, self._log, self._server = registry, log, server

    def routes(self) -> list[web.RouteDef]:
        return [
            web.post("/objects", self._apply),
            web.delete(f"/objects/{{kind:{'|'.join(KINDS)}}}/{{namespace}}/{{name}}", self._delete),
        ]

    async def _apply(self, request: web.Request) -> web.Response:
        objects = (await body(request, forms.Objects)).objects
        if len(objects) > OBJECTS:
            raise Refused(413, f"{len(objects):,} objects; the most is {OBJECTS:,}", "send them in parts")
        applied = await self._registry.apply(objects, self._log.wish)
        await self._follow(one for one in applied if one.key.startswith(f"{DEVICE}/") and one.outcome != "refused")
        return answer(forms.Outcomes([self._outcome(one) for one in applied]))

    async def _follow(self, applied: Iterable[Applied]) -> None:
        """What applied devices mean for their twins: a new home, and desired values that are new or edited. Those
        that are unchanged are looked at too, so that applying again completes what was cut off."""
        devices = [(one, stored) for one in applied if (stored := self._registry.device(_id(one))) and stored.node]
        known = await self._log.latest(stored.id for _, stored in devices)
        await asyncio.gather(*(self._impose(one, stored, known.get(stored.id)) for one, stored in devices))
        self._server.wished(stored.id for _, stored in devices)

    async def _impose(self, applied: Applied, stored: StoredObject, known: Latest | None) -> None:
        twin = known.twin if known else {}
        never = {
            name: value
            for name, value in desired(stored.object).items()
            if name not in twin or twin[name].expected is None
        }
        if known is not None and known.node != stored.node:
            await self._log.rehome(stored.id, stored.node)
        if wishes := never | dict(applied.wishes):
            await self._log.wish(stored.node, stored.id, wishes)

    def _outcome(self, applied: Applied) -> forms.Applied:
        conditions = self._registry.conditions(applied.key) if applied.outcome != "refused" else []
        return forms.Applied(applied.key, applied.outcome, applied.message, views.conditions(conditions))

    async def _delete(self, request: web.Request) -> web.Response:
        kind = request.match_info["kind"]
        name = f"{request.match_info['namespace']}/{request.match_info['name']}"
        origins = self._origins(kind, name)
        if not origins:
            known = [one.id for one in self._registry.objects(kind)]
            raise Refused(404, f"the cloud knows no {kind} {name[:200]}", similar(name, known, _LISTED[kind]))
        if all(origins):
            raise Refused(409, f"{kind} {name} is declared at {origins[0]}", "delete it from the folder there")
        await self._registry.delete(f"{kind}/{name}")
        if kind == DEVICE:
            await self._log.forget(name)
        return answer({"deleted": f"{kind}/{name}"})

    def _origins(self, kind: str, name: str) -> list[str]:
        """Where objects of this name are declared; empty text = in the cloud."""
        found = [one.origin for one in self._registry.objects(kind) if one.id == name]
        if kind == POD and not found and (pod := known_pod(self._registry, name)) and pod.declared == "edge":
            found.append(pod.node)
        return found


def _id(applied: Applied) -> str:
    return applied.key.partition("/")[2]
