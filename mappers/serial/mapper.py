"""The serial mapper: one line, the instruments on it, asked or overheard."""

from __future__ import annotations

import asyncio
import logging
import math
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any

from mappers.mapper import Discovery, Failure, LinkLost, Listening, Mapper, Point, Raw, Refused, Value
from mappers.serial import spelling
from mappers.serial.config import SerialConfig, SerialVisitor
from mappers.serial.dialogue import Asked, Audience, Part, SerialPoint, batches, check, part_of
from mappers.serial.framing import framer_of
from mappers.serial.late import LateAnswers, Question
from mappers.serial.message import Message
from mappers.serial.ports import usb_name

if TYPE_CHECKING:
    from mappers.serial.wire import Wire

log = logging.getLogger("mappers")

QUIET = 0.2
"""Seconds; a line that says nothing for so long after it was opened was not in the middle of a message then."""
NOISE = 4096
"""Bytes without a frame after which somebody should look at the baud rate."""


class SerialMapper(Mapper[SerialConfig, SerialVisitor]):
    """A serial port, or a serial server over TCP."""

    Config = SerialConfig
    Visitor = SerialVisitor
    config_spelling = spelling.CONFIG
    visitor_spelling = spelling.VISITOR
    survives_silence = True  # `late` sees to it

    def __init__(self, points: Sequence[SerialPoint]) -> None:
        super().__init__(points)
        _check_line(points)
        self._framer = framer_of(self.config)
        self._parts = {point: part_of(point, self._framer) for point in points}
        self._audience = Audience(tuple(self._parts.values()))
        self._talkers = {part.point.device_id for part in self._parts.values() if part.heard}
        self._late = LateAnswers()
        self._wire: Wire | None = None
        self._listening: Listening | None = None
        self._accepts: Callable[[Message], bool] = _nothing
        self._answer: asyncio.Future[Message] | None = None
        self._opened: float | None = None
        """When the line was opened, monotonic; None: something has come since."""
        self._half_heard = False
        """The next message may be only the end of one; as an answer it counts, because the question came before."""
        self._noise = 0
        """Bytes since the last frame."""

    async def connect(self) -> None:
        from mappers.serial.wire import open_wire  # noqa: PLC0415 - validate and plan do without pyserial

        self._framer.reset()
        self._noise = 0
        self._opened = math.inf
        self._wire = await open_wire(self.config, self._received)
        if self._opened is not None:
            self._opened = asyncio.get_running_loop().time()

    async def close(self) -> None:
        self._listening = None
        if self._wire is not None:
            self._wire.close()
            self._wire = None

    async def listen(self, listening: Listening) -> None:
        self._listening = listening
        raise LinkLost(await asyncio.shield(self._line.lost))

    def polls(self, point: SerialPoint) -> bool:
        return not self._parts[point].heard  # a command is neither: `plan` leaves it out

    def readable(self, point: SerialPoint) -> bool:
        return bool(self._parts[point].request)

    def plan(self, points: Sequence[SerialPoint]) -> Sequence[Asked]:
        return batches(self._parts[point] for point in points)

    def describe(self, batch: Asked) -> str:
        return batch.parts[0].words

    async def read(self, batch: Asked) -> Sequence[Raw]:
        answer = await self._ask(batch.question, batch.parts[0], batch.request)
        return [
            Failure(f"the instrument says {answer.shown}") if value is None else value
            for value in batch.values(answer)
        ]

    async def write(self, point: SerialPoint, value: Value) -> None:
        part = self._parts[point]
        if part.write is None:
            raise ValueError("no write is declared: what is sent to set it")
        message = self._framer.wrap(part.write.render(value))
        if part.expect is None:
            self._line.send(message)
            return
        answer = await self._ask(part.demand(message), part, message)
        if not part.expect.search(answer.text):
            raise Refused(f"the instrument answered {answer.shown}")
        self._confirm(part, value, answer)

    def _confirm(self, part: Part, value: Value, answer: Message) -> None:
        """The device agreed. What it is not asked for later counts as it said it now."""
        if part.request or self._listening is None:
            return
        shown: Raw | None = value if part.command else part.read(answer)
        if shown is not None:
            self._listening.deliver({part.point: shown})

    async def _ask(self, question: Question, part: Part, message: bytes) -> Message:
        loop = asyncio.get_running_loop()
        self._late.ask(question, loop.time())
        self._accepts, self._answer = partial(self._is_answer, question, part), loop.create_future()
        self._line.send(message)
        try:
            return await self._answer
        except asyncio.CancelledError:
            self._late.owe(question, loop.time())
            raise
        finally:
            self._answer = None

    def _is_answer(self, question: Question, part: Part, message: Message) -> bool:
        """Of a device that says nothing else, whatever comes is the answer, and be it a refusal. Of others it must
        look like it, and not like what another question may still bring."""
        now = asyncio.get_running_loop().time()
        if question.device_id not in self._talkers and not self._late.owes(question.device_id, now):
            return part.owns(message)
        explicit = part.about is not None
        return question.fits(message) and (explicit or not self._late.claims(question, message, now))

    @property
    def _line(self) -> Wire:
        if self._wire is None:
            raise LinkLost("not connected")
        return self._wire

    def _received(self, data: bytes) -> None:
        """Bytes came. Of all frames in them the values leave together, none left out."""
        if self._opened is not None:
            self._half_heard = self._may_be_half_heard(self._opened)
            self._opened = None
        frames = self._framer.feed(data)
        self._watch_noise(len(data), frames)
        heard: dict[Point[Any, Any], Raw] = {}
        for frame in frames:
            message = Message(frame)
            if self._answer is not None and not self._answer.done() and self._accepts(message):
                self._answer.set_result(message)
                continue
            if self._half_heard:
                self._half_heard = False
                continue
            values = self._audience.values(message)
            if not heard.keys().isdisjoint(values):
                self._deliver(heard)
                heard = {}
            heard.update(values)
        self._deliver(heard)

    def _may_be_half_heard(self, opened: float) -> bool:
        """Somebody was perhaps speaking when the line was opened, and the first message is only the end of one."""
        return not self._framer.shows_beginnings and asyncio.get_running_loop().time() - opened < QUIET

    def _deliver(self, heard: Mapping[Point[Any, Any], Raw]) -> None:
        if heard and self._listening is not None:
            self._listening.deliver(heard)

    def _watch_noise(self, count: int, frames: Sequence[bytes]) -> None:
        before = self._noise
        self._noise = 0 if frames else before + count
        if before <= NOISE < self._noise:
            name = self.link_of(self.config)
            log.warning("%s: %d bytes came without a message; are baudRate, parity and framing right?", name, NOISE)

    # -- configuration -------------------------------------------------------------------------------------

    @classmethod
    def link_of(cls, config: SerialConfig) -> str:
        return config.serial_port or f"tcp://{config.host}:{config.port}"

    @classmethod
    def check(cls, point: SerialPoint) -> None:
        usb_name(point.config.serial_port)
        check(point)

    @classmethod
    async def discover(cls, target: str, options: Mapping[str, str]) -> Discovery:
        from mappers.serial.discover import discover  # noqa: PLC0415 - it needs pyserial

        return await discover(target, options)


def _nothing(_message: Message) -> bool:
    return False


def _check_line(points: Sequence[SerialPoint]) -> None:
    """A line has one speed and one kind of frame, and devices that share it can be told apart."""
    devices = {point.device_id: point.config for point in points}
    (first_id, first), *others = devices.items()
    for device_id, config in others:
        if _line_settings(config) != _line_settings(first):
            raise ValueError(
                f"{first_id} and {device_id} share a line and disagree about baudRate, dataBits, parity, stopBits,"
                " flowControl, framing or checksum: write the same in both"
            )
    patterns = [config.match.replace("{address}", config.address) for config in devices.values()]
    if others and (not all(patterns) or len(set(patterns)) < len(patterns)):
        raise ValueError(
            f"{', '.join(list(devices)[:3])} share a line: write match in each, a pattern that the messages of that"
            " device alone have, perhaps with {address}"
        )


def _line_settings(config: SerialConfig) -> tuple[Any, ...]:
    return (
        config.baud_rate, config.data_bits, config.parity, config.stop_bits, config.flow_control, config.framing,
        config.checksum,
    )  # fmt: skip
