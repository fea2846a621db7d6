"""What one edge has to be brought: the objects it lacks, and the desired values it has not confirmed.

What is open is in the registry and the log, not here. This works out the difference when something changes, sends it,
and writes down what the edge confirms; a new connection begins with a new difference. On our own link desired values
travel as wishes with their versions; a plain edge gets them within its device objects.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping, Sequence
from dataclasses import replace

import msgspec

from cloud_sync.desired import desired, overlaid, without
from cloud_sync.node_link import NodeLink
from cloud_sync.plan import plan
from cloud_sync.registry import Registry
from cloud_sync.settings import HubSettings
from cloud_sync.step import Held, held
from cloud_sync.stored import DEVICE, StoredObject
from cloud_sync.twin_log import TwinLog
from link import contents
from link.delivery import Delivery, DeliveryFull
from link.message import Message, content_json
from link.resources import Kind, parse
from link.rows import declared_object, wishes
from twin.documents import MsgTwin

__all__ = ["Downstream"]

_ERROR_CHARACTERS = 300
_SETTLE = 0.05
"""Seconds for which changes of the registry are collected."""
_PERHAPS = 0
"""The version of an object whose first sending, or whose delete, is not confirmed: the edge may have it, or not."""


class Downstream:
    """Of one hub connection. `run` in one task, the other methods from any of the same loop."""

    def __init__(self, link: NodeLink, registry: Registry, log: TwinLog, settings: HubSettings) -> None:
        self._link, self._registry, self._log = link, registry, log
        self._clock = asyncio.get_running_loop().time
        self._delivery = Delivery(
            plain=link.plain,
            window=settings.window,
            resend_after=settings.resend_after if link.plain else settings.resend_after_ours,
            attempts=settings.attempts,
            limit=settings.queue_limit,
        )
        self._under_way: dict[str, Message] = {}
        """The object offered last, by key, while it is not confirmed."""
        self._wished: dict[str, Mapping[str, MsgTwin]] = {}
        """The wishes offered last, by device, while they are not confirmed."""
        self._confirmed: list[tuple[str, Message]] = []
        """Not yet written down."""
        self._objects_changed = self._wishes_changed = True
        self._settling: asyncio.TimerHandle | None = None
        self._full = False
        self._wake = asyncio.Event()
        link.waiting = self._waiting

    # ---- what happens

    def objects_changed(self) -> None:
        """Something in the registry may have changed for this node, and probably more is about to: objects are often
        applied together, and followed by the wishes they carry."""
        self._objects_changed = True
        if self._settling is None:
            self._settling = asyncio.get_running_loop().call_later(_SETTLE, self._settled)

    def _settled(self) -> None:
        self._settling = None
        self._wake.set()

    def wishes_changed(self) -> None:
        """A desired value of one of its devices was set."""
        self._wishes_changed = True
        self._wake.set()

    def acknowledged(self, parent: str) -> None:
        """The edge confirmed a message, and on our link all before it."""
        confirmed = self._delivery.acknowledged(parent, self._clock())
        self._link.acked += len(confirmed)
        self._confirmed += confirmed
        self._wake.set()

    def answered_with_error(self, message: Message) -> None:
        """That confirms nothing: what it answers is sent again. About a Secret its words could repeat a value."""
        resource, content = message.route.resource, message.content
        said = "" if isinstance(content, msgspec.UnsetType) else bytes(content).decode(errors="replace")
        if parse(resource).kind is Kind.SECRET:
            said = "an error, which is in its own log"
        self._link.refuse(resource, f"the edge says: {said[:_ERROR_CHARACTERS]}")

    def _waiting(self) -> tuple[int, float, int, int]:
        delivery = self._delivery
        open_ = len(delivery) + len(self._confirmed)
        return open_, delivery.oldest(self._clock()), delivery.resent, delivery.requeued

    # ---- what is done

    async def run(self) -> None:
        """Bring it what is open, for as long as the connection lasts."""
        while True:
            self._wake.clear()
            await self._write_down()
            await self._offer()
            if due := self._delivery.due(self._clock()):
                await self._link.send(due)
            else:
                await self._pause()

    async def _pause(self) -> None:
        """Until something happens, or something is to be sent again."""
        try:
            async with asyncio.timeout_at(self._delivery.deadline(self._clock())):
                await self._wake.wait()
        except TimeoutError:
            return

    # ---- offering

    async def _offer(self) -> None:
        try:
            if self._objects_changed:
                self._objects_changed = False
                await self._offer_objects()
            if self._wishes_changed:
                self._wishes_changed = False
                await self._offer_wishes()
        except DeliveryFull:
            self._full = True  # the rest follows when some are confirmed

    async def _offer_objects(self) -> None:
        node = self._link.node
        wanted = await self._shown(self._registry.wanted(node))
        confirmed = await self._registry.held.confirmed(node, self._link.journal)
        for step in plan(wanted, self._believed(confirmed, wanted)):
            known = confirmed.get(step.key)
            if known is None or (step.message.route.operation == "delete" and known.version != _PERHAPS):
                perhaps = held(step.message)._replace(version=_PERHAPS)
                await self._registry.held.confirm(node, step.key, perhaps, self._link.journal)
            self._bring(step.key, step.message, step.before)

    def _believed(self, confirmed: Mapping[str, Held], wanted: Sequence[StoredObject]) -> dict[str, Held]:
        """What the edge has once all that is on its way has arrived, so that what is being deleted is inserted anew,
        and what was brought but never confirmed is inserted again, or deleted."""
        kept = {one.key for one in wanted}
        believed = {key: one for key, one in confirmed.items() if one.version != _PERHAPS or key not in kept}
        for key, message in self._under_way.items():
            if message.route.operation == "delete":
                believed.pop(key, None)
        return believed

    async def _offer_wishes(self) -> None:
        if self._link.plain:
            await self._offer_wishes_in_devices()
            return
        devices = [device.id for device in self._registry.devices_of(self._link.node)]
        for device_id, values in (await self._log.open_wishes(devices)).items():
            self._wish(device_id, values)

    async def _offer_wishes_in_devices(self) -> None:
        devices = {one.id: one for one in self._registry.wanted(self._link.node) if one.kind == DEVICE}
        opened = await self._log.open_wishes(devices)
        for device in await self._shown([devices[device_id] for device_id in opened]):
            earlier = self._under_way.get(device.key)
            operation = "insert" if earlier and earlier.route.operation == "insert" else "update"
            self._bring(
                device.key, declared_object(Kind.DEVICE, operation, device.namespace, device.name, device.object)
            )

    def _wish(self, device_id: str, values: Mapping[str, MsgTwin]) -> None:
        if self._wished.get(device_id) != values:
            message = wishes(device_id, msgspec.json.encode(values).decode(), time.time_ns() // 1_000_000)
            self._delivery.offer(f"Wish/{device_id}", message)
            self._wished[device_id] = values

    def _bring(self, key: str, message: Message, before: Message | None = None) -> None:
        """Offer it, unless the very same is on its way."""
        earlier = self._under_way.get(key)
        if earlier is not None and _same(earlier, message):
            return
        again = earlier is not None and earlier.route.operation == message.route.operation
        if before is not None and self._link.plain and not again:
            self._delivery.offer_unacknowledged(before)
        self._delivery.offer(key, message)
        self._under_way[key] = message

    async def _shown(self, objects: Sequence[StoredObject]) -> list[StoredObject]:
        """As this edge is to see them."""
        if not self._link.plain:
            return [replace(one, object=without(one.object)) if one.kind == DEVICE else one for one in objects]
        latest = await self._log.latest([one.id for one in objects if one.kind == DEVICE])
        return [
            replace(one, object=overlaid(one.object, _desired(latest[one.id].twin)))
            if one.kind == DEVICE and one.id in latest
            else one
            for one in objects
        ]

    # ---- confirming

    async def _write_down(self) -> None:
        """What the edge has, it need not be brought again."""
        while self._confirmed:
            key, message = self._confirmed[0]
            resource = parse(message.route.resource)
            if resource.kind is Kind.CLOUD_UPDATED:
                await self._confirm_wishes(resource.id, message)
            else:
                await self._confirm_object(key, message)
            del self._confirmed[0]
            if self._full:
                self._full, self._objects_changed, self._wishes_changed = False, True, True

    async def _confirm_wishes(self, device_id: str, message: Message) -> None:
        sent = {name: twin for name, twin in contents.twins(message).items() if twin}
        if self._wished.get(device_id) == sent:
            del self._wished[device_id]
        await self._log.confirm(device_id, sent)

    async def _confirm_object(self, key: str, message: Message) -> None:
        if (last := self._under_way.get(key)) is not None and _same(last, message):
            del self._under_way[key]
        now = None if message.route.operation == "delete" else held(message)
        await self._registry.held.confirm(self._link.node, key, now, self._link.journal)
        if now and self._link.plain and key.startswith(f"{DEVICE}/"):
            await self._confirm_values(parse(message.route.resource).id, desired(now.object))

    async def _confirm_values(self, device_id: str, values: Mapping[str, str]) -> None:
        """A plain edge has these desired values, whichever versions they had."""
        opened = (await self._log.open_wishes([device_id])).get(device_id, {})
        met = {
            name: twin for name, twin in opened.items() if twin.expected and twin.expected.value == values.get(name)
        }
        if met:
            await self._log.confirm(device_id, met)


def _same(one: Message, other: Message) -> bool:
    """Neither is a repeat of the other, but they bring the same."""
    deletes = [message.route.operation == "delete" for message in (one, other)]
    return deletes[0] == deletes[1] and content_json(one) == content_json(other)


def _desired(twin: Mapping[str, MsgTwin]) -> dict[str, str]:
    return {name: side.expected.value for name, side in twin.items() if side.expected and side.expected.value}
