"""The composition of a cloud: authority, what is declared, the twins, the links, the operators' interface."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import NamedTuple, TypeVar

from aiohttp import web

from cloud_sync import enrolment
from cloud_sync.api import PREFIX, api
from cloud_sync.api_nodes import NodeRoutes
from cloud_sync.api_objects import ObjectRoutes
from cloud_sync.api_pods import PodRoutes
from cloud_sync.api_twins import TwinRoutes
from cloud_sync.authority import Authority
from cloud_sync.certificates import DAY
from cloud_sync.https import serving
from cloud_sync.hub_server import HubServer
from cloud_sync.metrics import CloudMetrics
from cloud_sync.node_logs import NodeLogs
from cloud_sync.registry import Registry
from cloud_sync.settings import HubSettings
from cloud_sync.tls import bootstrap_context, hub_context, keep_fresh
from cloud_sync.tokens import Tokens
from cloud_sync.twin_log import TwinLog
from cloud_sync.twin_log_sqlite import SqliteTwinLog
from eventbus.owned_task import OwnedTask
from twin.store import open_store
from twinhub.cloud_pods import POD_RULES
from twinhub.cloud_settings import CloudServerSettings
from twinhub.errors import CommandError
from twinhub.manifests import protocol_schemas
from twinhub.metrics_server import metrics_server

__all__ = ["Running", "running_cloud"]

T = TypeVar("T")

_CATALOGUES = {"sqlite": "catalogue.db", "tinydb": "catalogue.json"}


class Running(NamedTuple):
    """A cloud that serves."""

    authority: Authority
    tokens: Tokens
    port: int
    link_port: int


@asynccontextmanager
async def running_cloud(settings: CloudServerSettings, hosts: list[str], state: Path) -> AsyncIterator[Running]:
    """A cloud that keeps what it remembers in `state`, a directory of its own, and answers to `hosts`.

    Raises `CommandError` when a port cannot be used; `AuthorityError`, `StoreError` or `TwinLogError` when what is in
    `state` cannot.
    """
    async with AsyncExitStack() as stack:
        enter = stack.enter_async_context
        authority = Authority.open(state / "authority")
        contexts = hub_context(authority, hosts), bootstrap_context(authority, hosts)
        store = await enter(open_store(state / _CATALOGUES[settings.store]))
        registry = await enter(Registry(store, protocol_schemas(), pods=POD_RULES))
        await registry.nobody_connected()
        log = await enter(SqliteTwinLog(state / "twins.db", history=settings.history_days * DAY))
        tokens = Tokens(store, authority, allow_unbound=settings.allow_unbound_tokens)
        logs = NodeLogs()
        server = HubServer(
            registry=registry,
            log=log,
            context=contexts[0],
            host=settings.listen,
            port=settings.link_port,
            settings=HubSettings(node_limit=settings.node_limit),
            logs=logs,
        )
        await _entered(stack, server, "linkPort", settings.link_port)
        application = _application(settings, authority, tokens, registry, log, server, logs)
        site = serving(application, contexts[1], settings.listen, settings.port)
        port = await _entered(stack, site, "port", settings.port)
        metrics = CloudMetrics(registry, log, server, authority)
        stack.enter_context(metrics_server(settings.metrics_port, [metrics]))
        await enter(OwnedTask(keep_fresh(authority, hosts, contexts), "server certificate"))
        yield Running(authority, tokens, port, server.port)


async def _entered(stack: AsyncExitStack, server: AbstractAsyncContextManager[T], setting: str, port: int) -> T:
    try:
        return await stack.enter_async_context(server)
    except OSError as error:
        raise CommandError(
            f"port {port} cannot be used: {error.strerror}; stop who listens there, or set {setting} to another"
        ) from None


def _application(
    settings: CloudServerSettings,
    authority: Authority,
    tokens: Tokens,
    registry: Registry,
    log: TwinLog,
    server: HubServer,
    logs: NodeLogs,
) -> web.Application:
    """What is served on the port where edges join and operators ask."""
    lifetime, grace = settings.certificate_days * DAY, settings.grace_days * DAY
    nodes = NodeRoutes(registry, server, logs, tokens, token_lifetime=settings.token_minutes * 60)
    twins, pods = TwinRoutes(registry, log, server), PodRoutes(registry, log)
    objects = ObjectRoutes(registry, log, server)
    application = web.Application()
    application.add_routes(enrolment.routes(authority, tokens, registry, lifetime=lifetime, grace=grace))
    application.add_subapp(PREFIX, api([*nodes.routes(), *twins.routes(), *pods.routes(), *objects.routes()]))
    return application
