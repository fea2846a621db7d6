"""Runs the pods of an edge: edged on a container engine, the pods' twins on the bus, the door for commands."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Collection, Mapping
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Self

from device_models import Device
from edged import pod_names, pod_twin
from edged.choice import choose
from edged.declared import DeclaredPods
from edged.device_facts import bound
from edged.edged import Edged, EdgedSettings
from edged.errand_desk import ErrandDesk
from edged.events import Happening
from edged.front_door import FrontDoor
from edged.node_status import Around, address_of
from edged.overrides import Overrides
from edged.places import room_in
from edged.plan import NodeFacts
from edged.planner import NodePlanner
from edged.pod import DEVICE_ANNOTATION, Pod
from edged.retained import Retained, repeating
from edged.status import PodStatus
from edged.twin_face import TwinFace
from eventbus.connect import transport
from eventbus.device_side import DeviceSide
from eventbus.owned_task import OwnedTask
from twin.keeper import Keeper
from twin.rules import Rules
from twin.store import Store, StoreError
from twinhub.bus_session import BusSessions
from twinhub.pod_broker import PodBroker
from twinhub.settings import PodSettings
from twinhub.text import plural

__all__ = ["PodHost"]

logger = logging.getLogger("twinhub")

EVENTS_PERIOD = 5.0
"""Seconds between two looks at what happened to pods."""


class PodHost:
    """`recall` first, then `async with`, then `apply`. Nothing is started before there is a pod, or was one."""

    def __init__(
        self, settings: PodSettings, node: str, state: Path, catalogue: Store, keeper: Keeper, rules: Rules
    ) -> None:
        """`state`: a directory of this hub alone. `rules`: those of the keeper."""
        self._settings = settings
        self._node = node
        self._state = state
        self._directory = state / "edged"
        self._keeper = keeper
        self._strict, self._largest = rules.strict, rules.value_bytes
        self._overrides = Overrides(catalogue)
        self._room = room_in(self._directory)
        self._facts = NodeFacts(node, address_of())
        self._in_use = self._directory.exists()
        self._before: Collection[str] = ()
        self._pods: Mapping[str, Pod] = {}
        self._refused: dict[str, dict[str, str]] = {}
        """Of each pod the wishes that cannot be and were told."""
        self._unknown: set[str] = set()
        """Devices that pods are bound to and nobody has declared here."""
        self._others: Mapping[str, str] = {}
        """Pods that are declared here for other nodes, and for which."""
        self._broker: PodBroker
        self._edged: Edged | None = None
        self._face: TwinFace
        self._retained: Retained
        self._stack = AsyncExitStack()

    async def recall(self, before: Collection[str]) -> None:
        """What was wished of pods. `before`: the ids of those that were to run last. Raises `StoreError`."""
        self._before = before
        await self._overrides.recall()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *exc: object) -> None:
        self._keeper.on_state = None
        await self._stack.aclose()

    def devices(self, pods: DeclaredPods) -> list[Device]:
        """The devices whose twins show these pods."""
        mine = pods.on(self._node).values()
        self._in_use = self._in_use or bool(mine)
        return [pod_twin.device_of(pod, self._node, strict=self._strict) for pod in mine]

    def around(self, link: bool | None) -> Around:
        """What is known of the node here. `link`: whether it has its cloud."""
        if self._edged is None:
            return Around(idle=True, link=link)
        return Around(self._edged.info, self._edged.absence, link=link)

    async def apply(self, pods: DeclaredPods, sessions: BusSessions, broker: PodBroker) -> None:
        """From now on these are to run. The hub knows their `devices`."""
        self._tell_of_others(pods)
        if self._in_use:
            self._pods = pods.on(self._node)
            self._refused = {pod_id: told for pod_id, told in self._refused.items() if pod_id in self._pods}
            edged = self._edged or await self._start(sessions, broker)
            self._face.serve(frozenset(map(pod_names.twin_id, self._pods)))
            for pod_id, pod in self._pods.items():
                edged.override(pod_id, self._overrides.of(pod))
            edged.apply(self._pods, NodePlanner(pods.sources, self._facts, self._room))
            self.devices_changed()
        await self._forget_wishes()

    def devices_changed(self) -> None:
        """Devices were declared or declared no longer: pods may be bound to them."""
        bound_to = {pod.metadata.annotations.get(DEVICE_ANNOTATION, "") for pod in self._pods.values()} - {""}
        known = {device_id: self._keeper.device(device_id) for device_id in sorted(bound_to)}
        self._broker.admit([device for device in known.values() if device])
        self._tell_of_unknown({device_id for device_id, device in known.items() if device is None})
        for device_id in bound_to:
            self._hear_device(device_id)

    def _tell_of_unknown(self, devices: set[str]) -> None:
        """Each once."""
        for device_id in sorted(devices - self._unknown):
            logger.warning(
                "a pod waits for %s, which is no device of %s: mend its %s, or declare the device",
                device_id,
                self._node,
                DEVICE_ANNOTATION,
            )
        self._unknown = devices

    async def _start(self, sessions: BusSessions, broker: PodBroker) -> Edged:
        enter = self._stack.enter_async_context
        self._broker = broker
        runtime = await asyncio.to_thread(choose, self._settings.runtime, self._directory)
        bus = transport(sessions.mapper(pod_twin.PROTOCOL))
        side = DeviceSide(bus, "pods")
        self._retained = Retained(bus.publish)
        bus.on_up = repeating(self._retained, bus.on_up)
        self._face = await enter(TwinFace(await enter(side), self._fulfil))
        settings = EdgedSettings(device_away=self._settings.device_away_seconds, host_ip=self._facts.address)
        self._edged = edged = Edged(runtime, self._node, self._directory, self._told, settings)
        await enter(edged)
        try:
            await enter(FrontDoor(self._state, ErrandDesk(edged, runtime).serve))
        except OSError as error:
            logger.error("`twinhub logs`, `exec` and `image` will not reach this hub: no socket: %s", error)
        await enter(OwnedTask(self._watch(), "what happens to pods"))
        for pod_id in set(self._before) - self._pods.keys():
            self._retained.pod(pod_id, None)
        self._keeper.on_state = self._hear_device
        logger.info("%s to run on %s", plural(len(self._pods), "pod"), self._node)
        return edged

    def _tell_of_others(self, pods: DeclaredPods) -> None:
        """Each once."""
        others = {
            pod.id: pod.spec.node_name for pod in pods.pods.values() if pod.spec.node_name not in ("", self._node)
        }
        for pod_id, name in others.items() - self._others.items():
            logger.info("%s is for the node %s, not for this one, %s", pod_id, name, self._node)
        self._others = others

    async def _forget_wishes(self) -> None:
        """Of pods that are not declared any more."""
        try:
            await self._overrides.forget_all_but(self._pods)
        except StoreError as error:
            logger.error("what was wished of pods that are gone could not be forgotten: %s", error)

    def _told(self, pod_id: str, status: PodStatus | None) -> None:
        self._retained.pod(pod_id, status)
        self._report(pod_id)

    def _report(self, pod_id: str) -> None:
        assert self._edged
        pod, status = self._pods.get(pod_id), self._edged.status(pod_id)
        if pod and status:
            override, events = self._overrides.of(pod), self._edged.events(pod_id)
            values = pod_twin.readings(status, events, override, strict=self._strict, largest=self._largest)
            self._face.report(pod_names.twin_id(pod_id), pod_twin.state(status), values)

    async def _fulfil(self, device_id: str, wishes: Mapping[str, str]) -> Mapping[str, str]:
        pod_id = pod_names.pod_of(device_id) or ""
        pod = self._pods.get(pod_id)
        if pod is None or self._edged is None:
            return {}
        refused = await self._overrides.wish(pod, wishes)
        self._tell_of_refused(pod_id, wishes, refused)
        self._edged.override(pod_id, self._overrides.of(self._pods.get(pod_id, pod)))
        self._report(pod_id)
        return refused

    def _tell_of_refused(self, pod_id: str, wishes: Mapping[str, str], refused: Mapping[str, str]) -> None:
        """Each once: an event is reported, and what is reported is answered with the wishes that are open."""
        assert self._edged
        told = self._refused.setdefault(pod_id, {})
        for name, wish in wishes.items():
            if name not in refused:
                told.pop(name, None)
            elif told.get(name) != wish:
                told[name] = wish
                text = f"the wish {name} = {wish!r:.60} cannot be: {refused[name]}"
                self._edged.say(pod_id, Happening("Warning", "WishRefused", text))

    def _hear_device(self, device_id: str) -> None:
        """A device said how it is, or may have come or gone."""
        device, said = self._keeper.device(device_id), self._keeper.state(device_id)
        if self._edged and any(
            pod.metadata.annotations.get(DEVICE_ANNOTATION) == device_id for pod in self._pods.values()
        ):
            online = device is not None and said is not None and said.state.lower() in ("online", "ok")
            self._edged.device(device_id, bound(device, self._broker.env(device_id)) if device and online else None)

    async def _watch(self) -> None:
        """Of what happens to a pod without another status nobody tells."""
        while True:
            await asyncio.sleep(EVENTS_PERIOD)
            for pod_id in self._pods:
                self._report(pod_id)
