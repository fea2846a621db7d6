"""The composition of an edge: memory (journal, catalogue), broker, the hub's side of the bus, the mappers, the pods,
and the link to the cloud where the edge has joined one."""

from __future__ import annotations

import asyncio
import logging
import socket
from collections.abc import Mapping, Sequence
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any, Self

import msgspec
from prometheus_client.registry import Collector

from device_models import Device
from edged import node_twin, pod_names, pod_twin
from edged.node_status import Around
from edged.twin_documents import documents
from edgehub import declarations
from edgehub.edge_hub import EdgeHub
from edgehub.identity import Identity
from edgehub.kept_objects import Object
from edgehub.metrics import LinkCollector
from edgehub.settings import LinkSettings
from eventbus.connect import transport
from eventbus.hub_side import HubSide
from mappers.protocols import PROTOCOLS
from twin.journal import Journal
from twin.keeper import Keeper
from twin.rules import Rules
from twin.store import Store, StoreError, open_store
from twinhub.bus_session import BusSessions
from twinhub.catalogue_file import READABLE_DEVICES, catalogue_file
from twinhub.cloud_devices import beside
from twinhub.declared import Declared
from twinhub.manifests import Manifests, protocol_schemas
from twinhub.mapper_host import MapperHost
from twinhub.node_host import NodeHost
from twinhub.own_broker import OwnBroker, as_ourselves
from twinhub.pod_broker import PodBroker
from twinhub.pod_host import PodHost
from twinhub.pod_origins import PodOrigins
from twinhub.settings import FILE, CloudSettings, Settings
from twinhub.state_dir import announce
from twinhub.text import plural

__all__ = ["Edge"]

logger = logging.getLogger("twinhub")

DERIVED = (pod_twin.PROTOCOL, node_twin.PROTOCOL)


class Edge:
    """One hub. Entered, it has its memory; `start` gives it a broker and mappers, `apply` new declarations."""

    def __init__(
        self, settings: Settings, folder: Path, state: Path, count: int, identity: Identity | None = None
    ) -> None:
        """`folder`: where the relative paths of the settings begin. `state`: a directory of this hub alone.
        `count`: how many devices are expected. `identity`: that of this edge, where it has joined a cloud."""
        settings = msgspec.structs.replace(settings, broker=as_ourselves(settings.broker, state))
        self._settings = settings if identity is None else _of_node(settings, identity)
        self._folder = folder
        self._state = state
        self._count = count if identity is None else max(count, READABLE_DEVICES + 1)
        self._identity = identity
        self._stack = AsyncExitStack()
        self._applying = asyncio.Lock()
        self._manifests = Manifests(())
        self._local: Sequence[Device] = ()
        self._cloud: Sequence[Device] = ()
        self._derived: Sequence[Device] = ()
        """The devices whose twins show pods and their node."""
        self._link: EdgeHub | None = None
        self._journal: Journal
        self._catalogue: Store
        self._declared: Declared
        self._keeper: Keeper
        self._hub: HubSide
        self._mappers: MapperHost
        self._sessions: BusSessions
        self._pod_broker: PodBroker
        self._node: NodeHost
        self._pod_host: PodHost
        self._pods: PodOrigins
        self.known: Manifests | None = None
        """What was declared last, in an earlier run; None: nothing."""

    async def __aenter__(self) -> Self:
        settings, enter = self._settings, self._stack.enter_async_context
        path, age = self._state / "journal.db", settings.cloud.outbox_days * 86_400
        try:
            self._journal = await enter(Journal(path, outbox_limit=settings.outbox_limit, outbox_age=age))
            self._catalogue = await enter(open_store(catalogue_file(self._state, settings.store, self._count)))
            self._declared = Declared(self._catalogue)
            known = await self._declared.recall()
            rules = Rules(strict=settings.strict, value_bytes=settings.max_value_bytes)
            self._keeper = Keeper(self._journal, rules)
            node = settings.node or socket.gethostname()
            self._pods = PodOrigins(self._catalogue, node)
            known_pods = await self._pods.recall()
            self._pod_host = PodHost(settings.pods, node, self._state, self._catalogue, self._keeper, rules)
            await self._pod_host.recall(self._pods.ran)
            self._node = NodeHost(node, self._state, self._around, strict=settings.strict)
            own = tuple(device for device in known if device.protocol not in DERIVED)
            self.known = Manifests(own, pods=known_pods) if known or known_pods.pods else None
        except BaseException:
            await self._stack.aclose()
            raise
        return self

    async def __aexit__(self, *exc: object) -> None:
        await self._stack.aclose()

    def collectors(self) -> list[Collector]:
        """What Prometheus may ask, once this has started."""
        return [LinkCollector(self._link.statistics)] if self._link else []

    async def start(self, manifests: Manifests) -> None:
        """Serve what is declared, here and in the cloud as far as it is known. Returns when the broker has us and
        the mappers have begun; the cloud is not waited for."""
        sessions = self._sessions = BusSessions(self._settings, self._folder, await self._broker())
        bus = transport(sessions.hub())
        empty_id = self._settings.answer_on_empty_id
        self._hub = HubSide(bus, self._keeper, self._journal, sessions.node, answer_on_empty_id=empty_id)
        if self._identity:
            self._link = self._edge_hub(self._identity)
            await self._pods.from_cloud(await self._link.recall_pods())
        self._take(manifests)
        if self._link:
            self._cloud = await self._link.recall(self._documents(), self.known.devices if self.known else ())
            if manifests.documents is None:  # broken: what was served last stands in for them, the cloud's among it
                theirs = {device.id for device in self._cloud}
                self._local = [device for device in manifests.devices if device.id not in theirs]
        devices = self._devices()
        membership = self._keeper.declare(devices)  # before the first message: what waited for us finds its device
        await self._stack.enter_async_context(bus)
        self._hub.announce(membership)
        announce(self._state, sessions.secret_url)
        self._mappers = MapperHost(sessions.mapper, tuple(PROTOCOLS) if self._settings.mappers else ())
        await self._stack.enter_async_context(self._mappers)
        await self._mappers.apply(devices)
        declared = plural(sum(device.protocol not in DERIVED for device in devices), "device")
        logger.info("%s serves %s on %s", sessions.node, declared, sessions.url)
        await self._wish_and_remember(devices)
        await self._stack.enter_async_context(self._pod_host)
        await self._apply_pods()
        await self._stack.enter_async_context(self._node)
        await self._node.start(sessions)
        if self._link:
            await self._stack.enter_async_context(self._link)

    async def apply(self, manifests: Manifests) -> None:
        """From now on this is declared here, and nothing else; what did not change is not disturbed."""
        async with self._applying:
            self._take(manifests)
            self._tell_cloud()
            await self._apply()

    async def _apply_cloud_devices(self, devices: Sequence[Device]) -> None:
        async with self._applying:
            self._cloud = devices
            await self._apply()

    async def _apply_cloud_pods(self, objects: Sequence[Object]) -> None:
        async with self._applying:
            await self._pods.from_cloud(objects)
            self._derived = self._derive()
            self._tell_cloud()
            await self._apply()

    def _take(self, manifests: Manifests) -> None:
        self._manifests, self._local = manifests, manifests.devices
        self._pods.from_folder(manifests.pods)
        self._derived = self._derive()

    def _derive(self) -> list[Device]:
        return [self._node.device, *self._pod_host.devices(self._pods.declared)]

    def _around(self) -> Around:
        """What is known of the node."""
        return self._pod_host.around(self._link.connected if self._link else None)

    def _tell_cloud(self) -> None:
        if self._link and (declared := self._documents()) is not None:
            self._link.local(declared)

    def _documents(self) -> Mapping[str, Mapping[str, Any]] | None:
        """What the cloud is told is declared here; None: not known."""
        if self._manifests.documents is None:
            return None
        of_cloud = frozenset(map(pod_names.twin_id, self._pods.of_cloud))
        return {**self._manifests.documents, **documents(self._derived, of_cloud)}

    async def _apply(self) -> None:
        devices = self._devices()
        self._hub.announce(self._keeper.declare(devices))
        await self._mappers.apply(devices)
        await self._wish_and_remember(devices)
        await self._apply_pods()

    async def _apply_pods(self) -> None:
        await self._pod_host.apply(self._pods.declared, self._sessions, self._pod_broker)
        await self._pods.remember()

    def _devices(self) -> list[Device]:
        """All that are to be served; what is declared here goes before what the cloud declares."""
        here = [*self._local, *self._derived]
        return [*here, *beside(here, self._cloud)]

    def _edge_hub(self, identity: Identity) -> EdgeHub:
        return EdgeHub(
            identity=identity,
            journal=self._journal,
            keeper=self._keeper,
            hub_side=self._hub,
            catalogue=self._catalogue,
            apply=declarations.Apply(self._apply_cloud_devices, self._apply_cloud_pods),
            protocols=protocol_schemas(),
            settings=_link_settings(self._settings.cloud),
        )

    async def _wish_and_remember(self, devices: Sequence[Device]) -> None:
        for device_id, wanted in self._declared.news(devices).items():
            if refusal := self._hub.wish(device_id, wanted):
                logger.error("%s: the desired values of its manifest are refused: %s", device_id, refusal)
        try:
            await self._declared.remember(devices)
        except StoreError as error:
            logger.error("what is declared could not be noted, so its wishes will count as new next time: %s", error)

    async def _broker(self) -> str:
        """The address of the broker: the one that is configured, or of our own, started here."""
        broker = self._settings.broker
        if broker.url is not None:
            self._pod_broker = PodBroker(broker.url)
            return broker.url
        own = await self._stack.enter_async_context(OwnBroker(broker, self._folder, self._state))
        self._pod_broker = own.pods
        return own.url


def _of_node(settings: Settings, identity: Identity) -> Settings:
    """The node is called as its certificate says."""
    if settings.node not in (None, identity.node):
        logger.warning("%s calls this node %s, but it joined its cloud as %s", FILE, settings.node, identity.node)
    return msgspec.structs.replace(settings, node=identity.node)


def _link_settings(cloud: CloudSettings) -> LinkSettings:
    named = [cloud.contact] if isinstance(cloud.contact, str) else cloud.contact
    places = tuple(place.rpartition("/") for place in named)
    return LinkSettings(
        compression=cloud.compression,
        drain_rate=cloud.drain_rate,
        ping_seconds=cloud.ping_seconds,
        longest_pause=cloud.retry_seconds,
        logs=cloud.logs,
        contact=tuple((device, name) for device, _, name in places),
    )
