"""One adapter, shared by all devices behind it: one scan for all, connections by turns."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import suppress
from typing import Protocol
from weakref import WeakKeyDictionary

from mappers.ble.adapter import Adapter, Advertisement, Connection, adapter_named
from mappers.ble.turns import Ticket, Turns
from mappers.mapper import LinkLost

REST = 1.0
"""Seconds for which an adapter that could not be opened is not tried again, however many devices ask."""
SIGHTING = 15.0
"""Seconds a device that is to be connected is looked for."""


FORGET_AFTER = 3
"""Attempts in a row that came to nothing, after which the system shall forget what it knows of a device."""


class Guest(Protocol):
    """Who shares a radio."""

    @property
    def address(self) -> str:
        """Whose advertisements it wants."""

    def heard(self, advertisement: Advertisement) -> None:
        """Its device advertised."""

    def lost(self, reason: str) -> None:
        """The adapter is gone."""


class Radio:
    """One adapter; `radio_for` finds it, `enter` and `leave` count who uses it."""

    def __init__(self, name: str, make: Callable[[str], Adapter] = adapter_named) -> None:
        self.name = name
        loop = asyncio.get_running_loop()
        self.turns = Turns(loop.time)
        self._clock = loop.time
        self._make = make
        self._adapter: Adapter | None = None
        self._guests: dict[Guest, int] = {}
        """With the slots that each would like."""
        self._by_address: dict[str, list[Guest]] = {}
        self._last: dict[str, Advertisement] = {}
        self._opening = asyncio.Lock()
        self._rest_until = 0.0
        self._reason = ""
        self._closing: asyncio.Task[None] | None = None
        """Closes an adapter that was lost."""

    async def enter(self, guest: Guest, slots: int) -> None:
        """Hear advertisements from now on. LinkLost when the adapter cannot be used at present."""
        self._guests[guest] = slots
        self._by_address.setdefault(guest.address, []).append(guest)
        self.turns.slots = max(self._guests.values())
        async with self._opening:
            if self._adapter is None:
                await self._open()

    async def leave(self, guest: Guest) -> None:
        """The last one closes the adapter. Does not raise."""
        if self._guests.pop(guest, None) is None:
            return
        guests = self._by_address[guest.address]
        guests.remove(guest)
        if not guests:
            del self._by_address[guest.address]
            self._last.pop(guest.address, None)
            self.turns.forget(guest.address)
        async with self._opening:
            if not self._guests and self._adapter is not None:
                await self._close()

    async def connect(self, ticket: Ticket, patience: float, on_disconnect: Callable[[str], None]) -> Connection:
        """Wait until the device is seen and it is its turn, then connect within `patience` seconds. LinkLost with
        the reason when that does not come about. The slot is held until `turns.give_back`."""
        if not self.turns.is_there(ticket.address):
            await self._usable().free(ticket.address)
        await self._turn(ticket)
        try:
            connection = await self._usable().connect(self._last[ticket.address], patience, on_disconnect)
        except BaseException as error:
            ticket.failures += 1
            self.turns.give_back(ticket)
            if ticket.failures % FORGET_AFTER == 0:
                await asyncio.shield(self.forget(ticket.address))
            if isinstance(error, TimeoutError):
                raise LinkLost(f"{ticket.address} was seen, but did not connect within {patience:g} s") from None
            raise
        finally:  # it is seen again when it advertises again
            self.turns.forget(ticket.address)
        ticket.failures = 0
        return connection

    @property
    def remembers(self) -> bool:
        """As of the adapter."""
        return self._usable().remembers

    async def forget(self, address: str) -> None:
        """As of the adapter."""
        if self._adapter is not None:
            await self._adapter.forget(address)

    def _usable(self) -> Adapter:
        if self._adapter is None:
            raise LinkLost(self._reason)
        return self._adapter

    async def _turn(self, ticket: Ticket) -> None:
        try:
            async with asyncio.timeout(SIGHTING):
                await self.turns.wait(ticket)
        except TimeoutError:
            if not self.turns.is_there(ticket.address):
                raise LinkLost(f"{ticket.address} was not seen for {SIGHTING:g} s: is it on, and near?") from None
            raise LinkLost(
                f"{ticket.address} was seen, but all {self.turns.slots} connections of {self.name} are taken:"
                " raise slots if the adapter can have more"
            ) from None

    async def _open(self) -> None:
        if self._clock() < self._rest_until:
            raise LinkLost(self._reason)
        adapter = self._make(self.name)
        try:
            await adapter.open(self._heard, self._lost)
        except BaseException as error:
            self._reason = str(error)
            self._rest_until = self._clock() + REST
            await asyncio.shield(adapter.close())
            raise
        self._adapter = adapter

    async def _close(self) -> None:
        adapter, self._adapter = self._adapter, None
        if adapter is not None:
            await adapter.close()

    def _heard(self, advertisement: Advertisement) -> None:
        guests = self._by_address.get(advertisement.address)
        if guests is None:
            return
        self._last[advertisement.address] = advertisement
        self.turns.seen(advertisement.address)
        for guest in tuple(guests):
            guest.heard(advertisement)

    def _lost(self, reason: str) -> None:
        self._reason = reason
        self._rest_until = self._clock() + REST
        adapter, self._adapter = self._adapter, None
        for address in self._by_address:
            self.turns.forget(address)
        for guest in tuple(self._guests):
            guest.lost(reason)
        if adapter is not None:
            self._closing = asyncio.create_task(adapter.close(), name=f"{self.name}: close what is lost")


_RADIOS: WeakKeyDictionary[asyncio.AbstractEventLoop, dict[str, Radio]] = WeakKeyDictionary()


def radio_for(name: str) -> Radio:
    """The one radio of that adapter in this event loop."""
    radios = _RADIOS.setdefault(asyncio.get_running_loop(), {})
    with suppress(KeyError):
        return radios[name]
    radios[name] = Radio(name)
    return radios[name]
