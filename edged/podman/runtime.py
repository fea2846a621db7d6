"""The container engine podman, as edged uses engines."""

from __future__ import annotations

import asyncio
import math
import os
from collections.abc import AsyncIterator, Awaitable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, suppress
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

from edged.podman import lists
from edged.podman.event_stream import changes
from edged.podman.exec_session import session
from edged.podman.found import Finder
from edged.podman.service import Service, answers
from edged.podman.specs import container_spec, pod_spec, qualified
from edged.runtime import (
    ContainerPlan,
    Found,
    Image,
    Info,
    NoSuchThing,
    Runtime,
    RuntimeRefused,
    RuntimeUnavailable,
    SandboxPlan,
    Usage,
)
from edged.session import Session, Size

if TYPE_CHECKING:
    from edged.podman.api import Api

__all__ = ["PodmanRuntime"]

SYSTEM_SOCKET = Path("/run/podman/podman.sock")
PULL_TIMEOUT = 3600.0
LOAD_TIMEOUT = 1800.0
"""Seconds; large images and slow lines."""
MAKING = 3.0
"""Seconds after which a container that somebody is making is known; it takes some 50 ms."""
NAME_IN_STORAGE = "creating container storage"
BEYOND_GRACE = 30.0
"""Seconds that podman may take to stop a container beyond its grace."""


class PodmanRuntime(Runtime):
    """`async with PodmanRuntime(None, directory)`: a service that listens already, at `socket`, at $CONTAINER_HOST or
    where the system has it; else one of our own, which is started when something is asked of it and nobody listens.
    With a `socket` nothing else is tried."""

    def __init__(self, socket: Path | None, directory: Path) -> None:
        """`directory` (made when missing) holds what belongs to a service of our own."""
        self._socket = socket
        self._service = Service(directory)
        self._finder = Finder()
        self._connected: Api | None = None

    async def __aenter__(self) -> Self:
        try:
            from edged.podman.api import Api  # noqa: PLC0415 - needs the extra, which may not be there
        except ImportError:
            raise RuntimeUnavailable("pods on podman need one thing more: pip install 'twinhub[podman]'") from None
        if socket := self._socket or await _listening():
            api = Api(socket, _absent(socket))
        else:
            await self._service.ensure()
            api = Api(self._service.socket, self._service.ensure)
        try:
            await api.version()
        except BaseException:
            await api.close()
            raise
        self._connected = api
        return self

    async def __aexit__(self, *exc: object) -> None:
        if self._connected:
            await self._connected.close()
        self._connected = None

    @property
    def _api(self) -> Api:
        if self._connected is None:
            raise RuntimeUnavailable("podman is not connected")
        return self._connected

    async def info(self) -> Info:
        host = (await self._api.call("GET", "/info")).json()
        rootless = host["host"]["security"]["rootless"]
        lacks = ["limits and ports below 1024 may be missing: podman runs without root"] if rootless else []
        return Info("podman", host["version"]["Version"], isolates=True, lacks=lacks)

    async def found(self, node: str) -> Found:
        return await self._finder.found(self._api, node)

    async def run_sandbox(self, plan: SandboxPlan) -> str:
        id_ = await self._made("/pods/create", pod_spec(plan), "FailedCreatePodSandBox")
        try:
            await self._api.call("POST", f"/pods/{id_}/start", refused="FailedCreatePodSandBox")
        except RuntimeRefused:
            await self.remove_sandbox(id_)
            raise
        return id_

    async def stop_sandbox(self, id_: str) -> None:
        inside = (await self._pod(id_)).get("Containers") or ()
        await asyncio.gather(*(self.stop(one["Id"], 0) for one in inside))

    async def remove_sandbox(self, id_: str) -> None:
        await self.stop_sandbox(id_)
        await _though_gone(self._api.call("DELETE", f"/pods/{id_}", {"force": "true"}))

    async def create(self, sandbox: str, plan: ContainerPlan) -> str:
        """Refused in a sandbox that was stopped: podman would revive it."""
        pod = await self._pod(sandbox)
        if not _infra_runs(pod):
            raise NoSuchThing("CreateContainerError", f"the sandbox {sandbox[:12]} is not there or was stopped")
        spec = container_spec(sandbox, plan)
        try:
            return await self._made("/containers/create", spec, "CreateContainerError")
        except RuntimeRefused as refusal:
            if NAME_IN_STORAGE not in str(refusal) or not await self._clear_storage(plan.name):
                raise
        return await self._made("/containers/create", spec, "CreateContainerError")

    async def start(self, id_: str) -> None:
        await self._api.call("POST", f"/containers/{id_}/start", refused="RunContainerError")

    async def stop(self, id_: str, grace: float) -> None:
        seconds = math.ceil(grace)
        within = seconds + BEYOND_GRACE
        query = {"timeout": str(seconds)}
        await _though_gone(self._api.call("POST", f"/containers/{id_}/stop", query, within=within))

    async def remove(self, id_: str) -> None:
        try:
            await self._remove(id_)
        except RuntimeRefused:  # one whose monitor was killed: podman learns by trying that it has ended
            await self._remove(id_)

    async def _remove(self, id_: str) -> None:
        query = {"force": "true", "timeout": "0", "v": "true"}
        await _though_gone(self._api.call("DELETE", f"/containers/{id_}", query))

    async def images(self) -> Sequence[Image]:
        return [lists.image(one) for one in (await self._api.call("GET", "/images/json")).json() or ()]

    async def pull(self, image: str) -> str:
        query = {"reference": qualified(image), "policy": "always"}
        answer = await self._api.call("POST", "/images/pull", query, refused="ErrImagePull", within=PULL_TIMEOUT)
        for line in answer.lines():
            if error := line.get("error"):
                raise RuntimeRefused("ErrImagePull", str(error)[:1000])
            if id_ := line.get("id"):
                return str(id_)
        raise RuntimeUnavailable("podman's service broke off in the midst of a pull")

    async def load(self, archive: str) -> Sequence[str]:
        try:
            await asyncio.to_thread(lambda: Path(archive).open("rb").close())
        except OSError as error:
            raise RuntimeRefused("", f"{archive}: {error.strerror}") from None
        headers, data = {"Content-Type": "application/x-tar"}, partial(Path(archive).open, "rb")
        answer = await self._api.call("POST", "/images/load", within=LOAD_TIMEOUT, data=data, headers=headers)
        return tuple(answer.json()["Names"])

    def session(
        self, id_: str, command: Sequence[str], *, stdin: bool = False, terminal: Size | None = None
    ) -> AbstractAsyncContextManager[Session]:
        return session(self._api, id_, command, stdin=stdin, terminal=terminal)

    async def usage(self, id_: str) -> Usage:
        query = {"containers": id_, "stream": "false"}
        seen = (await self._api.call("GET", "/containers/stats", query)).json()
        if not seen.get("Stats"):
            raise NoSuchThing("", f"the container {id_[:12]} does not run")
        [usage] = seen["Stats"]
        return Usage(usage["CPUNano"] / 1e9, usage["MemUsage"])

    async def changes(self) -> AsyncIterator[None]:
        async for _ in changes(self._api):
            yield

    async def _made(self, path: str, spec: Mapping[str, Any], refused: str) -> str:
        return str((await self._api.call("POST", path, refused=refused, json=spec)).json()["Id"])

    async def _clear_storage(self, name: str) -> bool:
        """Remove a container that only podman's storage knows, because its service was killed while making it. False:
        it is known after all."""
        for _ in range(round(MAKING / 0.1)):
            if await self._known(name):
                return False
            await asyncio.sleep(0.1)
        await _though_gone(self._api.call("DELETE", f"/containers/{name}", {"force": "true"}))
        return True

    async def _known(self, name: str) -> bool:
        try:
            await self._api.call("GET", f"/containers/{name}/exists")
        except NoSuchThing:
            return False
        return True

    async def _pod(self, id_: str) -> Mapping[str, Any]:
        """As podman inspects it; empty: there is none."""
        try:
            pod: Mapping[str, Any] = (await self._api.call("GET", f"/pods/{id_}/json")).json()
        except NoSuchThing:
            return {}
        return pod


def _infra_runs(pod: Mapping[str, Any]) -> bool:
    infra = pod.get("InfraContainerID")
    return any(one["Id"] == infra and one["State"] == "running" for one in pod.get("Containers") or ())


async def _though_gone(call: Awaitable[object]) -> None:
    with suppress(NoSuchThing):
        await call


async def _listening() -> Path | None:
    """The socket of a service that somebody else runs."""
    if host := os.environ.get("CONTAINER_HOST"):
        if not host.startswith("unix://"):
            raise RuntimeUnavailable(
                f"CONTAINER_HOST={host}: edged speaks to podman by a unix socket only: unix:///path"
            )
        return Path(host.removeprefix("unix://"))
    return SYSTEM_SOCKET if await answers(SYSTEM_SOCKET) else None


def _absent(socket: Path) -> Any:
    async def ensure() -> None:
        raise RuntimeUnavailable(
            f"nobody listens at {socket}: start podman's service (`systemctl start podman.socket`), or install it: "
            "`apt-get install podman`"
        )

    return ensure
