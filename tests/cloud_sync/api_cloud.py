"""The operators' interface of a cloud as it is served, and an operator's client of it."""

import io
import json
import ssl
import time
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any, NamedTuple

import aiohttp
from aiohttp import web
from enrolment_server import HOSTS

from cloud_sync.api import PREFIX, api
from cloud_sync.api_nodes import NodeRoutes
from cloud_sync.api_objects import ObjectRoutes
from cloud_sync.api_pods import PodRoutes
from cloud_sync.api_twins import TwinRoutes
from cloud_sync.authority import Authority
from cloud_sync.https import serving
from cloud_sync.hub_server import HubServer
from cloud_sync.node_logs import NodeLogs
from cloud_sync.registry import Registry
from cloud_sync.tls import bootstrap_context, hub_context
from cloud_sync.tokens import Tokens
from cloud_sync.twin_log import TwinLog
from cloud_sync.twin_log_sqlite import SqliteTwinLog
from twin.store import open_store
from twinhub.cloud_pods import POD_RULES


class Answer(NamedTuple):
    status: int
    body: Any


class Cloud(NamedTuple):
    """What runs, and an operator's client of it."""

    folder: Path
    authority: Authority
    registry: Registry
    log: TwinLog
    logs: NodeLogs
    server: HubServer
    port: int
    operator: aiohttp.ClientSession

    async def ask(self, method: str, path: str, body: object = None, data: bytes | None = None) -> Answer:
        data = json.dumps(body).encode() if body is not None else data
        content = None if data is None else io.BytesIO(data)
        url = f"https://localhost:{self.port}{PREFIX}{path}"
        async with self.operator.request(method, url, data=content) as answer:
            return Answer(answer.status, await answer.json())

    async def get(self, path: str) -> Any:
        answer = await self.ask("GET", path)
        assert answer.status == 200, answer
        return answer.body

    async def apply(self, *objects: dict[str, Any]) -> list[dict[str, Any]]:
        answer = await self.ask("POST", "objects", {"objects": list(objects)})
        assert answer.status == 200, answer
        applied: list[dict[str, Any]] = answer.body["applied"]
        return applied


def client(authority: Authority, identity: Path | None) -> aiohttp.ClientSession:
    context = ssl.create_default_context(cadata=authority.ca_pem)
    if identity:
        context.load_cert_chain(identity)
    return aiohttp.ClientSession(connector=aiohttp.TCPConnector(ssl=context))


@asynccontextmanager
async def served(tmp_path: Path) -> AsyncIterator[Cloud]:
    """A cloud that serves, and has the node press-shop."""
    async with AsyncExitStack() as stack:
        enter = stack.enter_async_context
        authority = Authority.open(tmp_path / "authority")
        store = await enter(open_store(tmp_path / "catalogue.db"))
        registry = await enter(Registry(store, {}, pods=POD_RULES))
        log = await enter(SqliteTwinLog(tmp_path / "twins.db"))
        tokens, logs = Tokens(store, authority), NodeLogs()
        links = hub_context(authority, HOSTS)
        server = await enter(
            HubServer(registry=registry, log=log, context=links, host="127.0.0.1", port=0, logs=logs)
        )
        nodes = NodeRoutes(registry, server, logs, tokens, token_lifetime=3600)
        twins, objects = TwinRoutes(registry, log, server), ObjectRoutes(registry, log, server)
        routes = [*nodes.routes(), *twins.routes(), *PodRoutes(registry, log).routes(), *objects.routes()]
        application = web.Application()
        application.add_subapp(PREFIX, api(routes))
        port = await enter(serving(application, bootstrap_context(authority, HOSTS), "127.0.0.1"))
        operator = await enter(client(authority, authority.operator_identity()))
        await registry.add_node("press-shop", address="127.0.0.1", not_after=time.time() + 3600)
        yield Cloud(tmp_path, authority, registry, log, logs, server, port, operator)
