"""The satellite's mapper: telemetry into values with on-board time, wishes into telecommands that are verified."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NoReturn

import msgspec
from msgspec import Struct

from device_models.model import DataType
from mappers.mapper import Discovery, LinkLost, Listening, Mapper, Refused, Value
from mappers.satellite.bus import Bus, open_bus
from mappers.satellite.config import SatelliteConfig, SatelliteVisitor
from mappers.satellite.elements import of_text
from mappers.satellite.packets import GarbageError, header_of, read_telemetry
from mappers.satellite.passes import TIMES
from mappers.satellite.places import SatellitePoint, order_of, place_of
from mappers.satellite.receiver import Receiver, Values
from mappers.satellite.telecommands import VERIFICATION, Telecommands

log = logging.getLogger("mappers")

NUMBERS = frozenset({DataType.INT, DataType.FLOAT, DataType.DOUBLE, DataType.BOOLEAN})


class SatelliteMapper(Mapper[SatelliteConfig, SatelliteVisitor]):
    """One on-board bus, heard over TCP. Devices with different applications (APID) may share it."""

    Config = SatelliteConfig
    Visitor = SatelliteVisitor
    survives_silence = True

    def __init__(self, points: Sequence[SatellitePoint]) -> None:
        super().__init__(points)
        self._bus: Bus | None = None
        self._listening: Listening | None = None
        self._receivers: dict[int, list[Receiver]] = {}
        """By application."""
        self._telecommands = Telecommands()
        self._unreadable: set[str] = set()
        """Why packets could not be read, as far as it was logged."""

    async def connect(self) -> None:
        self._receivers = _receivers(self.points)
        longest = max(point.config.longest_packet for point in self.points)
        self._bus = await open_bus(self.config.host, self.config.port, longest, self._hear)

    async def close(self) -> None:
        self._listening = None
        if self._bus is not None:
            self._bus.close()
            self._bus = None

    def polls(self, point: SatellitePoint) -> bool:  # noqa: ARG002 - a bus speaks by itself, whatever the point
        return False

    async def listen(self, listening: Listening) -> NoReturn:
        self._listening = listening
        raise LinkLost(await self._open_bus.listen())

    async def write(self, point: SatellitePoint, value: Value) -> None:
        order = order_of(point.visitor)
        if order is None:
            raise ValueError("no telecommand sets it")
        config = point.config
        packet, outcome = self._telecommands.issue(config.apid, order, order.data(value), config.failure_bytes)
        try:
            self._open_bus.send(packet)
            async with asyncio.timeout(config.timeout):
                await outcome
        except TimeoutError:  # the bus itself may be heard all the time: that is for `silence` to judge
            raise Refused(f"no report of completion within {config.timeout:g} s") from None
        finally:
            outcome.cancel()

    @property
    def _open_bus(self) -> Bus:
        if self._bus is None:
            raise LinkLost("not connected")
        return self._bus

    def _hear(self, packets: Iterable[bytes]) -> None:
        """What came together leaves together, unless something is told twice."""
        told: Values = {}
        try:
            for packet in packets:
                header = header_of(packet)
                for receiver in self._receivers.get(header.apid, ()):
                    receiver.count(header)
                    values = self._read(receiver, packet)
                    if not told.keys().isdisjoint(values):
                        self._tell(told)
                        told = {}
                    told.update(values)
                    if values:
                        told.update(receiver.counts())
        finally:
            self._tell(told)

    def _tell(self, values: Values) -> None:
        if values and self._listening is not None:
            self._listening.deliver(values)

    def _read(self, receiver: Receiver, packet: bytes) -> Values:
        """Nothing when there is nothing in it for us. GarbageError comes through."""
        try:
            telemetry = read_telemetry(packet, checksum=receiver.config.checksum)
        except GarbageError:
            raise
        except ValueError as error:
            self._skip(receiver, str(error))
            return {}
        if telemetry is None:
            return {}
        if telemetry.service == VERIFICATION:
            self._telecommands.hear(telemetry.subservice, telemetry.data)
        return receiver.read(telemetry, asyncio.get_running_loop().time())

    def _skip(self, receiver: Receiver, reason: str) -> None:
        if reason not in self._unreadable and len(self._unreadable) < 10:
            self._unreadable.add(reason)
            log.warning("%s: a packet cannot be read: %s; leaving out all of its kind", receiver.device_id, reason)

    # -- configuration -------------------------------------------------------------------------------------

    @classmethod
    def link_of(cls, config: SatelliteConfig) -> str:
        return f"tcp://{config.host}:{config.port}"

    @classmethod
    def check(cls, point: SatellitePoint) -> None:
        place_of(point.config, point.visitor)
        if point.property.writable and order_of(point.visitor) is None:
            raise ValueError("no telecommand sets it: make it ReadOnly, or write command")
        if point.visitor.contact is not None:
            _check_contact(point)
        elif point.property.type not in NUMBERS:
            raise ValueError(f"packets hold numbers, not {point.property.type}")

    @classmethod
    def tidy_config(cls, raw: Mapping[str, Any]) -> Mapping[str, Any]:
        elements = raw.get("elements")
        if not isinstance(elements, str):
            return raw
        return {**raw, "elements": of_text(elements)}

    @classmethod
    def config_schema(cls) -> dict[str, Any]:
        """The elements may be one text of two lines, with a name above them."""
        schema = _schema(cls.Config)
        schema["properties"]["elements"]["anyOf"].append({"type": "string"})
        return schema

    @classmethod
    def visitor_schema(cls) -> dict[str, Any]:
        return _schema(cls.Visitor)

    @classmethod
    async def discover(cls, target: str, options: Mapping[str, str]) -> Discovery:
        from mappers.satellite.discover import discover  # noqa: PLC0415 - only who asks for it

        return await discover(target, options)


def _schema(form: type[Struct]) -> dict[str, Any]:
    """With its fields at the top, where numbers that come as text are understood."""
    schema = msgspec.json.schema(form)
    definitions = schema["$defs"]
    fields: dict[str, Any] = definitions.pop(form.__name__)
    return fields | {"$defs": definitions}


def _receivers(points: Sequence[SatellitePoint]) -> dict[int, list[Receiver]]:
    by_device: dict[str, list[SatellitePoint]] = {}
    for point in points:
        by_device.setdefault(point.device_id, []).append(point)
    receivers: dict[int, list[Receiver]] = {}
    for of_device in by_device.values():
        receivers.setdefault(of_device[0].config.apid, []).append(Receiver(of_device))
    return receivers


def _check_contact(point: SatellitePoint) -> None:
    config, contact, kind = point.config, point.visitor.contact, point.property.type
    assert contact is not None
    config.station(contact.station)
    if config.elements is None and not config.elements_file:
        raise ValueError("contacts need the satellite's orbit: write elements or elementsFile in protocol.configData")
    if contact.value in TIMES:
        if kind not in (DataType.STRING, DataType.INT):
            raise ValueError(f"{contact.value} is a STRING (ISO 8601) or an INT (Unix milliseconds), not {kind}")
    elif kind not in NUMBERS:
        raise ValueError(f"{contact.value} is no {kind}")
