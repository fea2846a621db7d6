"""The checks that every mapper passes, against simulated devices and through the real framework.

    class TestConformance(Conformance):
        rig = RIG

A check that makes no sense for a protocol is named in `rig.cannot`, with the reason, and skipped. Failures say what
to mend. Needs pytest and pytest-asyncio.
"""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import ClassVar

import pytest

from mappers.protocols import PROTOCOLS, Protocol
from mappers.testing.bench import Bench, bench, no_defects, observe, same, serving
from mappers.testing.leaks import Holdings
from mappers.testing.rig import NUMBER, SETTING, Rig, Stand
from mappers.testing.side import PATIENCE

MOMENT = 0.1
"""Seconds after which a mapper is in the middle of what it does with a silent device."""
WHILE = 0.6
"""Seconds for which nothing must be heard of a device that is gone."""
UNDER_WAY = 300
"""Milliseconds within which what was said before a silence has arrived."""
MOST_REASONS = 6
"""Different reasons for one trouble, within WHILE."""
RACE = 1.0
"""Seconds for which a pace is measured: a silent device is asked again more than once."""
LEAST_SLACK = 0.1
"""Seconds that a reading may be late because the machine is busy."""
ATTEMPTS = 5
"""Of a measurement on a busy machine; one that succeeds will do."""
NOISE = "The device says nothing but noise"


@pytest.mark.asyncio
class Conformance:
    """Subclass it in a test module, with a `rig`."""

    rig: ClassVar[Rig]
    patience: ClassVar[float] = PATIENCE
    """Seconds that each thing may take; only failures take so long."""

    @pytest.fixture(autouse=True)
    def _skip(self, request: pytest.FixtureRequest) -> None:
        self.skip_what_cannot_be(getattr(request.node, "originalname", request.node.name))

    def skip_what_cannot_be(self, check: str) -> None:
        """Skip with the reason that the rig gives, if it gives one."""
        reason = self.rig.cannot.get(check)
        if reason is not None:
            pytest.skip(reason)

    async def test_connect(self) -> None:
        """The device is read, and read again."""
        with no_defects():
            async with self._bench() as bench:
                await bench.expect_number(bench.stands[0], 21, "After the connection was made")
                await bench.expect_number(bench.stands[0], 42, "While it stands")

    async def test_drop(self) -> None:
        """A connection that ends is made again."""
        async with self._one_good() as (bench, stand):
            for number in (2, 3):
                await stand.drop()
                await bench.expect_number(stand, number, "After the connection was dropped")

    async def test_slow(self) -> None:
        """Slower than its time-out, it is silent; slightly slow, it is not."""
        async with self._one_good() as (bench, stand):
            limit = bench.device_patience(stand)
            await stand.slow(limit / 4)
            await bench.expect_number(stand, 2, f"While the device takes {limit / 4:g} s of the allowed {limit:g} s")
            since = len(bench.heard(stand))
            await stand.slow(limit * 4)
            await bench.expect_bad(stand, since, 2, f"The device takes {limit * 4:g} s, {limit:g} s are allowed")
            await stand.whole()
            await bench.expect_number(stand, 3, "After the device was slow")

    async def test_garbage(self) -> None:
        """Noise is no value and no defect, and is forgotten when it is over."""
        with no_defects():
            async with self._one_good() as (bench, stand):
                since = len(bench.heard(stand))
                await stand.garbage()
                await bench.expect_bad(stand, since, 1, NOISE)
                await observe(WHILE)
                bench.only_the_truth(stand, since, 1, NOISE)
                await stand.whole()
                await bench.expect_number(stand, 2, "After the device said noise")

    async def test_restart(self) -> None:
        """A device that was switched off and on is found again."""
        async with self._one_good() as (bench, stand):
            since = len(bench.heard(stand))
            await stand.stop()
            await bench.expect_bad(stand, since, 1, "The device was switched off")
            await bench.expect(lambda: bench.state(stand) == "offline", "The device is off and not called offline")
            await stand.start()
            await bench.expect_number(stand, 2, "After the device was switched off and on")

    async def test_black_hole_beside_a_healthy_neighbour(self) -> None:
        """A silent device costs its neighbour nothing."""
        async with self._bench(2) as bench:
            silent, neighbour = bench.stands
            await bench.expect_number(silent, 1, "After the connection was made")
            before = await bench.pace(neighbour, RACE)
            since = len(bench.heard(silent))
            await silent.silence()
            await bench.expect_bad(silent, since, 1, "The device is a black hole")
            allowed = before + max(LEAST_SLACK, bench.device_patience(silent) / 2)
            complaints = [await self._harm(bench, neighbour, allowed)]
            while complaints[-1] and len(complaints) < ATTEMPTS:
                complaints.append(await self._harm(bench, neighbour, allowed))
            assert not complaints[-1], complaints[-1]

    async def _harm(self, bench: Bench, neighbour: Stand, allowed: float) -> str:
        """What a healthy device suffers now, in words; empty when it suffers nothing."""
        readings, states = len(bench.heard(neighbour)), len(bench.side.states)
        now = await bench.pace(neighbour, RACE)
        bad = [heard.reading for heard in bench.heard(neighbour)[readings:] if heard.reading.quality != "good"]
        changed = [state for id_, state in bench.side.states[states:] if id_ == neighbour.device.id]
        if bad or changed:
            return f"A device is a black hole, and its healthy neighbour became {[*bad, *changed]}: share nothing"
        if now > allowed:
            return (
                f"A device is a black hole, and a reading of its healthy neighbour takes {now:.2f} s, more than"
                f" {allowed:.2f} s: something blocks the event loop, or is held while a device is waited for"
            )
        return ""

    async def test_write_and_read_back(self) -> None:
        """A wish reaches the device and is reported as the device holds it; so does one made while it was off."""
        async with self._one_good() as (bench, stand):
            bench.side.wish(stand.device.id, **{SETTING: "42"})
            await self._expect_setting(bench, stand, 42, "A wish was made")
            await stand.stop()
            await bench.expect(lambda: bench.state(stand) == "offline", "The device is off and not called offline")
            bench.side.wish(stand.device.id, **{SETTING: "17"})
            await stand.start()
            await self._expect_setting(bench, stand, 17, "A wish was made while the device was off; it is back")

    async def _expect_setting(self, bench: Bench, stand: Stand, number: int, what: str) -> None:
        def shown() -> bool:
            last = bench.side.last(stand.device.id, SETTING)
            return last is not None and last.quality == "good" and same(last.value, number)

        await bench.expect(shown, f"{what}, and no reading of {SETTING} shows {number}")
        held = await stand.setting()
        assert held == number, f"{SETTING} is reported as {number}, the device holds {held}: report what it says"

    async def test_quality_never_forged(self) -> None:
        """While a device says nothing true, no reading is good, the reason is said once and the last true value
        stays; what the device doubts is uncertain."""
        async with self._one_good() as (bench, stand):
            troubles = {"silent": stand.silence, "talking noise": stand.garbage, "off": stand.stop}
            if "test_garbage" in self.rig.cannot:
                del troubles["talking noise"]
            for number, (trouble, begin) in enumerate(troubles.items(), 1):
                await bench.expect_number(stand, number, "While it is well")
                await self._trouble(bench, stand, number, trouble, begin)
                await (stand.start() if trouble == "off" else stand.whole())
            await bench.expect_number(stand, 9, "After all troubles")
            if self.rig.doubts:
                await stand.doubt()
                complaint = "The device calls its value uncertain, and no uncertain reading comes: use Sample.quality"
                await bench.expect(lambda: bench.heard(stand)[-1].reading.quality == "uncertain", complaint)

    async def _trouble(
        self, bench: Bench, stand: Stand, number: int, trouble: str, begin: Callable[[], Awaitable[None]]
    ) -> None:
        since = len(bench.heard(stand))
        await begin()
        await bench.expect_bad(stand, since, number, f"The device is {trouble}")
        since += next(n for n, heard in enumerate(bench.heard(stand)[since:]) if heard.reading.quality == "bad")
        await observe(WHILE)
        bench.only_the_truth(stand, since, number, f"The device is {trouble}")
        readings = [heard.reading for heard in bench.heard(stand)[since:]]
        good = [reading for reading in readings if reading.quality != "bad"]
        assert not good, (
            f"The device is {trouble}, and {good[0]} is reported: a value that was not read is no reading"
        )
        reasons = {reading.reason for reading in readings}
        assert "" not in reasons, f"The device is {trouble}, and {NUMBER} is bad without a reason"
        assert len(reasons) <= MOST_REASONS, (
            f"The device is {trouble}, and each failure has another reason, so each is a report: {sorted(reasons)};"
            " leave out what changes"
        )

    async def test_source_time_never_forged(self) -> None:
        """A reading is as old as it is: of the device's clock where it tells, else of the moment of receipt."""
        async with self._one_good() as (bench, stand):
            since, shown_at = len(bench.heard(stand)), _now()
            await bench.expect_number(stand, 2, "While it is well")
            await stand.silence()
            began, patience = _now(), bench.device_patience(stand)
            await observe(UNDER_WAY / 1000 + patience + WHILE)
            for reading, at in bench.heard(stand)[since:]:
                if reading.value is None:
                    continue
                late = f"{reading} has a time after the device fell silent ({began}): time is when it was said"
                assert at <= began + UNDER_WAY or reading.time <= began, late
                if stand.source_times() is None:
                    assert reading.time <= at + 1, f"{reading} came at {at}: its time is in the future"
                    early = f"{reading} was not true before {shown_at}, and its time says so: Sample.time is wrong"
                    assert reading.time >= shown_at or not same(reading.value, 2), early
            _own_times(bench, stand)

    async def test_cancellation_leaves_nothing(self) -> None:
        """Stopped in the middle of connecting, reading or writing, a mapper leaves no task, socket or file."""
        async with self.rig.stands(1) as (stand,):
            await self._stopped(stand, _until_good)  # what libraries keep for ever is there now
            for moment, begin, what in (
                ("in the middle of connecting", stand.silence, _begin),
                ("in the middle of reading", stand.whole, _in_silence),
                ("in the middle of writing", stand.whole, _wish_in_silence),
            ):
                before = Holdings.now()
                await begin()
                await self._stopped(stand, what, moment)
                await stand.whole()
                await self._nothing_is_left(before, moment)
            await stand.stop()
            before = Holdings.now()
            await self._stopped(stand, _begin, "while nobody is there")
            await self._nothing_is_left(before, "while nobody is there")

    async def _nothing_is_left(self, before: Holdings, moment: str) -> None:
        leaks = await before.leaks(self.patience)
        assert not leaks, f"Stopped {moment}, the mapper leaves {leaks}: `close` must end all that was begun"

    async def _stopped(
        self, stand: Stand, what: Callable[[Bench, Stand], Awaitable[None]], moment: str = "after a reading"
    ) -> None:
        """Run mappers, do this, and stop them."""
        async with serving([stand], self._protocol(), self.patience, moment) as bench:
            await what(bench, stand)

    def _protocol(self) -> Protocol:
        return PROTOCOLS[self.rig.protocol]

    def _bench(self, count: int = 1) -> AbstractAsyncContextManager[Bench]:
        return bench(self.rig, self._protocol(), self.patience, count)

    @asynccontextmanager
    async def _one_good(self) -> AsyncIterator[tuple[Bench, Stand]]:
        """One device, whose NUMBER was read as 1."""
        async with self._bench() as bench:
            [stand] = bench.stands
            await bench.expect_number(stand, 1, "After the connection was made")
            yield bench, stand


def _own_times(bench: Bench, stand: Stand) -> None:
    own = stand.source_times()
    if own is None:
        return
    said = {time + rounding for time in own for rounding in (-1, 0, 1)}
    for reading, _ in bench.heard(stand):
        assert reading.value is None or reading.time in said, (
            f"{reading} has a time that the device never said: give Sample.time as the device says it"
        )


async def _until_good(bench: Bench, stand: Stand) -> None:
    await bench.expect_number(stand, 1, "After the connection was made")


async def _begin(_bench: Bench, _stand: Stand) -> None:
    await observe(MOMENT)


async def _in_silence(bench: Bench, stand: Stand) -> None:
    await _until_good(bench, stand)
    await stand.silence()
    await observe(MOMENT)


async def _wish_in_silence(bench: Bench, stand: Stand) -> None:
    await _until_good(bench, stand)
    await stand.silence()
    if any(prop.name == SETTING for prop in stand.device.properties):
        bench.side.wish(stand.device.id, **{SETTING: "5"})
    await observe(MOMENT)


def _now() -> int:
    return time.time_ns() // 1_000_000
