"""Stands of a rig with the real mappers running for them, and the questions that checks ask of both."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager

from mappers.configuration import points_of, silence_of, timeout_of
from mappers.protocols import Protocol
from mappers.testing.rig import NUMBER, Rig, Stand
from mappers.testing.running import running
from mappers.testing.side import Heard, MemorySide, until


class Bench:
    """`side` is what the mappers told of the `stands`. Complaints are AssertionErrors for the mapper's author."""

    def __init__(self, stands: Sequence[Stand], side: MemorySide, protocol: Protocol, patience: float) -> None:
        self.stands = stands
        self.side = side
        self._protocol = protocol
        self._patience = patience

    async def expect(self, condition: Callable[[], object], complaint: str) -> None:
        """Wait for it, or complain."""
        try:
            await until(condition, self._patience)
        except TimeoutError:
            raise AssertionError(f"{complaint}. {self._what_was_said()}") from None

    async def expect_number(self, stand: Stand, number: int, when: str) -> None:
        """Let the device say a number, and wait for it as a good reading."""
        await stand.show(number)
        complaint = f"{when}, the device says {number}, and no good reading of {NUMBER} with that value comes"
        await self.expect(lambda: self.is_good(stand, number), complaint)
        await self.expect(lambda: self.state(stand) == "online", f"{when}, the device answers and is not online")

    async def expect_bad(self, stand: Stand, since: int, number: int, why: str) -> None:
        """Wait for a bad reading after so many readings, with nothing but the true number before it."""
        await self.expect(
            lambda: self._bad(stand, since) or self._untrue(stand, since, number),
            f"{why}, and {NUMBER} does not become bad: a read without an answer must fail (NoAnswer, LinkLost or a"
            " time-out), and a device that speaks by itself needs a field `silence` in its Config or a call of"
            " `listening.silent`",
        )
        self.only_the_truth(stand, since, number, why)

    def only_the_truth(self, stand: Stand, since: int, number: int, why: str) -> None:
        """Complain of a value, after so many readings, that the device never said."""
        wrong = self._untrue(stand, since, number)
        assert not wrong, f"{why}, it said {number} last, and {wrong[0]} is reported: check lengths, sums and types"

    def _bad(self, stand: Stand, since: int) -> bool:
        return any(heard.reading.quality == "bad" for heard in self.heard(stand)[since:])

    def _untrue(self, stand: Stand, since: int, number: int) -> list[str]:
        values = [heard.reading.value for heard in self.heard(stand)[since:]]
        return [value for value in values if value is not None and not same(value, number)]

    def is_good(self, stand: Stand, number: float) -> bool:
        """Whether the last reading is that number."""
        last = self.side.last(stand.device.id, NUMBER)
        return last is not None and last.quality == "good" and same(last.value, number)

    def heard(self, stand: Stand) -> Sequence[Heard]:
        """All readings of NUMBER so far."""
        return self.side.heard(stand.device.id, NUMBER)

    def state(self, stand: Stand) -> str:
        """The state last reported."""
        return self.side.state_of(stand.device.id)

    def device_patience(self, stand: Stand) -> float:
        """Seconds after which the device is silent by its own configuration."""
        [point, *_] = points_of(self._protocol.mapper, [stand.device])
        silence = silence_of(point)
        return max(timeout_of(point), 0.0 if silence == float("inf") else silence)

    async def pace(self, stand: Stand, seconds: float) -> float:
        """Seconds from what the device says to its reading: the longest of all that were measured in this time."""
        end = time.monotonic() + seconds
        longest, number = 0.0, 10
        while (started := time.monotonic()) < end:
            number = 10 + (number + 1) % 90
            await self.expect_number(stand, number, "Beside a neighbour")
            longest = max(longest, time.monotonic() - started)
        return longest

    def _what_was_said(self) -> str:
        return "; ".join(
            f"{stand.device.id} is {self.state(stand) or 'neither online nor offline'},"
            f" last readings: {[heard.reading for heard in self.heard(stand)[-3:]]}"
            for stand in self.stands
        )


@asynccontextmanager
async def bench(rig: Rig, protocol: Protocol, patience: float, count: int = 1) -> AsyncIterator[Bench]:
    """So many devices of a rig, and mappers that serve them."""
    async with rig.stands(count) as stands, serving(stands, protocol, patience) as bench:
        yield bench


@asynccontextmanager
async def serving(
    stands: Sequence[Stand], protocol: Protocol, patience: float, moment: str = "in the end"
) -> AsyncIterator[Bench]:
    """Mappers that serve these devices and are stopped at that moment; one that does not end is complained of."""
    mappers = running(protocol, [stand.device for stand in stands])
    side = await mappers.__aenter__()
    try:
        yield Bench(stands, side, protocol, patience)
    finally:
        try:
            async with asyncio.timeout(patience):
                await mappers.__aexit__(None, None, None)
        except TimeoutError:
            raise AssertionError(
                f"Stopped {moment}, the mapper does not end: let CancelledError through, and wait for nothing in"
                " `close`"
            ) from None


@contextmanager
def no_defects() -> Iterator[None]:
    """Complain when the framework had to catch what a mapper should not have raised."""
    defects = _Defects()
    logger = logging.getLogger("mappers")
    logger.addHandler(defects)
    try:
        yield
    finally:
        logger.removeHandler(defects)
    assert not defects.messages, (
        f"The mapper raised what says nothing of the device: {defects.messages[0]}. Turn it into a Failure,"
        " NoAnswer, Refused or LinkLost"
    )


class _Defects(logging.Handler):
    """Errors that were logged."""

    def __init__(self) -> None:
        super().__init__(logging.ERROR)
        self.messages: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.messages.append(record.getMessage())


def same(text: str | None, number: float) -> bool:
    """Whether a value, as text, is that number."""
    try:
        return text is not None and float(text) == number
    except ValueError:
        return False


async def observe(seconds: float) -> None:
    """Give what must not happen the time to happen."""
    await asyncio.sleep(seconds)
