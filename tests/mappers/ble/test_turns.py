"""Who connects next: those who are there, who failed least, who waits longest; nobody waits for ever."""

from __future__ import annotations

import asyncio
from contextlib import suppress

from hypothesis import given, settings
from hypothesis import strategies as st

from mappers.ble.turns import RECENT, Ticket, Turns


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


class Hall:
    """Tickets and who holds a slot."""

    def __init__(self, slots: int) -> None:
        self.clock = Clock()
        self.turns = Turns(self.clock)
        self.turns.slots = slots
        self.waiting: dict[str, asyncio.Task[None]] = {}
        self.tickets: dict[str, Ticket] = {}

    async def wait(self, name: str, *, seen: bool = True, failures: int = 0) -> Ticket:
        ticket = self.tickets.setdefault(name, Ticket(name))
        ticket.failures = failures
        if seen:
            self.turns.seen(name)
        self.waiting[name] = asyncio.create_task(self.turns.wait(ticket))
        await asyncio.sleep(0)
        return ticket

    async def holders(self) -> list[str]:
        for _ in range(3):
            await asyncio.sleep(0)
        return sorted(name for name, task in self.waiting.items() if task.done() and not task.cancelled())

    def leave(self, name: str) -> None:
        self.turns.give_back(self.tickets[name])
        del self.waiting[name]

    async def end(self) -> None:
        for task in self.waiting.values():
            task.cancel()
            with suppress(asyncio.CancelledError):
                await task


async def test_first_come_first_served() -> None:
    hall = Hall(1)
    for name in "abc":
        await hall.wait(name)
    assert await hall.holders() == ["a"]
    hall.leave("a")
    assert await hall.holders() == ["b"]
    hall.leave("b")
    assert await hall.holders() == ["c"]
    await hall.end()


async def test_a_device_that_is_not_seen_holds_nothing() -> None:
    hall = Hall(1)
    await hall.wait("far", seen=False)
    await hall.wait("near")
    assert await hall.holders() == ["near"]
    hall.leave("near")
    assert await hall.holders() == []
    hall.turns.seen("far")
    assert await hall.holders() == ["far"]
    await hall.end()


async def test_what_was_seen_long_ago_is_not_there() -> None:
    hall = Hall(1)
    await hall.wait("a")
    await hall.wait("b")
    hall.clock.now += RECENT + 1
    hall.leave("a")
    assert await hall.holders() == []
    await hall.end()


async def test_those_that_fail_come_last_and_never_take_all() -> None:
    hall = Hall(3)
    for name in ("bad1", "bad2", "bad3"):
        await hall.wait(name, failures=2)
    assert await hall.holders() == ["bad1"]  # half of three
    await hall.wait("good")
    assert await hall.holders() == ["bad1", "good"]
    await hall.end()


async def test_those_that_fail_come_after_those_that_do_not() -> None:
    hall = Hall(1)
    await hall.wait("a")
    await hall.wait("bad", failures=2)
    await hall.wait("good")
    hall.leave("a")
    assert await hall.holders() == ["good"]
    await hall.end()


async def test_an_idle_one_makes_room() -> None:
    hall = Hall(2)
    asked: list[str] = []
    for name in "ab":
        ticket = await hall.wait(name)
        ticket.make_room = lambda name=name: asked.append(name)  # type: ignore[misc]
    await hall.holders()
    await hall.wait("c")
    assert asked == []  # both are busy
    hall.turns.now_idle(hall.tickets["b"])
    hall.turns.now_idle(hall.tickets["a"])
    assert asked == ["b"]  # one waits, so one leaves
    hall.leave("b")
    assert await hall.holders() == ["a", "c"]
    await hall.end()


async def test_who_gives_up_gets_nothing() -> None:
    hall = Hall(1)
    await hall.wait("a")
    await hall.wait("b")
    hall.waiting["b"].cancel()
    with suppress(asyncio.CancelledError):
        await hall.waiting.pop("b")
    hall.leave("a")
    await hall.wait("c")
    assert await hall.holders() == ["c"]
    await hall.end()


@settings(max_examples=50, deadline=None)
@given(st.integers(1, 4), st.lists(st.sampled_from(["come", "leave", "see"]), max_size=60), st.randoms())
def test_slots_are_never_exceeded_and_nobody_is_forgotten(slots: int, steps: list[str], random: object) -> None:
    asyncio.run(_any_order(slots, steps, random))


async def _any_order(slots: int, steps: list[str], random: object) -> None:
    hall, count = Hall(slots), 0
    for step in steps:
        holders = await hall.holders()
        assert len(holders) <= slots
        if step == "come":
            await hall.wait(f"device {count}", seen=bool(random.randint(0, 1)))  # type: ignore[attr-defined]
            count += 1
        elif step == "leave" and holders:
            hall.leave(random.choice(holders))  # type: ignore[attr-defined]
        elif step == "see" and count:
            hall.turns.seen(f"device {random.randrange(count)}")  # type: ignore[attr-defined]
    for number in range(count):
        hall.turns.seen(f"device {number}")
    while holders := await hall.holders():
        for name in holders:
            hall.leave(name)
    assert hall.waiting == {}
