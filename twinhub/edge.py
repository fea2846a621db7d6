"""The composition of an edge: memory (journal, catalogue), broker, the hub's side of the bus, the mappers."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Sequence
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Literal, Self

from device_models import Device
from eventbus.broker import PrivateBroker
from eventbus.connect import transport
from eventbus.hub_side import HubSide
from eventbus.transport import BusError
from mappers.protocols import PROTOCOLS
from twin.journal import Journal
from twin.keeper import Keeper
from twin.rules import Rules
from twin.store import StoreError, open_store
from twinhub.bus_session import BusSessions
from twinhub.declared import Declared
from twinhub.mapper_host import MapperHost
from twinhub.settings import FILE, Settings
from twinhub.state_dir import announce
from twinhub.text import plural

__all__ = ["Edge"]

logger = logging.getLogger("twinhub")

READABLE_DEVICES = 100
"""Up to so many the catalogue is a text file by default: writing it costs time in proportion to what it holds."""


class Edge:
    """One hub. Entered, it has its memory; `start` gives it a broker and mappers, `apply` new declarations."""

    def __init__(self, settings: Settings, folder: Path, state: Path, count: int) -> None:
        """`folder`: where the relative paths of the settings begin. `state`: a directory of this hub alone.
        `count`: how many devices are expected."""
        self._settings = settings
        self._folder = folder
        self._state = state
        self._count = count
        self._stack = AsyncExitStack()
        self._journal: Journal
        self._declared: Declared
        self._keeper: Keeper
        self._hub: HubSide
        self._mappers: MapperHost
        self.known: Sequence[Device] = ()
        """What an earlier run was told last."""

    async def __aenter__(self) -> Self:
        settings, enter = self._settings, self._stack.enter_async_context
        try:
            self._journal = await enter(Journal(self._state / "journal.db", outbox_limit=settings.outbox_limit))
            catalogue = _catalogue(self._state, settings.store, self._count)
            self._declared = Declared(await enter(open_store(catalogue)))
            self.known = await self._declared.recall()
        except BaseException:
            await self._stack.aclose()
            raise
        rules = Rules(strict=settings.strict, value_bytes=settings.max_value_bytes)
        self._keeper = Keeper(self._journal, rules)
        return self

    async def __aexit__(self, *exc: object) -> None:
        await self._stack.aclose()

    async def start(self, devices: Sequence[Device]) -> None:
        """Serve these devices. Returns when the broker has us and the mappers have begun."""
        sessions = BusSessions(self._settings, self._folder, await self._broker())
        bus = transport(sessions.hub())
        empty_id = self._settings.answer_on_empty_id
        self._hub = HubSide(bus, self._keeper, self._journal, sessions.node, answer_on_empty_id=empty_id)
        membership = self._keeper.declare(devices)  # before the first message: what waited for us finds its device
        await self._stack.enter_async_context(bus)
        self._hub.announce(membership)
        announce(self._state, sessions.url)
        self._mappers = MapperHost(sessions.mapper, tuple(PROTOCOLS) if self._settings.mappers else ())
        await self._stack.enter_async_context(self._mappers)
        await self._mappers.apply(devices)
        logger.info("%s serves %s on %s", sessions.node, plural(len(devices), "device"), sessions.url)
        await self._wish_and_remember(devices)

    async def apply(self, devices: Sequence[Device]) -> None:
        """From now on these devices are declared, and no others; what did not change is not disturbed."""
        self._hub.announce(self._keeper.declare(devices))
        await self._mappers.apply(devices)
        await self._wish_and_remember(devices)

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
            return broker.url
        own = PrivateBroker(self._state / "broker", port=broker.port, kind=broker.kind)
        try:
            await self._stack.enter_async_context(own)
        except BusError as error:
            raise BusError(f"{error}{await _way_out(broker.port, own.url)}") from None
        return own.url


async def _way_out(port: int, url: str) -> str:
    """What helps when somebody else listens on the port of the private broker."""
    try:
        _, writer = await asyncio.open_connection("127.0.0.1", port)
    except OSError:
        return ""
    writer.close()
    return f". With --broker {url} it is used, if it is a broker; `broker: {{port: 18830}}` in {FILE} is another port"


def _catalogue(state: Path, kind: Literal["tinydb", "sqlite"] | None, count: int) -> Path:
    """The file of the catalogue, whose suffix names the backend. Where nothing is set, the one that is there; a new
    one is readable text while it is small."""
    readable, database = state / "catalogue.json", state / "catalogue.db"
    if kind is None and (readable.exists() or database.exists()):
        return database if database.exists() else readable
    small = count <= READABLE_DEVICES if kind is None else kind == "tinydb"
    return readable if small else database
