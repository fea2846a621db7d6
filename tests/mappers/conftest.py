"""What the tests of the framework need: a protocol whose devices are objects."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import Any

import pytest
from msgspec import Struct

from device_models import AccessMode, DataType, Device, Property
from mappers.mapper import Batch, Failure, Listening, Mapper, NoAnswer, Point, Refused, Value
from mappers.protocols import Protocol
from mappers.runner import MapperRunner
from mappers.testing.side import MemorySide, until


class Thing:
    """A device that is an object: what it holds, and how it behaves."""

    def __init__(self, **values: Value) -> None:
        self.values: dict[str, Any] = dict(values)
        self.silent = False
        self.delay = 0.0
        self.refuses: set[str] = set()
        self.ignores: set[str] = set()
        self.defective = False
        self.swallows = 0
        """So many cancellations are lost, because it answers in just that moment."""
        self.keep: Callable[[str, Value], Value] = lambda _name, value: value
        """What it makes of a value that is written."""
        self.read: list[tuple[float, tuple[str, ...]]] = []
        self.written: list[tuple[str, Value]] = []

    async def wait(self, seconds: float) -> None:
        """What it takes to answer."""
        try:
            await asyncio.sleep(seconds)
        except asyncio.CancelledError:
            if not self.swallows:
                raise
            self.swallows -= 1


class World:
    """The things there are, by name, and what happens to connections."""

    def __init__(self) -> None:
        self.things: dict[str, Thing] = {}
        self.unreachable: set[str] = set()
        self.connects: list[str] = []
        self.closes: list[str] = []
        self.listening: dict[str, Listening] = {}
        self.links: dict[str, asyncio.Event] = {}
        self.batch = 100
        """Points in one request, at most."""


WORLD = World()


class ThingConfig(Struct, frozen=True):
    thing: str
    line: str = ""
    timeout: float = 0.1
    silence: float = 0


class ThingVisitor(Struct, frozen=True):
    name: str


class ThingMapper(Mapper[ThingConfig, ThingVisitor]):
    """Reads and writes things; those of one `line` share a link."""

    Config = ThingConfig
    Visitor = ThingVisitor
    survives_silence = True

    @classmethod
    def link_of(cls, config: ThingConfig) -> str:
        return config.line or config.thing

    @property
    def key(self) -> str:
        return self.link_of(self.config)

    async def connect(self) -> None:
        WORLD.connects.append(self.key)
        if self.key in WORLD.unreachable:
            raise ConnectionRefusedError(111, "Connection refused")
        WORLD.links[self.key] = asyncio.Event()

    async def close(self) -> None:
        WORLD.closes.append(self.key)

    async def read(self, batch: Batch[ThingConfig, ThingVisitor]) -> Sequence[Value | Failure]:
        thing = WORLD.things[batch.points[0].config.thing]
        names = tuple(point.visitor.name for point in batch.points)
        thing.read.append((asyncio.get_running_loop().time(), names))
        if WORLD.links[self.key].is_set():
            raise ConnectionResetError(104, "Connection reset by peer")
        await thing.wait(3600 if thing.silent or thing.ignores & set(names) else thing.delay)
        if thing.defective:
            raise KeyError("surprise")
        if thing.refuses & set(names):
            raise Refused(f"no {', '.join(sorted(thing.refuses))}")
        return [thing.values[name] for name in names]

    def plan(self, points: Sequence[Point[ThingConfig, ThingVisitor]]) -> Sequence[Batch[ThingConfig, ThingVisitor]]:
        size = WORLD.batch
        return [Batch(tuple(points[start : start + size])) for start in range(0, len(points), size)]

    def split(self, batch: Batch[ThingConfig, ThingVisitor]) -> Sequence[Batch[ThingConfig, ThingVisitor]]:
        middle = len(batch.points) // 2
        return [Batch(batch.points[:middle]), Batch(batch.points[middle:])] if middle else []

    async def write(self, point: Point[ThingConfig, ThingVisitor], value: Value) -> None:
        thing = WORLD.things[point.config.thing]
        thing.written.append((point.visitor.name, value))
        if thing.silent:
            raise NoAnswer("it sleeps")
        if point.visitor.name in thing.refuses:
            raise Refused("it does not want to")
        thing.values[point.visitor.name] = thing.keep(point.visitor.name, value)


class PushMapper(ThingMapper):
    """Things that speak by themselves."""

    def polls(self, point: Point[ThingConfig, ThingVisitor]) -> bool:
        return False

    async def listen(self, listening: Listening) -> None:
        WORLD.listening[self.key] = listening
        thing = WORLD.things[self.config.thing]
        while thing.swallows:
            await thing.wait(3600)
        await WORLD.links[self.key].wait()


class Stage:
    """A world of things, and mappers that run for them."""

    def __init__(self) -> None:
        WORLD.__init__()  # type: ignore[misc]
        self.world = WORLD
        self.side = MemorySide()
        self.until = until

    def thing(self, name: str, **values: Value) -> Thing:
        """Put a thing into the world."""
        self.world.things[name] = Thing(**values)
        return self.world.things[name]

    def device(
        self, name: str, *names: str, period: float = 0.05, config: Mapping[str, Any] | None = None, **more: Any
    ) -> Device:
        """Declare a thing: its properties are INT and writable unless `more` says otherwise."""
        usual = {"type": DataType.INT, "access": AccessMode.READ_WRITE, "collect_cycle": period}
        properties = tuple(Property(each, **({"visitor": {"name": each}} | usual | more)) for each in names)
        return Device("default", name, "m", "things", {"thing": name} | dict(config or {}), properties)

    @asynccontextmanager
    async def run(self, *devices: Device, pushing: bool = False) -> AsyncIterator[MapperRunner]:
        """Run the mappers of these devices."""
        protocol = Protocol("things", "")
        protocol.__dict__["mapper"] = PushMapper if pushing else ThingMapper  # nothing could import them by path
        async with MapperRunner(protocol, devices, self.side) as runner:  # type: ignore[arg-type]
            yield runner


@pytest.fixture
def stage() -> Stage:
    return Stage()
