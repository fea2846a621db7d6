"""The edge end of the link to the cloud: three channels, what comes down on them and what goes up.

Nothing here holds what must not be lost: changes wait in the journal's outbox; what the cloud declares or wishes is
in the catalogue or the journal before it is acknowledged. With the cloud away everything else goes on.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Collection, Iterable, Mapping
from contextlib import AsyncExitStack
from typing import Any, Self

from device_models import Device, ProtocolSchema
from edgehub.bus_session import BusSession, Retold
from edgehub.channel import Channel, Closed, Serve
from edgehub.connection import Connection, Unreachable, open_connection
from edgehub.contact import OUT_OF_CONTACT, Contact
from edgehub.counts import Counts
from edgehub.declarations import Apply, Declarations
from edgehub.hub_session import HubSession, Shared
from edgehub.identity import Identity, NoIdentity
from edgehub.kept_objects import Object
from edgehub.local_declarations import LocalDeclarations
from edgehub.log_lines import LogLines
from edgehub.plain_reports import PlainSeen
from edgehub.rotation import keep_renewed
from edgehub.settings import LinkSettings
from edgehub.statistics import LinkStatistics
from edgehub.stream_session import StreamSession
from edgehub.together import together
from eventbus.hub_side import HubSide
from eventbus.owned_task import OwnedTask
from link import handshake
from link.handshake import Hello
from link.pace import Pace
from link.window import LEAST
from twin.journal import Journal
from twin.keeper import Keeper
from twin.store import Store

__all__ = ["EdgeHub"]

PACE_SECONDS = 0.1
"""What may leave in so many seconds may leave at once."""


class EdgeHub:
    """`recall` first, then `async with`: from there on the link is kept."""

    def __init__(
        self,
        *,
        identity: Identity,
        journal: Journal,
        keeper: Keeper,
        hub_side: HubSide,
        catalogue: Store,
        apply: Apply,
        protocols: Mapping[str, ProtocolSchema],
        settings: LinkSettings | None = None,
    ) -> None:
        """`apply`: called whenever what the cloud declares has changed."""
        self._identity = identity
        self._journal = journal
        self._keeper = keeper
        self._settings = settings or LinkSettings()
        self._counts = Counts()
        self._pace = Pace(self._settings.drain_rate, self._settings.drain_rate * PACE_SECONDS)
        self._declarations = Declarations(catalogue, hub_side, protocols, apply, self._tell_again)
        self._local = LocalDeclarations()
        self._seen = PlainSeen()
        self._retold = Retold()
        self._bus_session: BusSession | None = None
        self._ours = asyncio.Event()
        """Set while the hub channel is up, to a cloud that knows our link: the others are opened then."""
        self._lines = LogLines(asyncio.get_running_loop())
        self._hub = self._channel(handshake.Channel.HUB, self._serve_hub)
        self._bus = self._channel(handshake.Channel.BUS, self._serve_bus, self._until_ours)
        self._stream = self._channel(handshake.Channel.STREAM, self._serve_stream, self._something_to_say)
        self._contact = Contact(keeper, self._settings.contact) if self._settings.contact else None
        self._stack: AsyncExitStack

    async def recall(
        self, documents: Mapping[str, Mapping[str, Any]] | None, served: Iterable[Device] = ()
    ) -> list[Device]:
        """The devices of the cloud, as far as they are known here. `documents` as for `local`, None = not known for
        now; `served`: all that were served last. Raises `StoreError`."""
        if documents is not None:
            self._local.set(documents)
        return await self._declarations.recall(documents or {}, served)

    async def recall_pods(self) -> list[Object]:
        """The Pods, ConfigMaps and Secrets of the cloud, as far as they are known here. Raises `StoreError`."""
        return await self._declarations.pods.recall()

    async def __aenter__(self) -> Self:
        async with AsyncExitStack() as stack:
            if self._settings.logs:
                stack.enter_context(self._lines)
            await stack.enter_async_context(OwnedTask(self._run(), "cloud link"))
            self._stack = stack.pop_all()
        return self

    async def __aexit__(self, *exc: object) -> None:
        await self._stack.aclose()

    def local(self, documents: Mapping[str, Mapping[str, Any]]) -> None:
        """What is declared here from now on: v1beta1 objects by `<Kind>/<namespace>/<name>`."""
        self._local.set(documents)
        self._declarations.devices.local(documents)

    @property
    def connected(self) -> bool:
        """The cloud hears of changes and can be heard."""
        return self._hub.state.up and self._bus.state.up

    def statistics(self) -> LinkStatistics:
        """May be called from any thread."""
        channels = {"hub": self._hub.state, "bus": self._bus.state, "stream": self._stream.state}
        return LinkStatistics(
            node=self._identity.node,
            channels=channels,
            in_contact=self._contact is None or self._contact.on,
            outbox_depth=self._journal.outbox_depth,
            outbox_age=self._journal.oldest_change_age(self.confirmed),
            folded=self._journal.folded,
            refused=self._declarations.downlink.refused,
            log_lines_waiting=len(self._lines),
            log_lines_dropped=self._lines.dropped,
            objects=len(self._declarations.devices) + len(self._declarations.pods),
            pending_wishes=self._declarations.pending_wishes,
            conditions=dict(self._declarations.devices.conditions),
            not_after=self._identity.not_after,
            counts=self._counts,
        )

    @property
    def confirmed(self) -> int:
        """Up to this number of the outbox the cloud has everything."""
        return self._bus_session.confirmed if self._bus_session else self._journal.trimmed

    @property
    def window(self) -> int:
        """Bytes that the link carries without delay."""
        return self._bus_session.window if self._bus_session else LEAST

    async def _run(self) -> None:
        link = self._keep_link() if self._contact is None else self._keep_while_in(self._contact)
        await together(link=link, declarations=self._declarations.run())

    async def _keep_while_in(self, contact: Contact) -> None:
        while True:
            for channel in self._channels:
                channel.rest(OUT_OF_CONTACT)
            await contact.begins()
            await together(link=self._keep_link(), contact=contact.ends())

    async def _keep_link(self) -> None:
        await together(
            hub=self._hub.run(),
            bus=self._bus.run(),
            stream=self._stream.run(),
            rotation=keep_renewed(self._identity, self._renewed),
        )

    @property
    def _channels(self) -> tuple[Channel, ...]:
        return self._hub, self._bus, self._stream

    def _renewed(self) -> None:
        for channel in self._channels:
            channel.renew()

    def _tell_again(self, device_ids: Collection[str]) -> None:
        """To our own cloud, as the link was last: it may have gone since."""
        if device_ids and not self._hub.state.plain:
            self._keeper.report_all(device_ids)

    def _channel(
        self, name: handshake.Channel, serve: Serve, gate: Callable[[], Awaitable[None]] | None = None
    ) -> Channel:
        async def open_() -> Connection:
            try:
                hello = Hello(self._identity.node, channel=name, journal=self._journal.identity)
                return await open_connection(self._identity, hello, self._settings)
            except NoIdentity as error:
                raise Unreachable(str(error)) from None

        return Channel(name, open_, serve, self._settings, gate)

    async def _serve_hub(self, connection: Connection) -> None:
        shared = Shared(
            self._identity.node,
            self._journal,
            self._declarations.downlink,
            self._local,
            self,
            self._seen,
            self._counts,
            self._settings,
        )
        if not connection.welcome.plain:
            self._ours.set()
        try:
            await HubSession(connection, shared).run()
        finally:
            self._ours.clear()

    async def _serve_bus(self, connection: Connection) -> None:
        self._check_ours(connection)
        session = BusSession(
            connection,
            self._journal,
            self._keeper,
            self._local.confirmed,
            self._pace,
            self._counts,
            self._retold,
        )
        self._bus_session = session
        try:
            await session.run()
        finally:
            self._bus_session = None

    async def _serve_stream(self, connection: Connection) -> None:
        self._check_ours(connection)
        await StreamSession(connection, self._lines, self._settings.log_idle, self._counts).run()

    async def _until_ours(self) -> None:
        await self._ours.wait()

    async def _something_to_say(self) -> None:
        await self._until_ours()
        await self._lines.wait()

    def _check_ours(self, connection: Connection) -> None:
        if connection.welcome.plain:
            self._ours.clear()
            raise Closed("the cloud speaks the plain wire, which has the hub channel only")
