"""All that is ours on the engine, in two calls; what the lists lack is asked once of each thing and remembered."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Awaitable, Callable, Hashable, Mapping, Sequence
from contextlib import suppress
from typing import TYPE_CHECKING, Generic, TypeVar

from edged.podman import lists
from edged.podman.kernel_log import killed_for_memory
from edged.podman.lists import Listed
from edged.podman.processes import has_ended, sees_ours
from edged.runtime import LABEL, Found, NoSuchThing, RuntimeUnavailable

if TYPE_CHECKING:
    from edged.podman.api import Api

__all__ = ["Finder"]

Fact = TypeVar("Fact")
KILLED = 137
"""Exit code after SIGKILL, the kernel's way to end one that uses too much memory."""
AT_ONCE = 8
TOLD = 1.0
"""Seconds in which a monitor tells that a container has ended."""
STUMBLES = 5
"""Times that a list is asked for while things vanish."""


class Finder:
    """Of one engine."""

    def __init__(self) -> None:
        self._addresses = _Once(_address)
        self._oom_killed = _Once(_was_oom_killed)
        self._unnoticed: dict[str, int] = {}
        """When those were seen to have ended of which podman says that they run; Unix time."""

    async def found(self, api: Api, node: str) -> Found:
        """As `Runtime.found`. Containers are asked for first: one whose pod is made meanwhile is not among them, and
        so none is ever seen without its pod."""
        filters = json.dumps({"label": [f"{LABEL.node}={node}"]})
        everything = await self._containers(api, {"all": "true", "filters": filters})
        pods = await _list(api, "/pods/json", {"filters": filters})
        infras = {one["Id"]: one for one in everything if one["IsInfra"]}
        containers = [one for one in everything if not one["IsInfra"]]
        ready = {pod["Id"] for pod in pods if lists.infra_runs(pod) and pod["InfraId"] not in self._unnoticed}
        addressed = [pod["InfraId"] for pod in pods if pod["Id"] in ready and pod["Networks"]]
        addresses = await self._addresses.of(api, {id_: _start(infras.get(id_, {})) for id_ in addressed})
        ends = {one["Id"]: one["ExitedAt"] for one in containers if _may_be_oom(one)}
        oom_killed = await self._oom_killed.of(api, ends)
        return Found(
            [lists.sandbox(pod, addresses.get(pod["InfraId"], ""), pod["Id"] in ready) for pod in pods],
            [lists.container(one, oom_killed.get(one["Id"], False)) for one in containers],
        )

    async def _containers(self, api: Api, query: Mapping[str, str]) -> Sequence[Listed]:
        """What ended after its monitor was killed runs on for podman: nobody tells it."""
        listed = await _list(api, "/containers/json", query)
        suspects = _ended_unnoticed(listed)
        if suspects - self._unnoticed.keys() and not await asyncio.to_thread(sees_ours, api.socket):
            return listed
        for _ in range(round(TOLD / 0.1)):
            if not suspects - self._unnoticed.keys():
                break
            await asyncio.sleep(0.1)
            listed = await _list(api, "/containers/json", query)
            suspects &= _ended_unnoticed(listed)
        self._unnoticed = {id_: self._unnoticed.get(id_, int(time.time())) for id_ in suspects}
        return [lists.lost(one, self._unnoticed[one["Id"]]) if one["Id"] in suspects else one for one in listed]


class _Once(Generic[Fact]):
    """What is true of a container from one moment of its life on, asked once."""

    def __init__(self, ask: Callable[[Api, str], Awaitable[Fact]]) -> None:
        self._ask = ask
        self._known: Mapping[tuple[str, Hashable], Fact] = {}
        self._turns = asyncio.Semaphore(AT_ONCE)

    async def of(self, api: Api, moments: Mapping[str, Hashable]) -> Mapping[str, Fact]:
        """By the container's id; what is not asked for any more is forgotten."""
        facts = await asyncio.gather(*(self._fact(api, *moment) for moment in moments.items()))
        self._known = dict(zip(moments.items(), facts, strict=True))
        return dict(zip(moments, facts, strict=True))

    async def _fact(self, api: Api, id_: str, moment: Hashable) -> Fact:
        if (id_, moment) in self._known:
            return self._known[id_, moment]
        async with self._turns:
            return await self._ask(api, id_)


async def _list(api: Api, path: str, query: Mapping[str, str]) -> Sequence[Listed]:
    """Podman stumbles over what is removed while it lists: then it is asked again."""
    for _ in range(STUMBLES):
        with suppress(NoSuchThing):
            return (await api.call("GET", path, query)).json() or ()
    raise RuntimeUnavailable("podman could not list what runs: too much is removed meanwhile")


def _start(infra: Listed) -> Hashable:
    return infra.get("StartedAt"), infra.get("Pid")


def _ended_unnoticed(entries: Sequence[Listed]) -> set[str]:
    """Those that run, as podman has it, and whose process has ended."""
    running = [one for one in entries if one["State"] in ("running", "stopping") and one["Pid"]]
    return {one["Id"] for one in running if has_ended(one["Pid"])}


def _may_be_oom(entry: Listed) -> bool:
    return entry["State"] in ("exited", "stopped") and entry["ExitCode"] == KILLED


async def _address(api: Api, infra: str) -> str:
    try:
        seen = (await api.call("GET", f"/containers/{infra}/json")).json()
    except NoSuchThing:
        return ""
    networks = (seen["NetworkSettings"]["Networks"] or {}).values()
    return next((one["IPAddress"] or one["GlobalIPv6Address"] for one in networks), "")


async def _was_oom_killed(api: Api, id_: str) -> bool:
    try:
        state = (await api.call("GET", f"/containers/{id_}/json")).json()["State"]
    except NoSuchThing:
        return False
    return bool(state["OOMKilled"]) or await asyncio.to_thread(killed_for_memory, id_)
