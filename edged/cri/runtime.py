"""containerd or CRI-O, as edged uses engines."""

from __future__ import annotations

import asyncio
import math
from collections.abc import AsyncIterator, Awaitable, Sequence
from contextlib import AbstractAsyncContextManager, AsyncExitStack, suppress
from pathlib import Path
from typing import Self

from cri_api.v1 import api_pb2 as cri

from edged.cri.api import Api
from edged.cri.changes import changes
from edged.cri.configs import container_config, sandbox_config, sandbox_config_of
from edged.cri.endpoint import find, socket_of
from edged.cri.exec_session import session
from edged.cri.found import SECOND, Finder
from edged.cri.image_archive import import_archive, names_in
from edged.cri.log_rotation import rotate_for_ever
from edged.runtime import (
    MOST_OUTPUT,
    ContainerPlan,
    Executed,
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
from eventbus.owned_task import OwnedTask

__all__ = ["CriRuntime"]

SANDBOX_TIMEOUT = 240.0
"""Seconds; its image may have to be pulled."""
PULL_TIMEOUT = 3600.0
"""Seconds; large images and slow lines."""
BEYOND_GRACE = 60.0
"""Seconds that the engine may take to stop a container beyond its grace."""
BEYOND_EXECUTE = 10.0
"""Seconds that the engine may take to end a command whose time is over."""
REGISTERING_LOOKS = 200
REGISTERING_PAUSE = 0.05
"""Seconds, until an image that was loaded is seen by the part of containerd that makes containers of it."""
LOGS = Path("/var/log/twinhub")
_CREATE = "CreateContainerError"
_SANDBOX = "FailedCreatePodSandBox"


class CriRuntime(Runtime):
    """`async with CriRuntime()`: the engine at $CONTAINER_RUNTIME_ENDPOINT, or else where engines are."""

    def __init__(self, directory: Path = LOGS, endpoint: str = "") -> None:
        """`directory`: the engine is told that logs lie here; each container's has its own path, wherever that is.
        `endpoint`: `unix:///path`, and no other is looked for."""
        self._directory = str(directory.absolute())
        self._endpoint = endpoint
        self._finder = Finder()
        self._begun = asyncio.Event()
        self._connected: tuple[Api, Path] | None = None
        self._stack = AsyncExitStack()

    async def __aenter__(self) -> Self:
        socket = socket_of(self._endpoint or find())
        async with AsyncExitStack() as stack:
            api = Api(f"unix://{socket}")
            stack.push_async_callback(api.close)
            await _version(api)
            await stack.enter_async_context(OwnedTask(rotate_for_ever(api, self._finder.logs), "rotation of logs"))
            self._stack = stack.pop_all()
        self._connected = api, socket
        return self

    async def __aexit__(self, *exc: object) -> None:
        self._connected = None
        await self._stack.aclose()

    @property
    def _api(self) -> Api:
        if self._connected is None:
            raise RuntimeUnavailable("the container engine is not connected")
        return self._connected[0]

    async def info(self) -> Info:
        version = await _version(self._api)
        status = (await self._api.call(cri.StatusRequest(), cri.StatusResponse)).status
        lacks = [sentence for one in status.conditions if not one.status for sentence in _lack(one)]
        return Info(version.runtime_name, version.runtime_version, isolates=True, lacks=lacks)

    async def found(self, node: str) -> Found:
        return await self._finder.found(self._api, node)

    async def run_sandbox(self, plan: SandboxPlan) -> str:
        request = cri.RunPodSandboxRequest(config=sandbox_config(plan, self._directory))
        call = self._api.call(request, cri.RunPodSandboxResponse, refused=_SANDBOX, within=SANDBOX_TIMEOUT)
        answer = await _with_advice(call)
        self._begun.set()
        return answer.pod_sandbox_id

    async def stop_sandbox(self, id_: str) -> None:
        request = cri.StopPodSandboxRequest(pod_sandbox_id=id_)
        await _though_gone(self._api.call(request, cri.StopPodSandboxResponse, within=BEYOND_GRACE))

    async def remove_sandbox(self, id_: str) -> None:
        await self.stop_sandbox(id_)
        request = cri.RemovePodSandboxRequest(pod_sandbox_id=id_)
        await _though_gone(self._api.call(request, cri.RemovePodSandboxResponse))

    async def create(self, sandbox: str, plan: ContainerPlan) -> str:
        """A mount whose source is not there is refused here: the engine would make a directory of it."""
        if absent := await asyncio.to_thread(_absent, plan):
            raise RuntimeRefused(_CREATE, f"{absent} is not there, and so cannot be mounted")
        asked = cri.PodSandboxStatusRequest(pod_sandbox_id=sandbox)
        status = (await self._api.call(asked, cri.PodSandboxStatusResponse, refused=_CREATE)).status
        if status.state != cri.SANDBOX_READY:
            raise NoSuchThing(_CREATE, f"the sandbox {sandbox[:12]} was stopped")
        request = cri.CreateContainerRequest(
            pod_sandbox_id=sandbox,
            config=container_config(plan, status.linux.namespaces.options, self._directory),
            sandbox_config=sandbox_config_of(status, self._directory, privileged=plan.privileged),
        )
        return (await self._api.call(request, cri.CreateContainerResponse, refused=_CREATE)).container_id

    async def start(self, id_: str) -> None:
        request = cri.StartContainerRequest(container_id=id_)
        await self._api.call(request, cri.StartContainerResponse, refused="RunContainerError")

    async def stop(self, id_: str, grace: float) -> None:
        request = cri.StopContainerRequest(container_id=id_, timeout=math.ceil(grace))
        await _though_gone(self._api.call(request, cri.StopContainerResponse, within=grace + BEYOND_GRACE))

    async def remove(self, id_: str) -> None:
        await self.stop(id_, 0)
        request = cri.RemoveContainerRequest(container_id=id_)
        await _though_gone(self._api.call(request, cri.RemoveContainerResponse))

    async def images(self) -> Sequence[Image]:
        answer = await self._api.call(cri.ListImagesRequest(), cri.ListImagesResponse, service="ImageService")
        return [Image(one.id, (*one.repo_tags, *one.repo_digests), one.size) for one in answer.images]

    async def pull(self, image: str) -> str:
        request = cri.PullImageRequest(image=cri.ImageSpec(image=image))
        answer = await self._api.call(
            request, cri.PullImageResponse, service="ImageService", refused="ErrImagePull", within=PULL_TIMEOUT
        )
        return answer.image_ref

    async def load(self, archive: str) -> Sequence[str]:
        """By containerd's `ctr`; refused for other engines."""
        names = await asyncio.to_thread(names_in, archive)
        name = (await _version(self._api)).runtime_name
        if self._connected is None or name != "containerd":
            raise RuntimeRefused("", f"{name} takes no images from files here: `podman load -i {archive}` as root")
        await import_archive(archive, self._connected[1])
        for image in names:
            await self._registered(image)
        return names

    async def _registered(self, image: str) -> None:
        """Makes containers of it possible. RuntimeRefused: it does not come."""
        request = cri.ImageStatusRequest(image=cri.ImageSpec(image=image))
        for _ in range(REGISTERING_LOOKS):
            if (await self._api.call(request, cri.ImageStatusResponse, service="ImageService")).image.id:
                return
            await asyncio.sleep(REGISTERING_PAUSE)
        raise RuntimeRefused("", f"containerd took the archive, and has no image {image} nevertheless")

    async def execute(self, id_: str, command: Sequence[str], within: float) -> Executed:
        """In whole seconds, rounded up."""
        seconds = math.ceil(within)
        request = cri.ExecSyncRequest(container_id=id_, cmd=command, timeout=seconds)
        began = asyncio.get_running_loop().time()
        try:
            done = await self._api.call(request, cri.ExecSyncResponse, within=seconds + BEYOND_EXECUTE)
        except (RuntimeRefused, RuntimeUnavailable):
            if asyncio.get_running_loop().time() >= began + seconds:
                raise TimeoutError(f"{command[0]} did not end within {seconds} s") from None
            raise
        return Executed(done.exit_code, (done.stdout + done.stderr)[-MOST_OUTPUT:])

    def session(
        self, id_: str, command: Sequence[str], *, stdin: bool = False, terminal: Size | None = None
    ) -> AbstractAsyncContextManager[Session]:
        return session(self._api, id_, command, stdin=stdin, terminal=terminal)

    async def usage(self, id_: str) -> Usage:
        request = cri.ContainerStatsRequest(container_id=id_)
        stats = (await self._api.call(request, cri.ContainerStatsResponse)).stats
        return Usage(stats.cpu.usage_core_nano_seconds.value / SECOND, stats.memory.working_set_bytes.value)

    def changes(self) -> AsyncIterator[None]:
        return changes(self._api, self._begun)


async def _version(api: Api) -> cri.VersionResponse:
    """RuntimeUnavailable: it has no Container Runtime Interface, or one that is too old."""
    try:
        return await api.call(cri.VersionRequest(), cri.VersionResponse)
    except RuntimeRefused as error:
        raise RuntimeUnavailable(
            f"the container engine at {api.endpoint} has no Container Runtime Interface v1 ({error}): containerd 1.6 "
            'or CRI-O 1.23 is the oldest, and "cri" must not be among disabled_plugins in containerd\'s config.toml'
        ) from None


def _lack(condition: cri.RuntimeCondition) -> list[str]:
    if condition.type == "NetworkReady":
        return [f"pods need hostNetwork, ports and hostname are not their own: no CNI network ({condition.message})"]
    return [f"{condition.type} is false: {condition.reason} {condition.message}"]


def _absent(plan: ContainerPlan) -> str:
    sources = (mount.source for mount in (*plan.mounts, *plan.devices))
    return next((source for source in sources if not Path(source).exists()), "")


async def _with_advice(call: Awaitable[cri.RunPodSandboxResponse]) -> cri.RunPodSandboxResponse:
    try:
        return await call
    except RuntimeRefused as error:
        if "sandbox image" not in str(error):
            raise
        raise RuntimeRefused(
            error.reason,
            f"{error}; load it by `twinhub image load`, or let sandbox_image (CRI-O: pause_image) in the engine's "
            "configuration name one that is there",
        ) from None


async def _though_gone(call: Awaitable[object]) -> None:
    with suppress(NoSuchThing):
        await call
