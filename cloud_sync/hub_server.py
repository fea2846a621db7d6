"""The cloud end of the link: takes connections, hands each to its session, and ends those that may not go on.

Nothing that counts is only here: what is open for a node is in the registry and the log, so an edge may come back to
another process of the same cloud.
"""

from __future__ import annotations

import asyncio
import logging
import ssl
from collections import Counter, defaultdict
from collections.abc import AsyncIterator, Callable, Coroutine, Iterable, Sequence
from contextlib import AsyncExitStack
from math import inf
from typing import Any, Self

from websockets.asyncio.server import Server, serve
from websockets.extensions.permessage_deflate import ServerPerMessageDeflateFactory

from cloud_sync.admission import Admission, EdgeConnection, answer
from cloud_sync.downstream import Downstream
from cloud_sync.edge_declarations import EdgeDeclarations
from cloud_sync.node_link import COUNTS, LinkState, NodeLink
from cloud_sync.node_logs import NodeLogs
from cloud_sync.presence import Presence
from cloud_sync.registry import Registry
from cloud_sync.session_bus import BusSession
from cloud_sync.session_hub import HubSession
from cloud_sync.session_plain import PlainSession
from cloud_sync.session_stream import StreamSession
from cloud_sync.settings import HubSettings
from cloud_sync.twin_log import TwinLog, TwinLogError
from link.handshake import Channel
from link.limits import FRAME_BYTES
from twin.store import StoreError

__all__ = ["HubServer"]

logger = logging.getLogger("cloud_sync")

_websockets = logging.getLogger("cloud_sync.websockets")
_websockets.setLevel(logging.WARNING)
_DEFLATE = ServerPerMessageDeflateFactory(
    server_no_context_takeover=True,
    client_no_context_takeover=True,
    compress_settings={"level": 1},
)
_QUEUED_FRAMES = 4
"""Frames that may have arrived on a connection before its session has read them."""
_ACCEPTED_AT_ONCE = 16
"""Connections whose TLS handshakes begin before those who are connected already have their turn."""
_NODES_AT_ONCE = 100
"""Nodes whose wishes are read again with one question to the log."""


class HubServer:
    """Serves edges while it is entered with `async with`."""

    def __init__(
        self,
        *,
        registry: Registry,
        log: TwinLog,
        context: ssl.SSLContext,
        host: str | None = None,
        port: int = 10_000,
        settings: HubSettings | None = None,
        logs: NodeLogs | None = None,
    ) -> None:
        """`context` demands a certificate of our authority; `port` 0 = any free one, see `port`. `logs`: where the
        edges' log lines go."""
        self.port = port
        self.logs = logs or NodeLogs()
        self._registry, self._log, self._context, self._host = registry, log, context, host
        self._settings = settings or HubSettings()
        self._admission = Admission(registry, log, self._settings, self._has_room)
        self._presence = Presence(registry)
        self._links: dict[tuple[str, Channel], NodeLink] = {}
        self._nodes: Counter[str] = Counter()
        """How many connections each node has."""
        self._downs: dict[str, Downstream] = {}
        self._declared: defaultdict[str, asyncio.Event] = defaultdict(asyncio.Event)
        self._ended: defaultdict[Channel, Counter[str]] = defaultdict(Counter)
        """What the connections that are gone have counted."""
        self._stack = AsyncExitStack()

    # ---- what others ask of it

    def links(self) -> list[LinkState]:
        """The connections there are."""
        return [link.state for link in self._links.values()]

    def wished(self, devices: Iterable[str]) -> None:
        """Desired values of these devices were set: bring them to their edges now. (Those set by another process
        are found within seconds.)"""
        for device in devices:
            known = self._registry.device(device)
            if known is not None and (down := self._downs.get(known.node)):
                down.wishes_changed()

    def disconnect(self, node: str, reason: str = "disconnected by the operator") -> int:
        """End the node's connections at once; returns how many there were."""
        links = self._links_of(node)
        for link in links:
            link.cut(reason)
        return len(links)

    @property
    def refused_handshakes(self) -> int:
        """Connections that were not admitted since the start."""
        return self._admission.refusals.count

    def totals(self) -> dict[Channel, Counter[str]]:
        """The `COUNTS` of all connections there were, by channel."""
        totals = {channel: self._ended[channel].copy() for channel in Channel}
        for link in self.links():
            totals[link.channel] += _counts(link)
        return totals

    def certificates(self) -> dict[str, float]:
        """When the certificates of the connected nodes end, of each node the earliest; Unix seconds."""
        ends: dict[str, float] = {}
        for link in self._links.values():
            ends[link.node] = min(link.peer.not_after, ends.get(link.node, inf))
        return ends

    # ---- its life

    async def __aenter__(self) -> Self:
        try:
            return await self._start()
        except BaseExceptionGroup as failed:
            raise failed.exceptions[0] from None  # such as a port that is in use

    async def _start(self) -> Self:
        async with AsyncExitStack() as stack:
            changed = await stack.enter_async_context(self._registry.watch())
            tasks = await stack.enter_async_context(asyncio.TaskGroup())
            for name, part in self._parts(changed):
                stack.callback(tasks.create_task(part, name=name).cancel)
            stack.push_async_callback(self._all_gone)
            server = await stack.enter_async_context(self._server())
            self.port = server.sockets[0].getsockname()[1]
            self._listen_long(server)
            self._stack = stack.pop_all()
        return self

    async def __aexit__(self, *exc: Any) -> bool | None:  # noqa: PYI036 - passed on as they are
        try:
            return await self._stack.__aexit__(*exc)
        except BaseExceptionGroup as failed:
            raise failed.exceptions[0] from None  # the body's own, or that of the part which failed

    def _parts(self, changed: AsyncIterator[str]) -> Sequence[tuple[str, Coroutine[Any, Any, None]]]:
        return (
            ("changes of the registry", self._follow(changed)),
            ("wishes of other processes", self._reread()),
            ("presence of nodes", self._presence.run()),
        )

    def _server(self) -> Server:
        settings = self._settings
        return serve(
            self._serve,  # type: ignore[arg-type]  # its connections are made by create_connection
            self._host,
            self.port,
            ssl=self._context,
            backlog=_ACCEPTED_AT_ONCE,
            create_connection=EdgeConnection,
            process_request=self._admission.request,  # type: ignore[arg-type]
            process_response=answer,  # type: ignore[arg-type]
            server_header=None,
            compression=None,
            extensions=[_DEFLATE] if settings.compression else None,
            open_timeout=settings.open_timeout,
            close_timeout=settings.close_timeout,
            ping_interval=settings.ping_interval,
            ping_timeout=settings.ping_timeout,
            max_size=FRAME_BYTES,
            max_queue=_QUEUED_FRAMES,
            logger=_websockets,
        )

    def _listen_long(self, server: Server) -> None:
        """To asyncio the backlog is also how many connections it accepts before it looks at anything else; the others
        of a thousand that come at once shall wait in the system's queue, which is made long here."""
        for listening in server.sockets:
            with listening.dup() as same:
                same.listen(self._settings.backlog)

    async def _all_gone(self) -> None:
        """The next process should not believe that they are connected here."""
        try:
            await self._presence.flush()
        except StoreError as error:
            logger.error("that the nodes are no longer connected could not be written: %s", error)

    # ---- connections

    async def _serve(self, socket: EdgeConnection) -> None:
        link = NodeLink(socket, self._settings)
        if late := self._meanwhile(link):
            await link.close(late)
            return
        self._join(link)
        reason = "the cloud is closing"
        try:
            reason = await link.run(self._session(link))
        except (TwinLogError, StoreError) as error:
            reason = "the cloud cannot store anything now"
            logger.error("node %s, %s: %s", link.node, link.channel, error)
        finally:
            self._ended[link.channel] += _counts(link.state)
            self._leave(link, reason)
        await link.close(reason)

    def _meanwhile(self, link: NodeLink) -> str:
        """What happened while it shook hands, for which it may not go on; empty = nothing."""
        if self._admission.revoked(link.peer):
            return f"node {link.node} is revoked"
        return "" if self._has_room(link.node) else "this cloud process has all the nodes it takes: try later"

    def _session(self, link: NodeLink) -> Callable[[], Coroutine[Any, Any, None]]:
        registry, log, settings = self._registry, self._log, self._settings
        match link.channel:
            case Channel.STREAM:
                return StreamSession(link, self.logs).run
            case Channel.BUS:
                declared, node = self._declared[link.node], link.node
                return BusSession(link, registry, log, declared, lambda: self._elsewhere(node), settings).run
        down = self._downs[link.node] = Downstream(link, registry, log, settings)
        if link.plain:
            return PlainSession(link, registry, log, down, settings).run
        declarations = EdgeDeclarations(link, registry, log, settings.declared_limit, self._declared[link.node])
        return HubSession(link, registry, log, down, declarations).run

    def _join(self, link: NodeLink) -> None:
        if old := self._links.pop((link.node, link.channel), None):
            self._nodes[link.node] -= 1
            old.cut("replaced by a newer connection of the same node")
        self._links[link.node, link.channel] = link
        self._nodes[link.node] += 1
        if link.channel is Channel.HUB:
            self._presence.seen(link.node, connected=True, plain=link.plain, address=link.address)
            wire = "KubeEdge's wire" if link.plain else "our link"
            logger.info("node %s is connected from %s, with %s", link.node, link.address, wire)

    def _leave(self, link: NodeLink, reason: str) -> None:
        if self._links.get((link.node, link.channel)) is not link:
            return
        del self._links[link.node, link.channel]
        self._nodes[link.node] -= 1
        if not self._nodes[link.node]:
            del self._nodes[link.node]
            self._declared.pop(link.node, None)
        if link.channel is Channel.HUB:
            self._downs.pop(link.node, None)
            self._presence.seen(link.node, connected=False, plain=link.plain, address=link.address)
            logger.info("node %s is gone: %s", link.node, reason)

    def _links_of(self, node: str) -> list[NodeLink]:
        return [link for channel in Channel if (link := self._links.get((node, channel)))]

    def _has_room(self, node: str) -> bool:
        return node in self._nodes or len(self._nodes) < self._settings.node_limit

    def _elsewhere(self, node: str) -> bool:
        """The node's hub channel is connected to another process."""
        entry = self._registry.node(node)
        return (node, Channel.HUB) not in self._links and entry is not None and entry.connected

    # ---- what changes meanwhile

    async def _follow(self, changed: AsyncIterator[str]) -> None:
        async for node in changed:
            for link in self._links_of(node):
                if self._admission.revoked(link.peer):
                    link.cut(f"node {node} is revoked")
            if self._registry.edges.may_declare_now(node) and (hub := self._links.get((node, Channel.HUB))):
                hub.cut("what it may declare has changed")
            elif down := self._downs.get(node):
                down.objects_changed()

    async def _reread(self) -> None:
        """Wishes that another process has set show only in the log."""
        failing = False
        while True:
            try:
                await self._reread_all()
            except TwinLogError as error:
                if not failing:
                    logger.error("the wishes that are open cannot be read: %s", error)
                failing = True
                await asyncio.sleep(self._settings.reread)
            else:
                failing = False

    async def _reread_all(self) -> None:
        nodes = list(self._downs)
        chunks = [nodes[start : start + _NODES_AT_ONCE] for start in range(0, len(nodes), _NODES_AT_ONCE)] or [[]]
        for chunk in chunks:
            await asyncio.sleep(self._settings.reread / len(chunks))
            devices = [device for node in chunk for device in self._registry.devices_of(node)]
            self.wished(await self._log.open_wishes([f"{device.namespace}/{device.name}" for device in devices]))


def _counts(link: LinkState) -> Counter[str]:
    return Counter({name: getattr(link, name) for name in COUNTS})
