"""An edge without a broker: a real journal, keeper and catalogue, and the link."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field, replace
from typing import Self

from device_models import AccessMode, DataType, Device, Property
from edgehub.edge_hub import EdgeHub
from edgehub.kept_objects import Object
from edgehub.settings import LinkSettings
from eventbus.transport import Message, Statistics
from twin.documents import MsgTwin, TwinValue
from twin.journal import Journal
from twin.keeper import Keeper
from twin.store import Store

NODE = "edge-7"
SPEED = Property("speed", DataType.INT, AccessMode.READ_WRITE, minimum=0, maximum=3000)
PUMP = Device("default", "pump", "pump-model", "external", properties=(SPEED,))
QUICK = LinkSettings(first_pause=0.05, longest_pause=0.2, ping_seconds=5.0, logs=False, log_idle=0.2)


class QuietBus:
    """A session with a broker on which nobody listens; what is published is kept."""

    def __init__(self) -> None:
        self.on_messages: Callable[[Sequence[Message]], None] = lambda _: None
        self.on_up: Callable[[bool], None] = lambda _: None
        self.on_down: Callable[[], None] = lambda: None
        self.published: list[tuple[str, bytes]] = []

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *exc: object) -> None: ...

    def publish(self, topic: str, payload: bytes, *, qos: int = 1, retain: bool = False) -> bool:
        self.published.append((topic, payload))
        return True

    def acknowledge(self, receipts: Sequence[int]) -> None: ...

    async def subscribe(self, filters: Sequence[str]) -> None: ...

    async def unsubscribe(self, filters: Sequence[str]) -> None: ...

    def pause(self) -> None: ...

    def resume(self) -> None: ...

    def statistics(self) -> Statistics:
        return Statistics(0, 0, 0, True)


@dataclass
class Edge:
    """What a test may look at."""

    journal: Journal
    keeper: Keeper
    catalogue: Store
    bus: QuietBus
    link: EdgeHub
    local: Sequence[Device]
    applied: list[list[Device]] = field(default_factory=list)
    """What was declared, each time the cloud's devices changed."""

    pods: list[list[str]] = field(default_factory=list)
    """The pods, ConfigMaps and Secrets that there were, each time they changed, as `<Kind>/<namespace>/<name>`."""
    objects: dict[str, Object] = field(default_factory=dict)
    """The last of them."""

    def hold(self, objects: Sequence[Object]) -> None:
        keys = (f"{one['kind']}/{one['metadata']['namespace']}/{one['metadata']['name']}" for one in objects)
        self.objects = dict(zip(keys, objects, strict=True))
        self.pods.append(sorted(self.objects))

    async def declare_pods(self, objects: Sequence[Object]) -> None:
        self.hold(objects)
        await self.declare(self.applied[-1] if self.applied else ())

    async def declare(self, devices: Sequence[Device]) -> None:
        self.applied.append(list(devices))
        ours = {device.id for device in self.local}
        theirs = [device for device in devices if device.id not in ours]
        twins = [replace(PUMP, name=f"pod.{key.split('/')[2]}") for key in self.objects if key.startswith("Pod/")]
        self.keeper.declare([*self.local, *theirs, *twins])

    def report(self, value: object, name: str = "speed", device: str = "default/pump") -> None:
        """A mapper reports."""
        self.keeper.update(device, {name: MsgTwin(actual=TwinValue(str(value)))})
        self.journal.when_durable(lambda error: None)

    def shown(self, device: str = "default/pump", name: str = "speed") -> MsgTwin:
        twins = self.keeper.get(device)
        assert twins is not None
        return twins[name]


Open = Callable[..., AbstractAsyncContextManager[Edge]]
