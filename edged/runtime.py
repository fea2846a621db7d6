"""What edged asks of a container engine. One contract suite tests every implementation.

A pod is a sandbox (what its containers share: network, a name) and containers in it. What belongs to edged bears its
labels, so that whoever starts next knows it again: nothing is remembered elsewhere.
"""

from __future__ import annotations

import asyncio
from abc import ABC, abstractmethod
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from typing import Literal, NamedTuple, Self

from msgspec import Struct

from edged.pod import Capabilities
from edged.session import Session, Size


class RuntimeUnavailable(Exception):
    """The engine does not answer, or is not there; says what to install or start."""


class RuntimeRefused(Exception):
    """The engine answered that it will not. `reason` is Kubernetes' word where it has one: ErrImagePull,
    CreateContainerError, RunContainerError."""

    def __init__(self, reason: str, message: str) -> None:
        self.reason = reason
        super().__init__(message)


class NoSuchThing(RuntimeRefused):
    """The sandbox, container or image is not there (any more)."""


class Label(NamedTuple):
    """The labels of what is ours."""

    node: str = "io.twinhub.node"
    pod: str = "io.twinhub.pod"
    """`<namespace>/<name>`."""
    uid: str = "io.twinhub.pod.uid"
    container: str = "io.twinhub.container"
    """The container's name in its pod."""
    spec: str = "io.twinhub.spec"
    """Hash of what it was made from: another one means to make it anew."""
    restarts: str = "io.twinhub.restarts"
    """How often this container, or sandbox, was made anew before."""
    ending: str = "io.twinhub.ending"
    """How this container is stopped when its manifest is gone, as JSON."""


LABEL = Label()


class Mount(Struct, frozen=True):
    """A path of the node inside a container."""

    source: str
    target: str
    read_only: bool = False


class PublishedPort(Struct, frozen=True):
    container_port: int
    host_port: int
    host_ip: str = ""
    protocol: Literal["TCP", "UDP"] = "TCP"


class SandboxPlan(Struct, frozen=True, kw_only=True):
    """What a sandbox is made from."""

    name: str
    """Unique on the engine."""
    hostname: str
    labels: Mapping[str, str]
    host_network: bool = False
    ports: tuple[PublishedPort, ...] = ()
    privileged: bool = False
    """One of its containers will be: some engines want to know beforehand."""


class ContainerPlan(Struct, frozen=True, kw_only=True):
    """What a container is made from; all references are resolved."""

    name: str
    """Unique on the engine."""
    image: str
    command: tuple[str, ...] = ()
    """Instead of the image's entry point."""
    args: tuple[str, ...] = ()
    working_dir: str = ""
    env: Mapping[str, str]
    """Values may be secret: never to be logged."""
    mounts: tuple[Mount, ...] = ()
    devices: tuple[Mount, ...] = ()
    labels: Mapping[str, str]
    log_path: str
    """A file on the node that gets the container's output, in the form of `log_line`."""
    cpu: float | None = None
    """Limit, cores."""
    memory: int | None = None
    """Limit, bytes."""
    cpu_shares: int | None = None
    user: int | None = None
    group: int | None = None
    groups: tuple[int, ...] = ()
    """Supplemental ones."""
    read_only_root: bool = False
    privileged: bool = False
    no_new_privileges: bool = False
    capabilities: Capabilities = Capabilities()
    tty: bool = False
    stdin: bool = False
    message_path: str = "/dev/termination-log"
    """In the container: what it writes there is read when it has ended."""
    message_file: str = ""
    """The file of the node for it; empty: there is none."""

    @property
    def message_mount(self) -> tuple[Mount, ...]:
        """The one for its last words, where nothing else is mounted there."""
        taken = any(one.target == self.message_path for one in (*self.mounts, *self.devices))
        return (Mount(self.message_file, self.message_path),) if self.message_file and not taken else ()

    def __repr__(self) -> str:
        return f"ContainerPlan({self.name!r}, {self.image!r})"


ContainerState = Literal["created", "running", "exited", "unknown"]


class FoundContainer(NamedTuple):
    """A container of ours on the engine."""

    id: str
    sandbox: str
    labels: Mapping[str, str]
    state: ContainerState
    image_id: str
    created: float
    """Unix seconds."""
    started: float
    """Unix seconds; 0 before."""
    finished: float
    exit_code: int | None
    reason: str
    """OOMKilled, Completed, Error …; empty while it runs."""


class FoundSandbox(NamedTuple):
    """A sandbox of ours on the engine."""

    id: str
    labels: Mapping[str, str]
    ready: bool
    address: str
    """IP address; empty where it has none of its own."""
    created: float


class Found(NamedTuple):
    """All that is ours."""

    sandboxes: Sequence[FoundSandbox]
    containers: Sequence[FoundContainer]


class Info(NamedTuple):
    """What the engine is."""

    name: str
    version: str
    isolates: bool
    """Containers are kept apart from the node by namespaces."""
    lacks: Sequence[str]
    """What a pod may ask for and does not get here, in words for people."""


class Image(NamedTuple):
    id: str
    names: Sequence[str]
    size: int
    """Bytes."""


class Executed(NamedTuple):
    exit_code: int
    output: bytes
    """Both streams together, the last `MOST_OUTPUT` bytes."""


MOST_OUTPUT = 1_000_000


class Usage(NamedTuple):
    cpu_seconds: float
    memory: int
    """Bytes."""


class Runtime(ABC):
    """`async with` reaches the engine (and starts it, where it is ours to start) and leaves everything running at the
    end; one that was left may be entered again. RuntimeUnavailable from any method: not now. All methods may be
    called at the same time; removing or stopping what is gone is no error. A name that is taken is refused: of two
    edged that make the same thing, one does."""

    @abstractmethod
    async def __aenter__(self) -> Self: ...

    @abstractmethod
    async def __aexit__(self, *exc: object) -> None: ...

    @abstractmethod
    async def info(self) -> Info:
        """What it is, asked of the engine itself."""

    @abstractmethod
    async def found(self, node: str) -> Found:
        """All sandboxes and containers that bear this node's label, whatever their state."""

    @abstractmethod
    async def run_sandbox(self, plan: SandboxPlan) -> str:
        """Make a sandbox; its id."""

    @abstractmethod
    async def stop_sandbox(self, id_: str) -> None:
        """End what still runs in it, and give back its address and ports; what was in it can still be looked at, and
        from now on it is not ready."""

    @abstractmethod
    async def remove_sandbox(self, id_: str) -> None:
        """With all that is in it, at once."""

    @abstractmethod
    async def create(self, sandbox: str, plan: ContainerPlan) -> str:
        """Make a container, not started; its id."""

    @abstractmethod
    async def start(self, id_: str) -> None:
        """Start a created container."""

    @abstractmethod
    async def stop(self, id_: str, grace: float) -> None:
        """TERM, and KILL after so many seconds; returns when it has ended."""

    @abstractmethod
    async def remove(self, id_: str) -> None:
        """Remove a container; one that runs is killed."""

    @abstractmethod
    async def images(self) -> Sequence[Image]:
        """What is there."""

    @abstractmethod
    async def pull(self, image: str) -> str:
        """Get an image from its registry; its id. RuntimeRefused ErrImagePull."""

    @abstractmethod
    async def load(self, archive: str) -> Sequence[str]:
        """Images from a file (docker or OCI archive); their names."""

    @abstractmethod
    def session(
        self, id_: str, command: Sequence[str], *, stdin: bool = False, terminal: Size | None = None
    ) -> AbstractAsyncContextManager[Session]:
        """Run a command in a running container, with an input or without, on a terminal or not. Left before its end,
        it is killed, where the engine can."""

    async def execute(self, id_: str, command: Sequence[str], within: float) -> Executed:
        """Run a command in a running container to its end. TimeoutError after so many seconds; it was killed, where
        the engine can."""
        output = bytearray()
        async with asyncio.timeout(within), self.session(id_, command) as session:
            async for _, data in session.output():
                output += data
                del output[:-MOST_OUTPUT]
            return Executed(await session.exit_code(), bytes(output))

    @abstractmethod
    async def usage(self, id_: str) -> Usage:
        """What a running container uses."""

    @abstractmethod
    def changes(self) -> AsyncIterator[None]:
        """Something of ours may have changed on the engine: look. Also after the stream was lost and is back."""
