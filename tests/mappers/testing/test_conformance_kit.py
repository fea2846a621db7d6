"""The kit passes a sound mapper, and each check catches the mappers it is made for."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any, ClassVar

import pytest
from msgspec import Struct

from device_models import AccessMode, DataType, Device, Property
from mappers.mapper import Batch, Failure, Listening, Mapper, Point, Raw, Refused, Sample, Value
from mappers.protocols import Protocol
from mappers.testing.conformance import Conformance
from mappers.testing.proxy import Proxy
from mappers.testing.rig import NUMBER, SETTING, Rig, Stand

# -- an instrument -----------------------------------------------------------------------------------------


class Instrument:
    """`number?` is answered by `21.0 <Unix ms> sure`, `setting?` by `42 …`, `setting=42` by `ok`; after `watch` it
    says its number by itself."""

    def __init__(self) -> None:
        self.number, self.setting, self.word, self.port = 0.0, 0, "sure", 0
        self.times: list[int] = []
        self._server: asyncio.Server | None = None

    async def start(self) -> None:
        self._server = await asyncio.start_server(self._talk, "127.0.0.1", self.port)
        self.port = self._server.sockets[0].getsockname()[1]

    async def stop(self) -> None:
        if self._server is not None:
            self._server.close()
            await self._server.wait_closed()
            self._server = None

    async def _talk(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        watching = []
        while line := (await reader.readline()).decode().strip():
            if line == "watch":
                watching.append(asyncio.create_task(self._watched(writer)))
            else:
                writer.write(self._answer(line) + b"\n")
        for task in watching:
            task.cancel()
        await asyncio.gather(*watching, return_exceptions=True)
        writer.close()

    def _answer(self, line: str) -> bytes:
        if line == "number?":
            self.times.append(time.time_ns() // 1_000_000)
            return f"{self.number} {self.times[-1]} {self.word}".encode()
        if line == "setting?":
            return f"{self.setting} 0 sure".encode()
        self.setting = int(line.removeprefix("setting="))
        return b"ok"

    async def _watched(self, writer: asyncio.StreamWriter) -> None:
        while True:
            writer.write(b"! " + self._answer("number?") + b"\n")
            await asyncio.sleep(0.03)


class Config(Struct, frozen=True):
    port: int
    timeout: float = 0.15
    silence: float = 0.15


class Visitor(Struct, frozen=True):
    name: str


class Sound(Mapper[Config, Visitor]):
    """As it should be; it polls."""

    Config = Config
    Visitor = Visitor
    writer: asyncio.StreamWriter | None = None
    last: ClassVar[dict[str, Any]] = {}

    async def connect(self) -> None:
        self.reader, self.writer = await asyncio.open_connection("127.0.0.1", self.config.port)

    async def close(self) -> None:
        if self.writer is not None:
            self.writer.close()

    async def read(self, batch: Batch[Config, Visitor]) -> Sequence[Raw]:
        return [self.meaning(await self.ask(f"{point.visitor.name}?")) for point in batch.points]

    async def write(self, point: Point[Config, Visitor], value: Value) -> None:
        if await self.ask(f"{point.visitor.name}={value}") != b"ok":
            raise Refused("not taken")

    async def ask(self, line: str) -> bytes:
        assert self.writer
        self.writer.write(line.encode() + b"\n")
        return await self.answer()

    async def answer(self) -> bytes:
        line = await self.reader.readline()
        if not line:
            raise EOFError("closed")
        return line.strip()

    def meaning(self, answer: bytes) -> Raw:
        try:
            return float(answer.split()[0])
        except (ValueError, IndexError):
            return Failure("no number")


class Speaks(Sound):
    """As it should be; NUMBER is pushed, with the instrument's time and doubt."""

    def polls(self, point: Point[Config, Visitor]) -> bool:
        return point.visitor.name != NUMBER

    def readable(self, point: Point[Config, Visitor]) -> bool:
        return True

    async def connect(self) -> None:
        await super().connect()
        self.answers: asyncio.Queue[bytes] = asyncio.Queue(10)
        self.lost = False

    async def listen(self, listening: Listening) -> None:
        assert self.writer
        self.writer.write(b"watch\n")
        [number] = [point for point in self.points if not self.polls(point)]
        while line := (await self.reader.readline()).strip():
            if line.startswith(b"! "):
                listening.deliver({number: self.meaning(line[2:])})
            elif not self.answers.full():
                self.answers.put_nowait(line)

    async def answer(self) -> bytes:
        return await self.answers.get()

    def meaning(self, answer: bytes) -> Raw:
        try:
            value, time_, word = answer.decode().split()
            return Sample(float(value), int(time_) or None, "good" if word == "sure" else "uncertain")
        except (UnicodeDecodeError, ValueError):
            return Failure("no number")


# -- on the bench ------------------------------------------------------------------------------------------


class InstrumentStand(Stand):
    def __init__(self, name: str, instrument: Instrument, proxy: Proxy, *, clock: bool) -> None:
        self.instrument, self.proxy, self.clock = instrument, proxy, clock
        number = Property(NUMBER, DataType.FLOAT, AccessMode.READ_ONLY, visitor={"name": NUMBER}, collect_cycle=0.03)
        setting = Property(
            SETTING, DataType.INT, AccessMode.READ_WRITE, visitor={"name": SETTING}, collect_cycle=0.03
        )
        self.device = Device("default", name, "m", "instrument", {"port": proxy.port}, (number, setting))
        self.silence, self.slow, self.garbage = proxy.silence, proxy.slow, proxy.garble  # type: ignore[method-assign]
        self.drop = proxy.drop  # type: ignore[method-assign]

    async def show(self, number: float) -> None:
        self.instrument.number = number

    async def setting(self) -> int:
        return self.instrument.setting

    async def silence(self) -> None: ...

    async def slow(self, seconds: float) -> None: ...

    async def garbage(self) -> None: ...

    async def drop(self) -> None: ...

    async def stop(self) -> None:
        await self.proxy.refuse()
        await self.instrument.stop()

    async def start(self) -> None:
        await self.instrument.start()
        await self.proxy.whole()

    async def whole(self) -> None:
        self.instrument.word = "sure"
        await self.proxy.whole()

    async def doubt(self) -> None:
        self.instrument.word = "perhaps"

    def source_times(self) -> Sequence[int] | None:
        return self.instrument.times if self.clock else None


class InstrumentRig(Rig):
    protocol = "instrument"
    doubts = True

    def __init__(self, *, clock: bool) -> None:
        self.clock = clock

    @asynccontextmanager
    async def stands(self, count: int) -> AsyncIterator[Sequence[Stand]]:
        async with AsyncExitStack() as stack:
            stands = []
            for number in range(count):
                instrument = Instrument()
                await instrument.start()
                stack.push_async_callback(instrument.stop)
                proxy = await stack.enter_async_context(Proxy("127.0.0.1", instrument.port))
                stands.append(InstrumentStand(f"instrument-{number}", instrument, proxy, clock=self.clock))
            yield stands


def protocol_of(mapper: type[Mapper[Any, Any]]) -> Protocol:
    protocol = Protocol("instrument", "")
    protocol.__dict__["mapper"] = mapper  # nothing could import it by path
    return protocol


class TestASoundMapper(Conformance):
    """That speaks by itself; Modbus is one that polls."""

    rig = InstrumentRig(clock=True)

    def _protocol(self) -> Protocol:
        return protocol_of(Speaks)


# -- mappers with a defect each ----------------------------------------------------------------------------


class ReadsOnce(Sound):
    async def read(self, batch: Batch[Config, Visitor]) -> Sequence[Raw]:
        key = str(self.config.port)
        if key not in self.last:
            self.last[key] = await super().read(batch)
        return self.last[key]


class ComesNeverBack(Sound):
    async def connect(self) -> None:
        if self.writer is not None:
            await asyncio.Event().wait()
        await super().connect()


class KeepsItsValue(Sound):
    async def read(self, batch: Batch[Config, Visitor]) -> Sequence[Raw]:
        key = str(self.config.port)
        try:
            async with asyncio.timeout(0.1):
                self.last[key] = await super().read(batch)
        except (TimeoutError, EOFError):
            pass
        return self.last[key]


class IsImpatient(Sound):
    async def answer(self) -> bytes:
        async with asyncio.timeout(0.02):
            return await super().answer()


class TakesNoiseForANumber(Sound):
    async def answer(self) -> bytes:
        return (await self.reader.read(100)).strip()

    def meaning(self, answer: bytes) -> Raw:
        good = super().meaning(answer)
        return float(sum(answer)) if isinstance(good, Failure) else good


class CrashesOnNoise(Sound):
    async def answer(self) -> bytes:
        return (await self.reader.read(100)).strip()

    def meaning(self, answer: bytes) -> Raw:
        return float(answer.decode("latin-1").split()[0])


class HoldsALock(Sound):
    lock: ClassVar[asyncio.Lock]

    async def read(self, batch: Batch[Config, Visitor]) -> Sequence[Raw]:
        async with self.lock:
            return await super().read(batch)


class BlocksTheLoop(Sound):
    async def read(self, batch: Batch[Config, Visitor]) -> Sequence[Raw]:
        try:
            return await super().read(batch)
        except asyncio.CancelledError:
            time.sleep(0.4)  # "just a moment"
            raise


class ForgetsToWrite(Sound):
    async def write(self, point: Point[Config, Visitor], value: Value) -> None: ...


class ShowsWhatItWrote(Sound):
    wrote: Value = 0

    async def read(self, batch: Batch[Config, Visitor]) -> Sequence[Raw]:
        values = await super().read(batch)
        return [self.wrote if p.visitor.name == SETTING else v for p, v in zip(batch.points, values, strict=True)]

    async def write(self, point: Point[Config, Visitor], value: Value) -> None:
        self.wrote = value


class InventsReasons(Sound):
    async def answer(self) -> bytes:
        return (await self.reader.read(100)).strip()

    def meaning(self, answer: bytes) -> Raw:
        good = super().meaning(answer)
        return Failure(f"no number: {answer!r}") if isinstance(good, Failure) else good


class HidesDoubt(Speaks):
    def meaning(self, answer: bytes) -> Raw:
        return super().meaning(answer.replace(b"perhaps", b"sure"))


class IsFromTheFuture(Sound):
    def meaning(self, answer: bytes) -> Raw:
        return Sample(Sound.meaning(self, answer), time.time_ns() // 1_000_000 + 60_000)  # type: ignore[arg-type]


class IsFromThePast(Sound):
    def meaning(self, answer: bytes) -> Raw:
        return Sample(Sound.meaning(self, answer), time.time_ns() // 1_000_000 - 60_000)  # type: ignore[arg-type]


class StampsByItself(Speaks):
    def meaning(self, answer: bytes) -> Raw:
        value = super().meaning(answer)
        return Sample(value.value, value.time + 7) if isinstance(value, Sample) and value.time else value


class RepeatsIntoSilence(Speaks):
    async def listen(self, listening: Listening) -> None:
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self.repeat(listening))
            await super().listen(listening)

    async def repeat(self, listening: Listening) -> None:
        [number] = [point for point in self.points if not self.polls(point)]
        while True:
            await asyncio.sleep(0.05)
            if NUMBER in self.last:
                listening.deliver({number: Sample(self.last[NUMBER], time.time_ns() // 1_000_000)})

    def meaning(self, answer: bytes) -> Raw:
        sample = super().meaning(answer)
        if isinstance(sample, Sample) and sample.time:
            self.last[NUMBER] = sample.value
        return sample


class LeaksATask(Sound):
    left: ClassVar[list[Any]] = []

    async def connect(self) -> None:
        await super().connect()
        self.left.append(asyncio.create_task(asyncio.Event().wait(), name="heartbeat"))


class LeaksASocket(Sound):
    left: ClassVar[list[Any]] = []

    async def close(self) -> None:
        self.left.append(self.writer)


class NeverEnds(Sound):
    async def close(self) -> None:
        await super().close()
        await asyncio.Event().wait()


@pytest.fixture(autouse=True)
async def _tidy() -> AsyncIterator[None]:
    """Clean up behind the defective."""
    Sound.last.clear()
    HoldsALock.lock = asyncio.Lock()
    yield
    for task in asyncio.all_tasks() - {asyncio.current_task()}:
        task.cancel()
    for writer in LeaksASocket.left:
        if writer is not None:
            writer.transport.abort()
    LeaksATask.left.clear()
    LeaksASocket.left.clear()
    await asyncio.sleep(0.02)


DEFECTS: list[tuple[type[Sound], str, str]] = [
    (ReadsOnce, "connect", "While it stands, the device says 42, and no good reading"),
    (ComesNeverBack, "drop", "After the connection was dropped, the device says 2"),
    (IsImpatient, "slow", "While the device takes 0.0375 s of the allowed 0.15 s"),
    (KeepsItsValue, "slow", "The device takes 0.6 s, .* does not become bad"),
    (TakesNoiseForANumber, "garbage", "nothing but noise, it said 1 last, and .* is reported"),
    (CrashesOnNoise, "garbage", "The mapper raised what says nothing of the device"),
    (ComesNeverBack, "restart", "After the device was switched off and on"),
    (HoldsALock, "black_hole_beside_a_healthy_neighbour", "its healthy neighbour"),
    (BlocksTheLoop, "black_hole_beside_a_healthy_neighbour", "its healthy neighbour"),
    (ForgetsToWrite, "write_and_read_back", "A wish was made, and no reading of setting shows 42"),
    (ShowsWhatItWrote, "write_and_read_back", "setting is reported as 42, the device holds 0"),
    (KeepsItsValue, "quality_never_forged", "The device is silent, and number does not become bad"),
    (InventsReasons, "quality_never_forged", "each failure has another reason"),
    (HidesDoubt, "quality_never_forged", "no uncertain reading comes"),
    (IsFromTheFuture, "source_time_never_forged", "its time is in the future"),
    (IsFromThePast, "source_time_never_forged", "its time says so"),
    (RepeatsIntoSilence, "source_time_never_forged", "has a time after the device fell silent"),
    (StampsByItself, "source_time_never_forged", "a time that the device never said"),
    (LeaksATask, "cancellation_leaves_nothing", "leaves the task 'heartbeat'"),
    (LeaksASocket, "cancellation_leaves_nothing", "leaves .*the file descriptor .* → socket"),
    (NeverEnds, "cancellation_leaves_nothing", "the mapper does not end"),
]


@pytest.mark.parametrize(("mapper", "check", "words"), DEFECTS)
async def test_a_defect_is_caught(
    mapper: type[Sound], check: str, words: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("mappers.testing.conformance.ATTEMPTS", 1)

    class Kit(Conformance):
        rig = InstrumentRig(clock=mapper is StampsByItself)
        patience = 1.0

        def _protocol(self) -> Protocol:
            return protocol_of(mapper)

    with pytest.raises(AssertionError, match=words):
        await getattr(Kit(), f"test_{check}")()


def test_every_check_has_a_defect_that_it_catches() -> None:
    checks = {name.removeprefix("test_") for name in vars(Conformance) if name.startswith("test_")}
    assert {check for _, check, _ in DEFECTS} == checks


def test_what_a_protocol_cannot_is_skipped_with_the_reason() -> None:
    class Reader(InstrumentRig):
        cannot: ClassVar = {"test_write_and_read_back": "it has no setting"}

    class Kit(Conformance):
        rig = Reader(clock=True)

    with pytest.raises(pytest.skip.Exception, match="it has no setting"):
        Kit().skip_what_cannot_be("test_write_and_read_back")
    Kit().skip_what_cannot_be("test_connect")
