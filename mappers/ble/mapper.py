"""The Bluetooth mapper: one device on a shared adapter, connected when it must be, heard when that is enough."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from device_models.model import DataType
from mappers.ble import spelling
from mappers.ble.adapter import Advertisement, Characteristic, Connection
from mappers.ble.config import BleConfig, BleVisitor
from mappers.ble.meaning import Meaning, all_decodings, meaning_of
from mappers.ble.radio import Radio, radio_for
from mappers.ble.turns import Ticket
from mappers.ble.uuids import full_uuid, short_uuid
from mappers.mapper import Batch, Discovery, Failure, LinkLost, Listening, Mapper, Point, Raw, Refused, Value

BlePoint = Point[BleConfig, BleVisitor]

CONNECT_TIMEOUTS = 4
"""So many times a device's `timeout` may go by until it is connected and its services are known."""
SILENT_AFTER = 60.0
"""Seconds without an advertisement, for a device that is never connected and whose `silence` is not said."""


@dataclass(frozen=True, slots=True, eq=False)
class BleBatch(Batch[BleConfig, BleVisitor]):
    """Points that one characteristic holds: one read."""


class BleMapper(Mapper[BleConfig, BleVisitor]):
    """One device."""

    Config = BleConfig
    Visitor = BleVisitor
    config_spelling = spelling.CONFIG
    visitor_spelling = spelling.VISITOR
    connect_patience = 300.0  # the radio's own limits are tighter, and give the reason

    def __init__(self, points: Sequence[BlePoint]) -> None:
        super().__init__(points)
        self.address = self.config.address
        self._meanings: dict[BlePoint, Meaning] = {
            p: meaning_of(p.property, p.visitor) for p in points if not (p.visitor.rssi or p.visitor.last_seen)
        }
        self._connected = [point for point in points if not point.visitor.advertised]
        self._advertised = {point: 0.0 for point in points if point.visitor.advertised}
        """When each of them is due again, monotonic."""
        self._radio: Radio | None = None
        self._ticket = Ticket(self.address)
        self._connection: Connection | None = None
        self._leaving: asyncio.Task[None] | None = None
        """Gives the slot back for others."""
        self._looked_afresh = False
        self._places: dict[BlePoint, Characteristic | Failure] = {}
        self._notified: dict[Characteristic, list[BlePoint]] = {}
        self._listening: Listening | None = None
        self._early: dict[Point[Any, Any], Raw] = {}
        """What came before anybody listened."""
        self._ended = asyncio.Event()
        self._stir = asyncio.Event()
        """Something was heard, or it has ended."""
        self._reason = ""

    # -- the link ------------------------------------------------------------------------------------------

    async def connect(self) -> None:
        self._ended.clear()
        self._early.clear()
        self._radio = radio_for(self.config.adapter)
        await self._radio.enter(self, max(point.config.slots for point in self.points))
        if self._connected:
            await self._join(self._radio)
            self._rest()

    async def close(self) -> None:
        radio, self._radio = self._radio, None
        if self._leaving is not None:
            await asyncio.wait([self._leaving])
            self._leaving = None
        connection, self._connection = self._connection, None
        if connection is not None:
            await connection.close()
        if radio is not None:
            radio.turns.give_back(self._ticket)
            await radio.leave(self)

    async def _join(self, radio: Radio) -> None:
        """Connect, find the characteristics, subscribe to what notifies."""
        patience = CONNECT_TIMEOUTS * self.config.timeout
        self._connection = connection = await radio.connect(self._ticket, patience, self.lost)
        try:
            async with asyncio.timeout(patience):
                self._places = {point: _place(point, connection.characteristics) for point in self._connected}
                connection.characteristics = ()  # what nobody wants need not be kept
                await self._look_afresh(radio)
                await self._subscribe(connection)
        except TimeoutError:
            raise LinkLost(f"{self.address} is connected, but does not answer within {patience:g} s") from None
        self._ticket.make_room = None if self._notified else self._make_room

    async def _look_afresh(self, radio: Radio) -> None:
        """What is missing may only be missing in what the system remembers; that is looked into once."""
        missing = next((place for place in self._places.values() if isinstance(place, Failure)), None)
        if missing is not None and radio.remembers and not self._looked_afresh:
            self._looked_afresh = True
            await radio.forget(self.address)
            raise LinkLost(f"{missing.reason}; looking afresh")

    async def _subscribe(self, connection: Connection) -> None:
        """What notifies says nothing until it changes: it is read once."""
        self._notified.clear()
        wanted: dict[Characteristic, list[BlePoint]] = {}
        for point, place in self._places.items():
            if isinstance(place, Characteristic) and place.notifies and point.visitor.notify == "auto":
                wanted.setdefault(place, []).append(point)
        for characteristic, points in wanted.items():
            try:
                await connection.subscribe(characteristic, self._hear(points))
            except Refused:
                if characteristic.readable:
                    continue  # it is polled, then
                raise
            self._notified[characteristic] = points
            if characteristic.readable:
                self._deliver(await self._read_points(connection, characteristic, points))

    def _make_room(self) -> None:
        """Another device waits for a connection, and this one is idle; it connects again when it is to be read."""
        self._leaving = asyncio.create_task(self._leave(), name=f"ble {self.address}: make room")

    async def _leave(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            await connection.close()
        if self._radio is not None:
            self._radio.turns.give_back(self._ticket)

    async def _present(self) -> Connection:
        """The connection, made again where the slot was given to others."""
        if self._radio is None or self._ended.is_set():
            raise LinkLost(self._reason or "not connected")
        self._radio.turns.now_busy(self._ticket)
        if self._leaving is not None:
            await asyncio.wait([self._leaving])
            self._leaving = None
        if self._connection is None:
            await self._join(self._radio)
        assert self._connection is not None
        return self._connection

    def _rest(self) -> None:
        if self._radio is not None and self._connection is not None:
            self._radio.turns.now_idle(self._ticket)

    def lost(self, reason: str) -> None:
        """The connection or the adapter is gone."""
        self._reason = reason
        self._ended.set()
        self._stir.set()

    # -- what it says by itself ----------------------------------------------------------------------------

    async def listen(self, listening: Listening) -> None:
        self._listening = listening
        early, self._early = self._early, {}
        self._deliver(early)
        try:
            if self._connected or self.config.silence is not None:
                await self._ended.wait()
            else:
                await self._watch_the_air(listening)
        finally:
            self._listening = None
        raise LinkLost(self._reason)

    async def _watch_the_air(self, listening: Listening) -> None:
        """Nothing but its advertisements tells whether it is there."""
        while not self._ended.is_set():
            self._stir.clear()
            try:
                async with asyncio.timeout(SILENT_AFTER):
                    await self._stir.wait()
            except TimeoutError:
                for device_id in {point.device_id for point in self.points}:
                    listening.silent(device_id, f"no advertisement for {SILENT_AFTER:g} s")

    def heard(self, advertisement: Advertisement) -> None:
        """It advertised. A property is told once in its period: what is advertised is repeated all the time."""
        self._stir.set()
        now = asyncio.get_running_loop().time()
        values: dict[Point[Any, Any], Raw] = {}
        for point, due in self._advertised.items():
            if due <= now:
                raw = self._advertised_value(point, advertisement)
                if raw is not None:
                    values[point] = raw
                    self._advertised[point] = now + point.property.collect_cycle
        self._deliver(values)

    def _advertised_value(self, point: BlePoint, advertisement: Advertisement) -> Raw | None:
        """None when this advertisement does not speak of it."""
        visitor = point.visitor
        if visitor.rssi:
            return advertisement.rssi
        if visitor.last_seen:
            return time.time_ns() // 1_000_000
        if visitor.manufacturer_data is not None:
            data = advertisement.manufacturer_data.get(visitor.manufacturer_data)
        else:
            data = advertisement.service_data.get(full_uuid(visitor.service_data or ""))
        return None if data is None else self._decode(point, data)

    def _hear(self, points: Sequence[BlePoint]) -> Callable[[bytes], None]:
        def hear(data: bytes) -> None:
            self._deliver({point: self._decode(point, data) for point in points})

        return hear

    def _deliver(self, values: Mapping[Point[Any, Any], Raw]) -> None:
        if self._listening is None:
            self._early.update(values)
        elif values:
            self._listening.deliver(values)

    # -- reading and writing -------------------------------------------------------------------------------

    def polls(self, point: BlePoint) -> bool:
        return not point.visitor.advertised and self._places.get(point) not in self._notified

    def readable(self, point: BlePoint) -> bool:
        place = self._places.get(point)
        return not point.visitor.advertised and (not isinstance(place, Characteristic) or place.readable)

    def plan(self, points: Sequence[BlePoint]) -> Sequence[BleBatch]:
        together: dict[object, list[BlePoint]] = {}
        for point in points:
            visitor = point.visitor
            key: object = point if visitor.advertised else (visitor.service, visitor.characteristic)
            together.setdefault(key, []).append(point)
        return [BleBatch(tuple(group)) for group in together.values()]

    async def read(self, batch: BleBatch) -> Sequence[Raw]:
        first = batch.points[0]
        if first.visitor.advertised:
            raise Refused("it is heard in advertisements, not read")
        connection = await self._present()
        try:
            place = self._places[first]
            if isinstance(place, Failure):
                return [place] * len(batch.points)
            return list((await self._read_points(connection, place, batch.points)).values())
        finally:
            self._rest()

    async def _read_points(
        self, connection: Connection, place: Characteristic, points: Sequence[BlePoint]
    ) -> dict[Point[Any, Any], Raw]:
        data = await connection.read(place)
        return {point: self._decode(point, data) for point in points}

    def _decode(self, point: BlePoint, data: bytes) -> Raw:
        try:
            return self._meanings[point].decode(data)
        except ValueError as error:
            return Failure(str(error))

    async def write(self, point: BlePoint, value: Value) -> None:
        encode = self._meanings[point].encode if point in self._meanings else None
        if encode is None or point.visitor.advertised:
            raise ValueError(f"{self.describe(BleBatch((point,)))} can only be read")
        data = encode(value)
        connection = await self._present()
        try:
            place = self._places[point]
            if isinstance(place, Failure):
                raise Refused(place.reason)
            if not place.writable:
                raise ValueError(f"the device says that {short_uuid(place.uuid)} can only be read")
            await connection.write(place, data)
        finally:
            self._rest()

    def describe(self, batch: BleBatch) -> str:
        visitor = batch.points[0].visitor
        if visitor.characteristic is not None:
            return f"characteristic {short_uuid(visitor.characteristic)}"
        return "advertisements"

    async def decodings(self, point: BlePoint) -> Mapping[str, str]:
        place = self._places.get(point)
        if not isinstance(place, Characteristic) or not place.readable:
            return {}
        return all_decodings(await (await self._present()).read(place))

    # -- configuration -------------------------------------------------------------------------------------

    @classmethod
    def link_of(cls, config: BleConfig) -> str:
        return f"{config.address} at {config.adapter}"

    @classmethod
    def check(cls, point: BlePoint) -> None:
        visitor = point.visitor
        _check_source(visitor)
        if not visitor.advertised and point.config.connect == "never":
            raise ValueError("a characteristic needs a connection, and configData.connect is never")
        if point.property.type is DataType.STREAM:
            raise ValueError("Bluetooth has no streams")
        if visitor.rssi or visitor.last_seen:
            if point.property.writable:
                raise ValueError("rssi and lastSeen are heard: set accessMode to ReadOnly")
            return
        meaning = meaning_of(point.property, visitor)
        if point.property.writable and (visitor.advertised or meaning.encode is None):
            raise ValueError("it can only be read: write dataWrite or a type without offset, or accessMode ReadOnly")

    @classmethod
    async def discover(cls, target: str, options: Mapping[str, str]) -> Discovery:
        from mappers.ble.discover import discover  # noqa: PLC0415 - only who looks pays

        return await discover(target, options)


def _check_source(visitor: BleVisitor) -> None:
    sources = {
        "characteristicUUID": visitor.characteristic_uuid is not None,
        "manufacturerData": visitor.manufacturer_data is not None,
        "serviceData": visitor.service_data is not None,
        "rssi": visitor.rssi,
        "lastSeen": visitor.last_seen,
    }
    said = [name for name, there in sources.items() if there]
    if len(said) != 1:
        instead = f", not {' and '.join(said)}" if said else ""
        raise ValueError(f"write exactly one of {', '.join(sources)}{instead}")
    if visitor.service_uuid is not None and visitor.characteristic_uuid is None:
        raise ValueError("serviceUUID goes with characteristicUUID; data in advertisements is serviceData")
    if visitor.data_converter is not None and visitor.type is not None:
        raise ValueError("write either type or dataConverter, not both")


def _place(point: BlePoint, characteristics: Sequence[Characteristic]) -> Characteristic | Failure:
    """Where a point is in the device that is connected."""
    wanted, service = point.visitor.characteristic, point.visitor.service
    found = [each for each in characteristics if each.uuid == wanted and service in (None, each.service)]
    if len(found) == 1:
        return found[0]
    short = short_uuid(wanted or "")
    if not found:
        there = ", ".join(sorted({short_uuid(each.uuid) for each in characteristics}))
        return Failure(f"the device has no characteristic {short}; it has {there[:200] or 'none'}")
    services = ", ".join(short_uuid(each.service) for each in found)
    return Failure(f"{short} is in several services, write serviceUUID: one of {services}")
