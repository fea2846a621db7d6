"""An edge with a real journal and catalogue, linked to a cloud that does what the test tells it."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from edge_site import NODE, PUMP, QUICK, Edge, Open, QuietBus
from stub_cloud import StubCloud, joined

from cloud_sync.authority import Authority
from device_models import Device, ProtocolSchema
from edgehub.declarations import Apply
from edgehub.edge_hub import EdgeHub
from edgehub.identity import Identity
from edgehub.kept_objects import Object
from edgehub.settings import LinkSettings
from eventbus.hub_side import HubSide
from twin.journal import Journal
from twin.keeper import Keeper
from twin.store import open_store


@pytest.fixture(scope="session")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority.open(tmp_path_factory.mktemp("authority"))


@pytest.fixture
async def cloud(authority: Authority) -> AsyncIterator[StubCloud]:
    async with StubCloud(authority) as cloud:
        yield cloud


@pytest.fixture
async def plain_cloud(authority: Authority) -> AsyncIterator[StubCloud]:
    async with StubCloud(authority, plain=True) as cloud:
        yield cloud


@pytest.fixture
def edge(tmp_path: Path, authority: Authority) -> Open:
    """`async with edge(port) as running:`; opened again it is the same edge, restarted."""

    @asynccontextmanager
    async def open_edge(
        port: int,
        *,
        settings: LinkSettings = QUICK,
        local: Sequence[Device] = (PUMP,),
        protocols: Mapping[str, ProtocolSchema] | None = None,
        documents: Mapping[str, Any] | None = None,
        **limits: Any,
    ) -> AsyncIterator[Edge]:
        identity = Identity(tmp_path / "identity")
        if not identity.exists() or identity.cloud.link_port != port:
            joined(tmp_path / "identity", authority, port, NODE)
        async with Journal(tmp_path / "journal.db", **limits) as journal, open_store(tmp_path / "c.db") as store:
            keeper, bus = Keeper(journal), QuietBus()
            hub_side = HubSide(bus, keeper, journal, NODE)

            async def declare(devices: Sequence[Device]) -> None:
                await running.declare(devices)

            async def declare_pods(objects: Sequence[Object]) -> None:
                await running.declare_pods(objects)

            link = EdgeHub(
                identity=identity,
                journal=journal,
                keeper=keeper,
                hub_side=hub_side,
                catalogue=store,
                apply=Apply(declare, declare_pods),
                protocols=protocols or {},
                settings=settings,
            )
            running = Edge(journal, keeper, store, bus, link, local)
            running.hold(await link.recall_pods())
            await running.declare(await link.recall({} if documents is None else documents))
            async with link:
                yield running

    return open_edge
