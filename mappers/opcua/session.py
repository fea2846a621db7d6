"""A session with a server: opened safely, kept alive, closed without a rest.

The library's own supervisor, publish loop and watchdog are not used: they hide what was lost, and go on with half a
subscription. Here whatever goes wrong ends the session, and the framework makes a new one.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Sequence
from contextlib import suppress
from typing import Any, NamedTuple, NoReturn

from asyncua import Client, ua
from asyncua.common.utils import Buffer
from asyncua.ua.ua_binary import struct_from_binary

from mappers.mapper import LinkLost, Refused
from mappers.opcua import security
from mappers.opcua.config import OpcuaConfig

SESSION_LIFETIME = 30.0
"""Seconds, or three times the keep-alive, after which the server forgets a session that says nothing: one that was
lost shall not stand in the way of others for long."""
CHANNEL_LIFETIME = 3_600_000
"""Milliseconds of a secure channel; it is renewed after three quarters."""
GOODBYE = 0.5
"""Seconds a server has to say goodbye."""
SHORTEST_HANDSHAKE = 1.0
"""Seconds for all requests together that make a session, or three times the time-out."""
PATIENCE = 10.0
"""Seconds for requests that make the server work: many monitored items, browsing."""
LARGEST_MESSAGE = 64 * 1024 * 1024
"""Bytes of an answer that is not read yet; more ends the session."""

GONE = frozenset({
    ua.StatusCodes.BadSessionIdInvalid, ua.StatusCodes.BadSessionClosed, ua.StatusCodes.BadSessionNotActivated,
    ua.StatusCodes.BadSecureChannelIdInvalid, ua.StatusCodes.BadSecureChannelClosed,
    ua.StatusCodes.BadSecureChannelTokenUnknown, ua.StatusCodes.BadNoSubscription, ua.StatusCodes.BadShutdown,
    ua.StatusCodes.BadServerHalted, ua.StatusCodes.BadConnectionClosed, ua.StatusCodes.BadTcpSecureChannelUnknown,
    ua.StatusCodes.BadSubscriptionIdInvalid, ua.StatusCodes.BadSecurityChecksFailed,
})  # fmt: skip
"""What the server says when session, channel or subscriptions are no more."""

library = logging.getLogger("asyncua")
if library.level == logging.NOTSET:  # it logs what it raises, with tracebacks; the framework says it once
    library.setLevel(logging.CRITICAL + 1)


class Limits(NamedTuple):
    """How much goes into one request, unless the server wants less."""

    items: int = 1000
    """Monitored items."""
    read: int = 1000
    browse: int = 100
    translate: int = 500
    """Browse paths."""


CAPABILITIES = (
    ua.ObjectIds.Server_ServerCapabilities_OperationLimits_MaxMonitoredItemsPerCall,
    ua.ObjectIds.Server_ServerCapabilities_OperationLimits_MaxNodesPerRead,
    ua.ObjectIds.Server_ServerCapabilities_OperationLimits_MaxNodesPerBrowse,
    ua.ObjectIds.Server_ServerCapabilities_OperationLimits_MaxNodesPerTranslateBrowsePathsToNodeIds,
)
"""Where a server says so, in the order of `Limits`."""


class Session:
    """`open`, then services by `client.uaclient`, with errors through `meaning`; `keep` it, and `close`."""

    def __init__(self, config: OpcuaConfig) -> None:
        self._config = config
        self.client = self._new_client()
        self.limits = Limits()
        """Known when it is open."""

    async def open(self) -> None:
        """Connect, check the server's certificate, sign in. LinkLost with a remedy when that is refused."""
        handshake = max(SHORTEST_HANDSHAKE, 3 * self._config.timeout)
        try:
            async with asyncio.timeout(handshake):
                if self._config.security_policy != "None":
                    await self._secure()
                await security.identify(self.client, self._config)
                await self._connect()
                self.limits = await self._ask_limits()
        except TimeoutError:
            raise LinkLost(f"no answer from {self._config.url} within {handshake:g} s") from None
        except (ua.UaError, ValueError) as error:
            raise LinkLost(security.refusal(error, self._config)) from None

    async def keep(self) -> NoReturn:
        """Renew the secure channel before it expires. LinkLost when that fails."""
        while True:
            await asyncio.sleep(self.client.secure_channel_timeout * 0.75 / 1000)
            try:
                await self.client.open_secure_channel(renew=True)
                self.client.uaclient.revolve_security_token()
            except (ua.UaError, TimeoutError) as error:
                raise LinkLost(f"the secure channel was not renewed: {in_words(error)}") from None

    async def ask(self, request: Any, form: type) -> Any:
        """A service that the library offers only together with machinery of its own."""
        protocol = self.client.uaclient.protocol
        if protocol is None:
            raise LinkLost("not connected")
        data: Buffer = await protocol.send_request(request)
        response = struct_from_binary(form, data)
        response.ResponseHeader.ServiceResult.check()
        return response.Parameters

    async def read(
        self, nodes: Sequence[ua.NodeId], attribute: ua.AttributeIds = ua.AttributeIds.Value
    ) -> list[ua.DataValue]:
        """One attribute of each node, with both timestamps, in as many requests as the server wants."""
        found: list[ua.DataValue] = []
        for start in range(0, len(nodes), self.limits.read):
            chunk = nodes[start : start + self.limits.read]
            asked = [ua.ReadValueId(NodeId=node, AttributeId=attribute) for node in chunk]
            found += await self.client.uaclient.read(
                ua.ReadParameters(TimestampsToReturn=ua.TimestampsToReturn.Both, NodesToRead=asked)
            )
        if len(found) != len(nodes):
            raise LinkLost(f"the server answered {len(found)} of {len(nodes)} reads")
        return found

    @property
    def choked(self) -> bool:
        """An answer has grown beyond all measure, or its length is nonsense."""
        protocol = self.client.uaclient.protocol
        return protocol is not None and len(protocol.receive_buffer or b"") > LARGEST_MESSAGE

    async def close(self) -> None:
        """Say goodbye where someone listens; whatever happens, the socket is closed afterwards."""
        uaclient = self.client.uaclient
        protocol = uaclient.protocol
        if protocol is not None and not protocol.is_closed and uaclient.has_session:
            with suppress(Exception):
                async with asyncio.timeout(GOODBYE):
                    await uaclient.close_session(True)
                    await uaclient.close_secure_channel()
        await _abort(self.client)

    def _new_client(self) -> Client:
        client = Client(self._config.url, timeout=max(PATIENCE, self._config.timeout))
        client.name = client.description = "twinhub"
        client.application_uri = security.APPLICATION_URI
        client.product_uri = "urn:twinhub"
        client.nodes = None  # 5 kB of standard nodes that nobody here asks for
        client.session_timeout = round(1000 * max(SESSION_LIFETIME, 3 * self._config.keep_alive))
        client.secure_channel_timeout = CHANNEL_LIFETIME
        return client

    async def _secure(self) -> None:
        """Ask for the endpoints without protection; which of them is trusted is then decided here."""
        scout = self._new_client()
        try:
            await _reach(scout)
            await scout.send_hello()
            await scout.open_secure_channel()
            endpoints = await scout.get_endpoints()
        finally:
            await _abort(scout)
        await security.secure(self.client, self._config, endpoints)

    async def _ask_limits(self) -> Limits:
        """What the server takes at once. 0, and no answer, mean any number."""
        answers = await self.read([ua.NodeId(each) for each in CAPABILITIES])
        found = (each.Value.Value if each.Value is not None else None for each in answers)
        return Limits(*(min(most or default, default) for most, default in zip(found, Limits(), strict=True)))

    async def _connect(self) -> None:
        client = self.client
        await _reach(client)
        await client.send_hello()
        await client.open_secure_channel()
        await client.create_session()
        await client.activate_session(client._username, client._password, client.user_certificate)  # noqa: SLF001 - it has no other way


async def _reach(client: Client) -> None:
    """Connect. The library waits with `asyncio.wait_for`, which before Python 3.12 loses a cancellation that comes in
    the moment of success; nobody could stop the mapper then."""
    task = asyncio.current_task()
    assert task is not None
    before = task.cancelling()
    await client.connect_socket()
    if task.cancelling() > before:
        raise asyncio.CancelledError


async def _abort(client: Client) -> None:
    """Close the socket now. A polite close waits until a peer that takes nothing has taken everything."""
    protocol = client.uaclient.protocol
    transport = None if protocol is None else protocol.transport
    if transport is not None:
        transport.abort()
    client.uaclient.disconnect_socket()
    await asyncio.sleep(0)


def meaning(error: ua.UaError) -> Exception:
    """A service that failed, as the framework has it: the link is lost, or the server refuses."""
    code = getattr(error, "code", None)
    if code is None or code in GONE:
        return LinkLost(in_words(error))
    return Refused(in_words(error))


def in_words(error: BaseException) -> str:
    """The error for people, in the standard's own name where it has one."""
    code = getattr(error, "code", None)
    if isinstance(error, ua.UaStatusCodeError) and code is not None:
        return str(ua.StatusCode(code).name)
    return str(error) or type(error).__name__
