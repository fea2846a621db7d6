"""What operators ask of devices and twins, and what they wish of them."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence

from aiohttp import web

from cloud_sync import api_forms as forms
from cloud_sync import api_views as views
from cloud_sync.api_request import Refused, answer, body, number, page, page_size, similar
from cloud_sync.hub_server import HubServer
from cloud_sync.registry import Registry
from cloud_sync.stored import DEVICE, StoredObject
from cloud_sync.twin_log import Reading, TwinLog
from device_models import Device, limits
from device_models.problem import suggestion
from twin.rules import Rules

__all__ = ["TwinRoutes"]

LONGEST_MOMENT = 100_000
"""Readings of one property within one millisecond, at most."""
_DEVICE = "{namespace}/{name}"


class TwinRoutes:
    """Answers over these."""

    def __init__(
        self, registry: Registry, log: TwinLog, server: HubServer, clock: Callable[[], float] = time.time
    ) -> None:
        self._registry, self._log, self._server, self._clock = registry, log, server, clock
        self._rules = Rules()

    def routes(self) -> list[web.RouteDef]:
        return [
            web.get("/devices", self._devices),
            web.get("/twins", self._twins),
            web.get(f"/twins/{_DEVICE}", self._twin),
            web.post(f"/twins/{_DEVICE}/wishes", self._wish),
            web.get(f"/twins/{_DEVICE}/{{property}}/readings", self._readings),
        ]

    async def _devices(self, request: web.Request) -> web.Response:
        shown, following = page(request, self._declared(), _id)
        latest = await self._log.latest(map(_id, shown))
        found = [views.device(one, latest.get(one.id), self._registry.conditions(one.key)) for one in shown]
        return answer(forms.Devices(found, following))

    async def _twins(self, request: web.Request) -> web.Response:
        shown, following = page(request, self._declared(), _id)
        latest = await self._log.latest(map(_id, shown))
        found = [views.twin(one, latest.get(one.id), self._registry.conditions(one.key)) for one in shown]
        return answer(forms.Twins(found, following))

    async def _twin(self, request: web.Request) -> web.Response:
        return answer(await self._shown(self._known(request)))

    async def _wish(self, request: web.Request) -> web.Response:
        stored = self._known(request)
        wanted = (await body(request, forms.Wishes)).values
        self._check(self._typed(stored), wanted)
        await self._log.wish(stored.node, stored.id, wanted)
        self._server.wished([stored.id])
        return answer(await self._shown(stored))

    async def _readings(self, request: web.Request) -> web.Response:
        device, name = self._known(request).id, request.match_info["property"]
        if "at" in request.query:
            found = await self._log.at(device, name, number(request, "at", 0))
            return answer(forms.Readings([views.reading(found)] if found else []))
        since, until = number(request, "since", 0), number(request, "until", int(self._clock() * 1000) + 1)
        size, skip = page_size(request), min(number(request, "skip", 0), LONGEST_MOMENT)
        readings = await self._log.readings(device, name, since=since, until=until, limit=skip + size + 1)
        return answer(_page_of_readings(readings, since, skip, size))

    def _declared(self) -> list[StoredObject]:
        return sorted(self._registry.objects(DEVICE), key=_id)

    def _known(self, request: web.Request) -> StoredObject:
        device = f"{request.match_info['namespace']}/{request.match_info['name']}"
        stored = self._registry.device(device)
        if stored is None:
            known = map(_id, self._registry.objects(DEVICE))
            raise Refused(404, f"the cloud knows no device {device[:200]}", similar(device, known, "devices"))
        return stored

    async def _shown(self, stored: StoredObject) -> forms.Twin:
        latest = await self._log.latest([stored.id])
        lost = await self._log.lost_wishes(stored.id)
        return views.twin(stored, latest.get(stored.id), self._registry.conditions(stored.key), lost)

    def _typed(self, stored: StoredObject) -> Device:
        """The device with what it can do."""
        device = self._registry.typed_device(stored.id)
        if device is None:
            found = self._registry.conditions(stored.key)
            why, advice = (f": {found[0].message}", found[0].advice) if found else ("", "")
            raise Refused(409, f"nobody knows what {stored.id} can do{why}", advice)
        if not stored.node:
            raise Refused(409, f"{stored.id} is at no node", "write spec.nodeName into its manifest and apply it")
        return device

    def _check(self, device: Device, wanted: Mapping[str, str]) -> None:
        if not wanted:
            raise Refused(400, "nothing is wished for", 'write {"values": {"PROPERTY": "VALUE"}}')
        for name, value in wanted.items():
            prop = device.property(name)
            if prop is None:
                known = [declared.name for declared in device.properties]
                raise Refused(404, f"{device.id} has no property {name[:80]}", suggestion(name, known))
            if reason := self._rules.value_fault(value) or limits.refusal(prop, value):
                raise Refused(400, f"{device.id}: {name}: {reason}")


def _id(stored: StoredObject) -> str:
    return stored.id


def _page_of_readings(readings: Sequence[Reading], since: int, skip: int, size: int) -> forms.Readings:
    """The first `size` of these, which begin at `since`, after the `skip` that were shown already."""
    shown = readings[skip : skip + size]
    found = [views.reading(one) for one in shown]
    if len(readings) <= skip + size:
        return forms.Readings(found)
    last = shown[-1].time
    seen = sum(one.time == last for one in shown) + (skip if last == since else 0)
    return forms.Readings(found, last, seen)
