"""What the messages of a cloud mean here. One is done, and may be acknowledged, when what it says is durable."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Mapping

import msgspec

from edgehub.bad_content import BadContent
from edgehub.cloud_devices import DEVICE, MODEL, CloudDevices
from edgehub.cloud_pods import CONFIG_MAP, POD, SECRET, CloudPods, twin_of
from edgehub.pending_wishes import PendingWishes
from eventbus.hub_side import HubSide
from link import contents
from link.message import BadFrame, Message, decode_content
from link.resources import Kind, Resource, parse
from twin.documents import MsgTwin
from twin.refused import Refused

__all__ = ["Done", "Downlink"]

logger = logging.getLogger("edgehub")

Done = asyncio.Future[None]
"""Ends when a message is durable, or with the storage error that prevents it."""

_DEVICES = {Kind.DEVICE: DEVICE, Kind.MODEL: MODEL}
_PODS = {Kind.POD: POD, Kind.CONFIG_MAP: CONFIG_MAP, Kind.SECRET: SECRET}
_NOT_OURS = frozenset({"podlist", "node", "serviceaccounttoken", "membership", "rule", "ruleendpoint", "lease"})
"""What KubeEdge sends to every node; nothing here has a use for it. (Membership follows from the devices.)"""
REMEMBERED_KINDS = 100


class Downlink:
    """Shared by all connections of the hub channel; messages are taken one after the other."""

    def __init__(self, devices: CloudDevices, pods: CloudPods, wishes: PendingWishes, hub_side: HubSide) -> None:
        self._devices = devices
        self._pods = pods
        self._wishes = wishes
        self._hub_side = hub_side
        self._unknown: set[str] = set()
        self.refused = 0
        """Messages that can never be used; they were told and acknowledged."""

    async def take(self, message: Message) -> Done | None:
        """Do what a message says. Returns what to wait for, None when it is done already. Raises `StoreError` when
        the disk fails: the message must come again."""
        resource = parse(message.route.resource)
        try:
            if kind := _DEVICES.get(resource.kind):
                await _take_object(self._devices, kind, resource, message)
                await self._forget_wishes(resource, message)
            elif kind := _PODS.get(resource.kind):
                await _take_object(self._pods, kind, resource, message)
                await self._forget_wishes(resource, message)
            elif resource.kind is Kind.CLOUD_UPDATED:
                return await self._take_wishes(resource.id, message)
            else:
                self._pass_over(message)
        except (BadContent, BadFrame) as fault:
            self.refused += 1
            logger.error("the cloud sent what cannot be used: %.500s", fault)
        return None

    async def carry_out(self) -> None:
        """The wishes that waited for devices which are served now. Raises `StoreError`."""
        for device_id, wishes in self._wishes.of(self._serves).items():
            await self._wish(device_id, wishes)
            await self._wishes.forget(device_id)

    def _serves(self, device_id: str) -> bool:
        """And goes on doing so: what is about to go takes no more wishes, one of its name may follow."""
        going = self._devices.is_giving_way(device_id) or self._pods.is_giving_way(device_id)
        return self._hub_side.serves(device_id) and not going

    async def _forget_wishes(self, resource: Resource, message: Message) -> None:
        if message.route.operation == "delete" and resource.kind in (Kind.DEVICE, Kind.POD):
            await self._wishes.forget(resource.id if resource.kind is Kind.DEVICE else twin_of(resource.id))

    async def _take_wishes(self, device_id: str, message: Message) -> Done | None:
        wishes = contents.twins(message)
        if self._serves(device_id):
            return self._wish(device_id, wishes)
        await self._wishes.put(device_id, wishes)
        return None

    def _wish(self, device_id: str, wishes: Mapping[str, MsgTwin | None]) -> Done:
        done: Done = asyncio.get_running_loop().create_future()
        done.add_done_callback(lambda done: done.cancelled() or done.exception())  # even if nobody waits any more

        def durable(error: Exception | None) -> None:
            if not done.done():
                done.set_exception(error) if error else done.set_result(None)

        try:
            self._hub_side.cloud_update(device_id, wishes, durable)
        except Refused as refusal:
            raise BadContent(refusal.reason) from None
        return done

    def _pass_over(self, message: Message) -> None:
        """Nothing for us; said once of each kind."""
        parts = message.route.resource.split("/")
        kind = parts[1] if len(parts) > 1 else parts[0]
        if kind in _NOT_OURS or kind in self._unknown or len(self._unknown) >= REMEMBERED_KINDS:
            return
        self._unknown.add(kind)
        logger.info("the cloud sends %.100s (%.100s), for which there is no use here", kind, message.route.source)


async def _take_object(objects: CloudDevices | CloudPods, kind: str, resource: Resource, message: Message) -> None:
    if message.route.operation == "delete":
        gone = decode_content(message) if not isinstance(message.content, msgspec.UnsetType) else {}
        await objects.delete(kind, resource.namespace, resource.name, gone)
    else:
        await objects.put(kind, resource.namespace, resource.name, decode_content(message))
