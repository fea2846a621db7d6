"""What operators ask of pods, and of the ConfigMaps and Secrets they take values from: never for a value."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from aiohttp import web

from cloud_sync import api_forms as forms
from cloud_sync import api_views as views
from cloud_sync.api_request import Refused, answer, page, similar
from cloud_sync.known_pods import KnownPod, known_pod, known_pods
from cloud_sync.registry import Registry
from cloud_sync.stored import CONFIG_MAP, POD, SECRET, StoredObject
from cloud_sync.twin_log import TwinLog

__all__ = ["PodRoutes"]


class PodRoutes:
    """Answers over these."""

    def __init__(self, registry: Registry, log: TwinLog) -> None:
        self._registry, self._log = registry, log

    def routes(self) -> list[web.RouteDef]:
        return [
            web.get("/pods", self._pods),
            web.get("/pods/{namespace}/{name}", self._pod),
            web.get("/configmaps", self._config_maps),
            web.get("/secrets", self._secrets),
        ]

    async def _pods(self, request: web.Request) -> web.Response:
        found, following = page(request, known_pods(self._registry), lambda pod: pod.id)
        return answer(forms.Pods(await self._shown(found), following))

    async def _pod(self, request: web.Request) -> web.Response:
        name = f"{request.match_info['namespace']}/{request.match_info['name']}"
        found = known_pod(self._registry, name)
        if found is None:
            known = [pod.id for pod in known_pods(self._registry)]
            raise Refused(404, f"the cloud knows no pod {name[:200]}", similar(name, known, "pods"))
        [shown] = await self._shown([found])
        return answer(shown)

    async def _config_maps(self, request: web.Request) -> web.Response:
        return self._sources(request, CONFIG_MAP)

    async def _secrets(self, request: web.Request) -> web.Response:
        return self._sources(request, SECRET)

    def _sources(self, request: web.Request, kind: str) -> web.Response:
        sources = sorted(self._registry.objects(kind), key=_id)
        found, following = page(request, sources, _id)
        shown = [views.source(one, self._registry.users(one.key)) for one in found]
        return answer(forms.Sources(shown, following))

    async def _shown(self, found: Sequence[KnownPod]) -> list[forms.Pod]:
        latest = await self._log.latest([one.twin.id for one in found if one.twin])
        confirmed = await asyncio.gather(*(self._is_confirmed(one) for one in found))
        return [
            views.pod(one, latest.get(one.twin.id) if one.twin else None, self._conditions(one), confirmed=sure)
            for one, sure in zip(found, confirmed, strict=True)
        ]

    async def _is_confirmed(self, one: KnownPod) -> bool:
        """Whether its node has the pod as it is declared now, or is rid of what is not declared any more."""
        if one.pod is None:
            return one.declared == "edge"
        return self._registry.node(one.node) is not None and await self._registry.held.has_confirmed(one.pod)

    def _conditions(self, one: KnownPod) -> list[forms.Condition]:
        return views.conditions(self._registry.conditions(f"{POD}/{one.id}"))


def _id(stored: StoredObject) -> str:
    return stored.id
