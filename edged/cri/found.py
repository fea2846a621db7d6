"""All that is ours on the engine, in two calls; what the lists lack is asked once for each thing and remembered."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Iterable, Mapping
from functools import partial
from typing import NamedTuple, TypeVar

from cri_api.v1 import api_pb2 as cri

from edged.cri.api import Api
from edged.cri.configs import labels_of
from edged.runtime import LABEL, ContainerState, Found, FoundContainer, FoundSandbox, NoSuchThing

__all__ = ["Finder"]

Thing = TypeVar("Thing")
Fact = TypeVar("Fact")
AT_ONCE = 8
SETTLING = 5.0
"""Seconds after a container was killed in which the engine may still learn that it was for its memory."""
KILLED = 137
"""Exit code after SIGKILL, the kernel's way to end one that uses too much memory."""
SECOND = 1e9
"""Nanoseconds."""
_STATES: Mapping[int, ContainerState] = {
    cri.CONTAINER_CREATED: "created",
    cri.CONTAINER_RUNNING: "running",
    cri.CONTAINER_EXITED: "exited",
}


class _Container(NamedTuple):
    found: FoundContainer
    log: str
    """Its file."""


class Finder:
    """Of one engine."""

    def __init__(self) -> None:
        self._containers: dict[tuple[str, int], _Container] = {}
        """By id and listed state."""
        self._sandboxes: dict[tuple[str, int], FoundSandbox] = {}
        """By id and listed state."""

    def logs(self) -> Mapping[str, str]:
        """The files of the containers that ran when they were looked at last, by id."""
        seen = self._containers.values()
        return {one.found.id: one.log for one in seen if one.found.state == "running"}

    async def found(self, api: Api, node: str) -> Found:
        """As `Runtime.found`. Containers are asked for first: one whose sandbox is made meanwhile is not among them,
        and so none is ever seen without its sandbox."""
        labels = {LABEL.node: node}
        containers = await api.call(
            cri.ListContainersRequest(filter=cri.ContainerFilter(label_selector=labels)), cri.ListContainersResponse
        )
        sandboxes = await api.call(
            cri.ListPodSandboxRequest(filter=cri.PodSandboxFilter(label_selector=labels)), cri.ListPodSandboxResponse
        )
        inside = await _all(partial(self._container, api), containers.containers)
        around = await _all(partial(self._sandbox, api), sandboxes.items)
        self._containers = {key: one for key, one in inside if _settled(one.found)}
        self._sandboxes = dict(around)
        return Found([one for _, one in around], [one.found for _, one in inside])

    async def _container(self, api: Api, listed: cri.Container) -> tuple[tuple[str, int], _Container]:
        key = listed.id, listed.state
        if known := self._containers.get(key):
            return key, known
        request = cri.ContainerStatusRequest(container_id=listed.id)
        status = (await api.call(request, cri.ContainerStatusResponse)).status
        return (listed.id, status.state), _Container(_found_container(listed, status), status.log_path)

    async def _sandbox(self, api: Api, listed: cri.PodSandbox) -> tuple[tuple[str, int], FoundSandbox]:
        key = listed.id, listed.state
        if known := self._sandboxes.get(key):
            return key, known
        request = cri.PodSandboxStatusRequest(pod_sandbox_id=listed.id)
        status = (await api.call(request, cri.PodSandboxStatusResponse)).status
        return (listed.id, status.state), _found_sandbox(status)


async def _all(ask: Callable[[Thing], Awaitable[Fact]], things: Iterable[Thing]) -> list[Fact]:
    """The answers, but for things that are gone."""
    turns = asyncio.Semaphore(AT_ONCE)

    async def answer(thing: Thing) -> Fact | None:
        async with turns:
            try:
                return await ask(thing)
            except NoSuchThing:
                return None

    answers = await asyncio.gather(*map(answer, things))
    return [one for one in answers if one is not None]


def _settled(one: FoundContainer) -> bool:
    """What the engine says of it will not change while its state does not."""
    if one.state == "unknown":
        return False
    return one.exit_code != KILLED or one.reason == "OOMKilled" or time.time() > one.finished + SETTLING


def _found_container(listed: cri.Container, status: cri.ContainerStatus) -> FoundContainer:
    state = _STATES.get(status.state, "unknown")
    ended = state == "exited"
    return FoundContainer(
        id=listed.id,
        sandbox=listed.pod_sandbox_id,
        labels=labels_of(listed),
        state=state,
        image_id=listed.image_id or listed.image_ref,
        created=listed.created_at / SECOND,
        started=status.started_at / SECOND,
        finished=status.finished_at / SECOND if ended else 0.0,
        exit_code=status.exit_code if ended else None,
        reason=_reason(status) if ended else "",
    )


def _reason(status: cri.ContainerStatus) -> str:
    return status.reason or ("Completed" if status.exit_code == 0 else "Error")


def _found_sandbox(status: cri.PodSandboxStatus) -> FoundSandbox:
    alone = status.linux.namespaces.options.network != cri.NamespaceMode.NODE
    return FoundSandbox(
        id=status.id,
        labels=dict(status.labels),
        ready=status.state == cri.SANDBOX_READY,
        address=status.network.ip if alone else "",
        created=status.created_at / SECOND,
    )
