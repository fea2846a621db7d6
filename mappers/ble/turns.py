"""Who may connect next through an adapter that can have only a few devices connected. No I/O.

Whoever was seen a short while ago is ready; of those, the ones that failed least come first, and among them the one
that waits longest. Devices that failed last time share a part of the slots only, so that ten of them cannot keep
out one that works. A holder that is idle makes room for one that waits.
"""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Callable
from dataclasses import dataclass, field

RECENT = 30.0
"""Seconds for which a device that was seen counts as there; BlueZ tells of a device that says the same about every
ten seconds."""


@dataclass(slots=True, eq=False)
class Ticket:
    """One device's claim on a slot."""

    address: str
    failures: int = 0
    """Attempts in a row that came to nothing."""
    number: int = 0
    turn: asyncio.Future[None] | None = None
    """Done when it may connect; None when it does not wait."""
    make_room: Callable[[], None] | None = None
    """Called when another device waits and this one, idle, is to give its slot back; None: it cannot."""
    idle: bool = field(default=False)
    used: int = 0
    """When it was used last, in steps: the one that was not used for longest makes room first."""


class Turns:
    """`wait` for a slot, `give_back` in the end."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self.slots = 1
        self._clock = clock
        self._seen: dict[str, float] = {}
        self._waiting: list[Ticket] = []
        self._holding: set[Ticket] = set()
        self._leaving: set[Ticket] = set()
        self._steps = itertools.count(1)

    def seen(self, address: str) -> None:
        """It is there: it advertised."""
        self._seen[address] = self._clock()
        if self._waiting:
            self._look()

    def forget(self, address: str) -> None:
        """It is not known any more whether it is there."""
        self._seen.pop(address, None)

    def is_there(self, address: str) -> bool:
        """It was seen a short while ago."""
        return self._clock() - self._seen.get(address, -RECENT) < RECENT

    async def wait(self, ticket: Ticket) -> None:
        """Until it is this one's turn; cancel it to give up. The slot is held from then on."""
        ticket.number = next(self._steps)
        ticket.idle = False
        ticket.turn = asyncio.get_running_loop().create_future()
        self._waiting.append(ticket)
        self._look()
        try:
            await ticket.turn
        except asyncio.CancelledError:
            self._drop(ticket)
            raise

    def give_back(self, ticket: Ticket) -> None:
        """The slot is free again."""
        self._drop(ticket)

    def now_idle(self, ticket: Ticket) -> None:
        """It holds its slot and has nothing to do at present."""
        ticket.idle = True
        ticket.used = next(self._steps)
        if self._waiting:
            self._look()

    def now_busy(self, ticket: Ticket) -> None:
        """It has something to do: it is not asked to make room."""
        ticket.idle = False

    def _drop(self, ticket: Ticket) -> None:
        if ticket in self._waiting:
            self._waiting.remove(ticket)
        self._holding.discard(ticket)
        self._leaving.discard(ticket)
        self._look()

    def _look(self) -> None:
        """Give out what is free, then ask for what is wanted."""
        while (best := self._best()) is not None:
            if len(self._holding) >= self.slots:
                self._ask_for_room()
                return
            self._waiting.remove(best)
            self._holding.add(best)
            assert best.turn is not None
            best.turn.set_result(None)

    def _best(self) -> Ticket | None:
        trials = sum(1 for ticket in self._holding if ticket.failures)
        ready = (
            ticket
            for ticket in self._waiting
            if self.is_there(ticket.address) and (not ticket.failures or trials < max(1, self.slots // 2))
        )
        return min(ready, key=lambda ticket: (ticket.failures, ticket.number), default=None)

    def _ask_for_room(self) -> None:
        """As many leave as wait for their slots."""
        idle = [ticket for ticket in self._holding - self._leaving if ticket.idle and ticket.make_room]
        wanted = sum(1 for ticket in self._waiting if self.is_there(ticket.address)) - len(self._leaving)
        for ticket in sorted(idle, key=lambda each: each.used)[: max(0, wanted)]:
            self._leaving.add(ticket)
            assert ticket.make_room is not None
            ticket.make_room()
