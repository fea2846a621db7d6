"""The outbox on the plain wire: one message a report, each confirmed by itself, or never."""

from __future__ import annotations

import asyncio
import logging
import time
import uuid

import msgspec

from edgehub.connection import Connection
from edgehub.counts import Counts
from edgehub.stored import stored
from link.message import Message, encode
from link.rows import edge_updated, state_update
from link.uplink import PLAIN_REPORTS, Uplink
from link.window import Window
from twin.documents import DeviceState
from twin.journal import Journal
from twin.outbox import OutboxEntry

__all__ = ["PlainReports", "PlainSeen"]

logger = logging.getLogger("edgehub")

_names = msgspec.json.Decoder(dict[str, msgspec.Raw])


class PlainSeen:
    """What was said to a KubeEdge cloud since the start, across connections: it loses the first value of each
    property, and never confirms a device it does not know."""

    def __init__(self) -> None:
        self._properties: dict[str, set[str]] = {}
        self._silent: set[str] = set()

    def is_first(self, entry: OutboxEntry) -> bool:
        """Whether this is the first report of any of its properties."""
        if entry.kind != "twin":
            return False
        names = _names.decode(entry.body).keys()
        known = self._properties.setdefault(entry.device, set())
        first = not known.issuperset(names)
        known.update(names)
        return first

    def is_news(self, device: str) -> bool:
        """Whether it was not told yet that the cloud does not confirm this device."""
        news = device not in self._silent
        self._silent.add(device)
        return news


class PlainReports:
    """Of one connection of the hub channel."""

    def __init__(self, connection: Connection, journal: Journal, seen: PlainSeen, counts: Counts) -> None:
        self._connection = connection
        self._journal = journal
        self._seen = seen
        self._counts = counts
        self._uplink = Uplink(plain=True, after=journal.trimmed, window=Window())
        self._devices: dict[int, str] = {}
        """Of the numbers under way."""
        self._space = uuid.UUID(hex=journal.identity)
        self._wake = asyncio.Event()

    async def run(self) -> None:
        """For ever. Raises `LinkLost`."""
        await stored(self._journal.begin_sending())
        self._journal.on_grown = self._wake.set
        while True:
            self._wake.clear()
            await self._repeat()
            await self._send_new()
            await self._wait()

    def acknowledged(self, parent_id: str) -> None:
        """The cloud confirmed a report."""
        before = len(self._uplink)
        self._trim(self._uplink.acknowledged(parent_id, _now()))
        self._counts.acknowledged += before - len(self._uplink)
        self._wake.set()

    async def _send_new(self) -> None:
        while self._uplink.room(_now()):
            entries = self._journal.outbox(self._uplink.next_after, 1)
            if not entries:
                return
            await self._send(entries[0])
            if self._seen.is_first(entries[0]):
                await self._send(entries[0])

    async def _repeat(self) -> None:
        for seq in self._uplink.overdue(_now()):
            entries = self._journal.outbox(seq - 1, 1)
            if entries and entries[0].seq == seq:
                await self._send(entries[0])
            else:
                self._uplink.gone(seq)
        self._give_up()
        self._trim(self._uplink.confirmed)

    def _give_up(self) -> None:
        for seq in self._uplink.given_up():
            self._counts.unconfirmed += 1
            device = self._devices.get(seq, "a device")
            if self._seen.is_news(device):
                logger.warning(
                    "the cloud does not confirm what %s reports, as KubeEdge's does with a device it does not know: "
                    "its reports are given up; declare it there", device,
                )  # fmt: skip

    async def _send(self, entry: OutboxEntry) -> None:
        msg_id = str(uuid.uuid5(self._space, str(entry.seq)))
        frame = encode(_row(entry, msg_id))
        self._uplink.sent(entry.seq, len(frame), _now(), msg_id)
        self._devices[entry.seq] = entry.device
        self._journal.sent = max(self._journal.sent, entry.seq)
        self._counts.sent += 1
        await self._connection.send(frame)

    def _trim(self, seq: int) -> None:
        if seq > self._journal.trimmed:
            self._journal.trim(seq)
        for known in [known for known in self._devices if known <= seq]:
            del self._devices[known]

    async def _wait(self) -> None:
        deadline = self._uplink.deadline()
        if len(self._uplink) < PLAIN_REPORTS and self._journal.outbox(self._uplink.next_after, 1):
            return
        try:
            async with asyncio.timeout(None if deadline is None else max(0.0, deadline - _now())):
                await self._wake.wait()
        except TimeoutError:
            return


def _row(entry: OutboxEntry, msg_id: str) -> Message:
    now = time.time_ns() // 1_000_000
    if entry.kind == "twin":
        return edge_updated(entry.device, entry.body, now, msg_id)
    return state_update(entry.device, msgspec.json.decode(entry.body, type=DeviceState), now, msg_id)


def _now() -> float:
    return asyncio.get_running_loop().time()
