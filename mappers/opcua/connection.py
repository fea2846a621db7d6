"""One connection of the mapper: its session, what of it is subscribed, and all that is asked over it."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from typing import NoReturn

from asyncua import ua
from asyncua.common.utils import Buffer
from asyncua.ua.ua_binary import variant_from_binary, variant_to_binary

from mappers.mapper import Failure, LinkLost, Listening, NoAnswer, Raw, Refused, Sample, Value
from mappers.opcua import nodes
from mappers.opcua.config import OpcuaConfig
from mappers.opcua.methods import Calls, OpcuaPoint
from mappers.opcua.session import PATIENCE, Session, meaning
from mappers.opcua.subscriptions import Subscriptions
from mappers.opcua.types import Types
from mappers.opcua.values import name_of, to_raw

LOOK_AGAIN = 10.0
"""Seconds after which a browse path that led nowhere is followed again."""
NEVER = frozenset({
    "BadNotWritable", "BadUserAccessDenied", "BadTypeMismatch", "BadOutOfRange", "BadWriteNotSupported",
    "BadNotSupported", "BadAttributeIdInvalid",
})  # fmt: skip
"""What a server says to values that it will never take."""


class Connection:
    """`open` it; then `polls`, `read`, `write`, and `listen` beside them; `close` in the end."""

    def __init__(self, config: OpcuaConfig, points: Sequence[OpcuaPoint], calls: Calls) -> None:
        self._config = config
        self._points = points
        self._calls = calls
        self._session = Session(config)
        self._types = Types(self._session)
        self._subscriptions = Subscriptions(self._session, config.keep_alive)
        self._nodes: dict[str, ua.NodeId] = {}
        """By what manifests call them."""
        self._looked = 0.0
        """When browse paths were followed last."""
        self._subscribed: set[OpcuaPoint] = set()
        self._spellings: dict[OpcuaPoint, tuple[Raw, Value]] = {}
        """What a written value looks like when it is read, and how it was spelled in the wish."""
        self._listening: Listening | None = None

    @property
    def most_read(self) -> int:
        """Nodes in one read request."""
        return self._session.limits.read

    async def open(self) -> None:
        """Sign in, find all nodes, subscribe to what can be subscribed. LinkLost, OSError."""
        await self._session.open()
        with _errors():
            await self._find()
            await self._types.learn([self._nodes[p.visitor.place] for p in self._points if self._may_be_structure(p)])
            if self._config.subscribe == "auto":
                await self._subscribe()

    async def close(self) -> None:
        """As in `Session`."""
        await self._session.close()

    def polls(self, point: OpcuaPoint) -> bool:
        """Whether nothing comes of it by itself."""
        return point not in self._subscribed

    async def read(self, points: Sequence[OpcuaPoint]) -> list[Raw]:
        """What these points show now. Refused, LinkLost."""
        with _errors():
            await self._look_again(points)
            asked = [p for p in points if p.visitor.place in self._nodes]
            answers = await self._session.read([self._nodes[p.visitor.place] for p in asked]) if asked else []
        found = dict(zip(asked, answers, strict=True))
        return [self._shown(point, found.get(point)) for point in points]

    async def write(self, point: OpcuaPoint, value: Value) -> None:
        """Write a variable, or call a method. ValueError, Refused, LinkLost."""
        with _errors():
            if point.visitor.method:
                await self._call(point, value)
            else:
                await self._write(point, value)

    async def listen(self, listening: Listening) -> NoReturn:
        """Tell what the server says by itself. LinkLost when anything is wrong with that."""
        self._listening = listening
        try:
            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(self._session.keep(), name="opcua channel")
                tasks.create_task(self._look_after(), name="opcua session")
                if self._subscriptions:
                    tasks.create_task(self._subscriptions.run(self._changed), name="opcua subscriptions")
        except BaseExceptionGroup as group:
            raise _first(group) from None
        raise AssertionError("unreachable")

    # -- what is there -------------------------------------------------------------------------------------

    async def _find(self) -> None:
        self._looked = asyncio.get_running_loop().time()
        self._nodes = await nodes.find(self._session, self._names(self._points))

    async def _look_again(self, points: Sequence[OpcuaPoint]) -> None:
        """Paths that led nowhere may lead somewhere now: servers build their address space while they run."""
        missing = [name for name in self._names(points) if name not in self._nodes]
        now = asyncio.get_running_loop().time()
        if missing and now - self._looked > LOOK_AGAIN:
            self._looked = now
            self._nodes |= await nodes.find(self._session, self._names(self._points))

    @staticmethod
    def _names(points: Sequence[OpcuaPoint]) -> list[str]:
        visitors = [point.visitor for point in points]
        return [name for v in visitors for name in ((v.method, v.owner) if v.method else (v.place,))]

    def _may_be_structure(self, point: OpcuaPoint) -> bool:
        return point.property.type.value in ("STRING", "BYTES") and point.visitor.place in self._nodes

    async def _subscribe(self) -> None:
        classes: dict[float, list[tuple[int, ua.NodeId]]] = {}
        for number, point in enumerate(self._points):
            node = self._nodes.get(point.visitor.place)
            if node is not None:
                classes.setdefault(sampling_of(point), []).append((number, node))
        for interval, items in classes.items():
            try:
                taken = await self._subscriptions.add(interval, items)
            except ua.UaStatusCodeError as error:
                lost = meaning(error)
                if isinstance(lost, LinkLost):
                    raise lost from None
                return  # a server without subscriptions: it is asked instead
            self._subscribed |= {self._points[number] for number in taken}

    # -- values --------------------------------------------------------------------------------------------

    def _changed(self, values: Mapping[int, ua.DataValue]) -> None:
        assert self._listening is not None
        points = self._points
        found = {points[number]: value for number, value in values.items() if number < len(points)}
        self._listening.deliver({point: self._raw(point, value) for point, value in found.items()})

    def _shown(self, point: OpcuaPoint, answer: ua.DataValue | None) -> Raw:
        if point.visitor.method:
            return self._calls.show(point, self._types)
        if answer is None:
            return Failure(f"the server has no {point.visitor.place}")
        return self._raw(point, answer)

    def _raw(self, point: OpcuaPoint, data: ua.DataValue) -> Raw:
        """The value; an array or structure that equals what was wished in the words of the wish: [1] is met by
        [1.0]."""
        raw = to_raw(data, point.property.type, self._types.structures.decode)
        if point in self._spellings:
            canonical, wish = self._spellings[point]
            if isinstance(raw, Sample) and raw.value == canonical:
                return replace(raw, value=wish)
            return wish if raw == canonical else raw
        return raw

    async def _write(self, point: OpcuaPoint, value: Value) -> None:
        node = self._node(point.visitor.place)
        shape = await self._types.shape(node)
        variant = shape.variant(value)
        written = ua.WriteValue(
            NodeId=node, AttributeId=ua.AttributeIds.Value, Value=ua.DataValue(variant, StatusCode=None)
        )
        [status] = await self._session.client.uaclient.write(ua.WriteParameters(NodesToWrite=[written]))
        if not status.is_good():
            name = name_of(status)
            raise ValueError(name) if name in NEVER else Refused(name)
        self._spellings.pop(point, None)
        if isinstance(value, str):
            seen = variant_from_binary(Buffer(variant_to_binary(variant)))
            self._spellings[point] = self._raw(point, ua.DataValue(seen)), value

    async def _call(self, point: OpcuaPoint, value: Value) -> None:
        visitor = point.visitor
        if visitor.output is not None:
            raise ValueError("an output of a method can only be read")
        place = self._node(visitor.owner), self._node(visitor.method)
        await self._calls.call(self._session, self._types, point, place, value)
        if self._listening is not None:
            of_method = [p for p in self._points if self._is_output(p, point)]
            self._listening.deliver({p: self._calls.show(p, self._types) for p in of_method})

    @staticmethod
    def _is_output(point: OpcuaPoint, of: OpcuaPoint) -> bool:
        same = (point.device_id, point.visitor.owner, point.visitor.method)
        return point.visitor.output is not None and same == (of.device_id, of.visitor.owner, of.visitor.method)

    def _node(self, written: str) -> ua.NodeId:
        if written not in self._nodes:
            raise Refused(f"the server has no {written}")
        return self._nodes[written]

    async def _look_after(self) -> NoReturn:
        """Keep the session alive where no subscription does, and notice a server that sends nonsense."""
        pause = self._config.keep_alive
        state = [ua.NodeId(ua.ObjectIds.Server_ServerStatus_State)]
        while True:
            await asyncio.sleep(pause)
            if self._session.choked:
                raise LinkLost("the server sends more than it may")
            if not self._subscriptions:
                with _errors():
                    try:
                        await self._session.read(state)
                    except TimeoutError:
                        raise LinkLost(f"nothing heard from the server for {PATIENCE:g} s") from None


def sampling_of(point: OpcuaPoint) -> float:
    """Seconds between two looks of the server at a variable."""
    for said in (point.visitor.sampling, point.config.sampling_interval):
        if said is not None:
            return said
    return point.property.collect_cycle


@contextmanager
def _errors() -> Iterator[None]:
    """The library's errors as the framework has them."""
    try:
        yield
    except ua.UaError as error:
        raise meaning(error) from None
    except (LinkLost, NoAnswer, Refused):
        raise


def _first(group: BaseExceptionGroup[BaseException]) -> BaseException:
    """What ended the connection: of several, one that says so."""
    flat = [_first(error) if isinstance(error, BaseExceptionGroup) else error for error in group.exceptions]
    return next((error for error in flat if isinstance(error, LinkLost)), flat[0])
