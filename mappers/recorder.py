"""Notes what a device says while its own mapper serves it: a class in front of the mapper's that changes nothing."""

from __future__ import annotations

import asyncio
import math
from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import Any, NoReturn, cast

from device_models import Device
from eventbus.device_side import DeviceSide, OnWishes, Reading
from mappers import asking, ending
from mappers.configuration import points_of, silence_of, timeout_of
from mappers.ear import unheard
from mappers.link import Link
from mappers.mapper import Batch, Failure, Listening, Mapper, NoAnswer, Point, Raw, Refused
from mappers.protocols import PROTOCOLS, Protocol
from mappers.tape import Tape


@asynccontextmanager
async def noting(
    device: Device, tape: Tape, protocols: Mapping[str, Protocol] = PROTOCOLS, side: DeviceSide | None = None
) -> AsyncIterator[None]:
    """Serve a device as a hub would, and note on the tape all that it says, until the context ends. `side`: who hears
    it meanwhile; nobody by default. ConfigurationErrors when it is declared wrong, OSError as the tape's."""
    protocol = protocols[device.protocol]
    mapper = recorded(protocol.mapper, tape)(points_of(protocol.mapper, [device]))
    witness = cast(DeviceSide, _Witness(tape, _patience(mapper), side))
    link = Link(f"{protocol.name} {mapper.link_of(mapper.config)}", mapper, witness)
    link.join()
    tasks: list[asyncio.Task[NoReturn]] = []
    try:
        with tape:  # closed before the link is cut: that is no silence of the device
            tasks.append(asyncio.create_task(link.run(), name=f"recording {device.id}"))
            yield
    finally:
        await ending.end(tasks)


def recorded(mapper: type[Mapper[Any, Any]], tape: Tape) -> type[Mapper[Any, Any]]:
    """The mapper class, noting on the tape; for the points of one device."""
    notes = _Recorded if mapper.listen is Mapper.listen else _RecordedListener
    return cast(type[Mapper[Any, Any]], type(f"Recorded{mapper.__name__}", (notes, mapper), {"tape": tape}))


class _Recorded(Mapper[Any, Any]):
    tape: Tape

    async def connect(self) -> None:
        try:
            await super().connect()  # type: ignore[safe-super]
        except asyncio.CancelledError:
            self.tape.silent(asking.words(TimeoutError()))
            raise
        except Exception as error:
            self.tape.silent(asking.words(error))
            raise

    async def read(self, batch: Batch[Any, Any]) -> Sequence[Raw]:
        names = [point.property.name for point in batch.points]
        try:
            values = await super().read(batch)
        except (asyncio.CancelledError, TimeoutError):  # the framework cancels what takes too long
            self._note(asking.too_late(self, timeout_of(batch.points[0])), names)
            raise
        except (NoAnswer, *asking.LOST) as error:
            self._note(error, names)
            raise
        except Exception as error:
            if not (isinstance(error, Refused) and self.split(batch)):
                self.tape.say(dict.fromkeys(names, Failure(asking.words(error))))
            raise
        self.tape.say(dict(zip(names, values, strict=False)))
        return values

    def _note(self, error: Exception, names: Iterable[str]) -> None:
        """This device is silent, or all of the link is lost."""
        self.tape.silent(asking.words(error), names if isinstance(error, NoAnswer) else ())


class _RecordedListener(_Recorded):
    async def listen(self, listening: Listening) -> None:
        try:
            await super().listen(_Overheard(listening, self.tape))
        except Exception as error:
            self.tape.silent(asking.words(error))
            raise
        self.tape.silent("the other side ended the connection")


class _Overheard:
    """The `Listening` of a mapper, with a tape beside it."""

    def __init__(self, listening: Listening, tape: Tape) -> None:
        self._listening = listening
        self._tape = tape

    def deliver(self, values: Mapping[Point[Any, Any], Raw]) -> None:
        self._tape.say({point.property.name: raw for point, raw in values.items()})
        self._listening.deliver(values)

    def silent(self, device_id: str, reason: str) -> None:
        self._tape.silent(reason)
        self._listening.silent(device_id, reason)


class _Witness:
    """Where a mapper sees the bus. That a device has said nothing for too long is found by the framework itself, and
    is heard only here."""

    def __init__(self, tape: Tape, patience: float, side: DeviceSide | None) -> None:
        self._tape = tape
        self._unheard = unheard(patience)
        self._side = side

    def add(self, device_id: str, on_wishes: OnWishes) -> None:
        if self._side is not None:
            self._side.add(device_id, on_wishes)

    def report(self, device_id: str, readings: Sequence[Reading]) -> None:
        if any(reading.reason == self._unheard for reading in readings):
            self._tape.silent(self._unheard)
        if self._side is not None:
            self._side.report(device_id, readings)

    def state(self, device_id: str, state: str) -> None:
        if self._side is not None:
            self._side.state(device_id, state)

    def behind(self, device_id: str) -> bool:
        return self._side is not None and self._side.behind(device_id)


def _patience(mapper: Mapper[Any, Any]) -> float:
    """Seconds for which a device may say nothing; infinity when it does not speak by itself."""
    return min((silence_of(point) for point in mapper.points if not mapper.polls(point)), default=math.inf)
