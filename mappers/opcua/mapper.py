"""The OPC-UA mapper: one session for each server and identity, subscribed where the server can, read where not."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, ClassVar

from device_models.model import DataType
from mappers.mapper import Batch, Discovery, LinkLost, Listening, Mapper, Point, Raw, Value
from mappers.opcua import place, spelling
from mappers.opcua.config import ANYBODY, OpcuaConfig, OpcuaVisitor

if TYPE_CHECKING:
    from mappers.opcua.connection import Connection
    from mappers.opcua.methods import Calls

OpcuaPoint = Point[OpcuaConfig, OpcuaVisitor]

MOST_READ = 1000
"""Nodes in one read request, until the server says."""
SHARED = (
    "password", "password_file", "user_private_key", "certificate", "private_key", "trust_folder", "subscribe",
    "keep_alive",
)  # fmt: skip
"""Fields in which the devices of one session must agree, beside those that `link_of` looks at."""


class OpcuaMapper(Mapper[OpcuaConfig, OpcuaVisitor]):
    """A session with one server, and the devices in its address space."""

    Config = OpcuaConfig
    Visitor = OpcuaVisitor
    config_spelling = spelling.CONFIG
    visitor_spelling = spelling.VISITOR
    connect_patience: ClassVar[float] = 120.0
    """Ten thousand monitored items take a while; the handshake, and each request after it, has a limit of its own."""
    survives_silence = True

    def __init__(self, points: Sequence[OpcuaPoint]) -> None:
        super().__init__(points)
        _check_agreement(points)
        self._connection: Connection | None = None
        self._calls: Calls | None = None

    async def connect(self) -> None:
        from mappers.opcua.connection import Connection  # noqa: PLC0415 - asyncua is large: only who connects pays
        from mappers.opcua.methods import Calls  # noqa: PLC0415

        self._calls = self._calls or Calls()
        self._connection = Connection(self.config, self.points, self._calls)
        await self._connection.open()

    async def close(self) -> None:
        if self._connection is not None:
            connection, self._connection = self._connection, None
            await connection.close()

    def polls(self, point: OpcuaPoint) -> bool:
        if self._connection is not None:
            return self._connection.polls(point)
        return bool(point.visitor.method) or point.config.subscribe == "never"

    def readable(self, point: OpcuaPoint) -> bool:  # noqa: ARG002 - all are
        return True

    def plan(self, points: Sequence[OpcuaPoint]) -> Sequence[Batch[OpcuaConfig, OpcuaVisitor]]:
        most = MOST_READ if self._connection is None else self._connection.most_read
        return [Batch(tuple(points[start : start + most])) for start in range(0, len(points), most)]

    def split(self, batch: Batch[OpcuaConfig, OpcuaVisitor]) -> Sequence[Batch[OpcuaConfig, OpcuaVisitor]]:
        middle = len(batch.points) // 2
        return [Batch(batch.points[:middle]), Batch(batch.points[middle:])] if middle else []

    def describe(self, batch: Batch[OpcuaConfig, OpcuaVisitor]) -> str:
        if len(batch.points) > 1:
            return f"{len(batch.points)} nodes"
        visitor = batch.points[0].visitor
        output = "" if visitor.output is None else f" output {visitor.output}"
        return f"method {visitor.method}{output}" if visitor.method else visitor.place

    async def read(self, batch: Batch[OpcuaConfig, OpcuaVisitor]) -> Sequence[Raw]:
        return await self._open.read(batch.points)

    async def write(self, point: OpcuaPoint, value: Value) -> None:
        await self._open.write(point, value)

    async def listen(self, listening: Listening) -> None:
        await self._open.listen(listening)

    @property
    def _open(self) -> Connection:
        if self._connection is None:
            raise LinkLost("not connected")
        return self._connection

    # -- configuration -------------------------------------------------------------------------------------

    @classmethod
    def link_of(cls, config: OpcuaConfig) -> str:
        known = "" if config.identity == ANYBODY else f" as {config.identity}"
        safe = "" if config.security_policy == "None" else f", {config.security_policy} {config.mode}"
        return f"{config.url}{known}{safe}"

    @classmethod
    def check(cls, point: OpcuaPoint) -> None:
        visitor, prop = point.visitor, point.property
        for written in (visitor.method, visitor.owner) if visitor.method else (visitor.place,):
            place.check(written)
        if prop.type is DataType.STREAM:
            raise ValueError("OPC-UA has no streams")
        if visitor.output is not None and prop.writable:
            raise ValueError("an output of a method can only be read: write accessMode ReadOnly")
        if visitor.method and visitor.output is None and not prop.writable:
            raise ValueError("a method is called by setting the property: write accessMode ReadWrite, or output")

    @classmethod
    async def discover(cls, target: str, options: Mapping[str, str]) -> Discovery:
        from mappers.opcua.discover import discover  # noqa: PLC0415 - asyncua is large

        return await discover(target, options)


def _check_agreement(points: Sequence[OpcuaPoint]) -> None:
    """A session has one user and one pair of certificates."""
    first = points[0]
    seen = {first.config}
    for point in points:
        if point.config in seen:
            continue
        seen.add(point.config)
        differing = [name for name in SHARED if getattr(point.config, name) != getattr(first.config, name)]
        if differing:
            names = ", ".join(_camel(name) for name in differing)
            raise ValueError(
                f"{first.device_id} and {point.device_id} share a session with {first.config.url} and disagree about"
                f" {names}: write the same in both"
            )


def _camel(name: str) -> str:
    first, *rest = name.split("_")
    return first + "".join(map(str.capitalize, rest))
