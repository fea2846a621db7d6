"""An engine that tells of changes: a server that speaks this part of the interface, and no more."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from cri_api.v1 import api_pb2 as cri
from grpc import (
    StatusCode,
    method_handlers_generic_handler,
    unary_stream_rpc_method_handler,
    unary_unary_rpc_method_handler,
)
from grpc.aio import ServicerContext, server

from edged.cri.api import Api
from edged.cri.changes import changes
from edged.runtime import LABEL, RuntimeUnavailable

PATIENCE = 20.0


class Teller:
    def __init__(self, *, tells: bool) -> None:
        self.tells = tells
        self.news: asyncio.Queue[bool] = asyncio.Queue()
        """False ends the stream."""
        self.streams = 0
        self.lists = 0
        self.containers: list[cri.Container] = []

    async def events(self, _: Any, context: ServicerContext[Any, Any]) -> AsyncIterator[cri.ContainerEventResponse]:
        if not self.tells:
            await context.abort(StatusCode.UNKNOWN, "pod events are switched off")
        self.streams += 1
        while await self.news.get():
            yield cri.ContainerEventResponse(container_id="c")

    async def list_containers(self, _: Any, __: Any) -> cri.ListContainersResponse:
        self.lists += 1
        return cri.ListContainersResponse(containers=self.containers)

    async def list_sandboxes(self, _: Any, __: Any) -> cri.ListPodSandboxResponse:
        return cri.ListPodSandboxResponse()


@asynccontextmanager
async def connected(teller: Teller, directory: Path) -> AsyncIterator[Api]:
    engine = server()
    handlers = {
        "GetContainerEvents": unary_stream_rpc_method_handler(teller.events, *_codec(cri.GetEventsRequest)),
        "ListContainers": unary_unary_rpc_method_handler(teller.list_containers, *_codec(cri.ListContainersRequest)),
        "ListPodSandbox": unary_unary_rpc_method_handler(teller.list_sandboxes, *_codec(cri.ListPodSandboxRequest)),
    }
    engine.add_generic_rpc_handlers((method_handlers_generic_handler("runtime.v1.RuntimeService", handlers),))
    engine.add_insecure_port(f"unix://{directory}/e.sock")
    await engine.start()
    api = Api(f"unix://{directory}/e.sock")
    try:
        yield api
    finally:
        await api.close()
        await engine.stop(None)


def _codec(request: Any) -> tuple[Any, Any]:
    return request.FromString, lambda answer: answer.SerializeToString()


async def within(coroutine: Any) -> Any:
    return await asyncio.wait_for(coroutine, PATIENCE)


async def test_what_is_told_is_passed_on_and_a_stream_that_ends_is_opened_again(tmp_path: Path) -> None:
    teller = Teller(tells=True)
    async with connected(teller, tmp_path) as api:
        stream = changes(api, asyncio.Event())
        await within(anext(stream))
        for _ in range(3):
            teller.news.put_nowait(True)
            await within(anext(stream))
        teller.news.put_nowait(False)
        await within(anext(stream))
        assert teller.streams == 2
        assert teller.lists == 0


async def test_an_engine_that_does_not_tell_is_asked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("edged.cri.changes.PERIOD", 0.05)
    teller = Teller(tells=False)
    ours = cri.Container(id="c", labels={LABEL.node: "n"}, state=cri.CONTAINER_RUNNING)
    async with connected(teller, tmp_path) as api:
        begun = asyncio.Event()
        stream = changes(api, begun)
        await within(anext(stream))
        teller.containers = [cri.Container(id="foreign"), ours]
        begun.set()
        await within(anext(stream))
        next_one = asyncio.create_task(anext(stream))
        lists = teller.lists
        while teller.lists < lists + 3 and not next_one.done():
            await asyncio.sleep(0.02)
        assert not next_one.done(), "nothing has changed"
        ours.state = cri.CONTAINER_EXITED
        await within(next_one)


async def test_nothing_of_ours_is_hardly_ever_asked_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("edged.cri.changes.PERIOD", 0.01)
    teller = Teller(tells=False)
    teller.containers = [cri.Container(id="foreign")]
    async with connected(teller, tmp_path) as api:
        stream = changes(api, asyncio.Event())
        await within(anext(stream))
        waiting = asyncio.create_task(anext(stream))
        await asyncio.sleep(0.5)
        assert teller.lists <= 2
        waiting.cancel()
        await asyncio.wait([waiting])


@pytest.mark.parametrize("tells", [True, False])
async def test_an_engine_that_went_is_told(tells: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("edged.cri.changes.IDLE_PERIOD", 0.1)
    async with connected(Teller(tells=tells), tmp_path) as api:
        stream = changes(api, asyncio.Event())
        await within(anext(stream))
        waiting = asyncio.create_task(anext(stream))
        await asyncio.sleep(0.3)
    with pytest.raises(RuntimeUnavailable):
        await within(waiting)
