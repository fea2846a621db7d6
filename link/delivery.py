"""What a cloud has to bring to one edge: of each object the newest, until it is acknowledged. Sans-I/O.

On the plain wire it does what KubeEdge's cloud does: one object at a time; sent again every 5 s with the same id;
after five times with a new id, in its newest version. It differs in one thing: an object that is not acknowledged
then goes to the end, so that it keeps nobody waiting for longer. On our own link several are under way, and an
acknowledgement confirms all that was sent before it.
"""

from __future__ import annotations

import uuid
from collections import OrderedDict
from dataclasses import dataclass
from math import inf

from msgspec.structs import replace

from link.message import Message

__all__ = ["ATTEMPTS", "RESEND_AFTER", "Delivery", "DeliveryFull"]

RESEND_AFTER = 5.0
"""Seconds."""
ATTEMPTS = 5
LATE_IDS = 256
"""How many ids that were given up may still be acknowledged."""


class DeliveryFull(Exception):
    """No more objects fit: offer again once some are confirmed."""


@dataclass(slots=True)
class _Entry:
    key: str | None
    """None = not acknowledged by anybody."""
    message: Message
    since: float | None = None
    """When it was first seen waiting."""
    sends: int = 0
    again: float = inf
    """When it is to be sent again."""


_Place = str | int


class Delivery:
    """The queue down to one edge. All times are monotonic seconds."""

    def __init__(
        self,
        *,
        plain: bool,
        window: int = 1,
        resend_after: float = RESEND_AFTER,
        attempts: int = ATTEMPTS,
        limit: int = 10_000,
    ) -> None:
        """`window`: how many objects may be under way; the plain wire has one. `limit`: of messages, all told."""
        self._plain = plain
        self._window = 1 if plain else window
        self._resend_after = resend_after
        self._attempts = attempts
        self._limit = limit
        self._waiting: OrderedDict[_Place, _Entry] = OrderedDict()
        """By key, or by a number of its own what has no key; in the order to be sent."""
        self._numbered = 0
        self._flight: OrderedDict[str, _Entry] = OrderedDict()
        """By message id, in the order first sent on this connection."""
        self._late: OrderedDict[str, tuple[str, Message]] = OrderedDict()
        self.resent = 0
        self.requeued = 0

    def __len__(self) -> int:
        """Messages that wait, or wait to be confirmed."""
        return len(self._waiting) + self._busy()

    # ---- offering

    def offer(self, key: str, message: Message) -> None:
        """Bring this to the edge, instead of what still waits under the same key; after what is under way.

        A waiting delete gives way to an insert, and to a version above its own. Raises `DeliveryFull`.
        """
        waiting = self._waiting.get(key)
        if waiting is None:
            self._add(key, _Entry(key, message))
        elif not _outranks(waiting.message, message):
            waiting.message = message

    def offer_unacknowledged(self, message: Message) -> None:
        """Bring this to the edge, which will not confirm it: it is sent in its turn, and taken as arrived once
        something sent after it is confirmed. Raises `DeliveryFull`."""
        self._add(self._number(), _Entry(None, message))

    def _add(self, place: _Place, entry: _Entry) -> None:
        if len(self._waiting) + len(self._flight) >= self._limit:
            raise DeliveryFull(f"{self._limit:,} messages wait for this node already")
        self._waiting[place] = entry

    # ---- sending

    def due(self, now: float) -> list[Message]:
        """What to write now, in this order: what was not acknowledged in time, then new ones as the window
        allows."""
        self._stamp(now)
        return [*self._repeats(now), *self._new_ones(now)]

    def _repeats(self, now: float) -> list[Message]:
        late = [entry for entry in self._flight.values() if entry.again <= now]
        for entry in late:
            if entry.sends >= self._attempts:
                self._requeue(entry)
            else:
                entry.sends += 1
                entry.again = now + self._resend_after
        repeats = [entry.message for entry in late if entry.message.header.msg_id in self._flight]
        self.resent += len(repeats)
        return repeats

    def _requeue(self, entry: _Entry) -> None:
        """To the end, in the newest version, with an id that says so."""
        assert entry.key is not None
        old = entry.message
        del self._flight[old.header.msg_id]
        self._late[old.header.msg_id] = entry.key, old
        if len(self._late) > LATE_IDS:
            self._late.popitem(last=False)
        if entry.key in self._waiting:
            self._waiting[entry.key].since = entry.since
        else:
            again = replace(old, header=replace(old.header, msg_id=str(uuid.uuid4())))
            self._waiting[entry.key] = _Entry(entry.key, again, entry.since)
        self._waiting.move_to_end(entry.key)
        self.requeued += 1

    def _new_ones(self, now: float) -> list[Message]:
        new = []
        busy = self._busy()
        while self._waiting and (self._head().key is None or busy < self._window):
            _, entry = self._waiting.popitem(last=False)
            if entry.key is not None:
                busy += 1
                self._supersede(entry.key)
                entry.sends = 1
                entry.again = now + self._resend_after
            self._flight[entry.message.header.msg_id] = entry
            new.append(entry.message)
        return new

    def _supersede(self, key: str) -> None:
        """A newer one of this key leaves: the older one must never be sent after it."""
        for entry in self._flight.values():
            if entry.key == key:
                entry.again = inf

    def _head(self) -> _Entry:
        return next(iter(self._waiting.values()))

    def _busy(self) -> int:
        return sum(entry.key is not None for entry in self._flight.values())

    def deadline(self, now: float) -> float | None:
        """When `due` has something: `now` or earlier = at once; None = not before an offer or an
        acknowledgement."""
        if self._waiting and (self._head().key is None or self._busy() < self._window):
            return now
        soonest = min((entry.again for entry in self._flight.values()), default=inf)
        return None if soonest == inf else soonest

    # ---- confirming

    def acknowledged(self, parent_id: str, now: float) -> list[tuple[str, Message]]:  # noqa: ARG002 - as every event of a core
        """The edge confirmed a message: what is confirmed by that, as (key, the message as it was sent), in the
        order sent. Nothing for an id that is not known here, or was confirmed before."""
        parent = self._flight.get(parent_id)
        if parent is None:
            return self._confirm_late(parent_id)
        confirmed = []
        for msg_id, entry in list(self._flight.items()):
            if entry is parent or entry.key is None or not self._plain:
                del self._flight[msg_id]
                if entry.key is not None:
                    confirmed.append((entry.key, entry.message))
            if entry is parent:
                break
        self._forget_late({key for key, _ in confirmed})
        return confirmed

    def _confirm_late(self, msg_id: str) -> list[tuple[str, Message]]:
        """Confirmed by an id that was given up: where the same is on its way again, that need not be."""
        if msg_id not in self._late:
            return []
        key, message = self._late.pop(msg_id)
        self._forget_late({key})
        waiting = self._waiting.get(key)
        if waiting is not None and _same(waiting.message, message):
            del self._waiting[key]
        for again, entry in list(self._flight.items()):
            if entry.key == key and _same(entry.message, message):
                del self._flight[again]
        return [(key, message)]

    def _forget_late(self, keys: set[str]) -> None:
        """These are confirmed: an older version of them must not be confirmed afterwards."""
        for msg_id in [msg_id for msg_id, (key, _) in self._late.items() if key in keys]:
            del self._late[msg_id]

    def restart(self) -> None:
        """The connection is a new one: everything unconfirmed is to be sent again, in the order it had."""
        waiting: OrderedDict[_Place, _Entry] = OrderedDict()
        for entry in self._flight.values():
            place = self._number() if entry.key is None else entry.key
            waiting[place] = _Entry(entry.key, entry.message, entry.since)
        for place, entry in self._waiting.items():
            entry.since = waiting[place].since if place in waiting else entry.since
            waiting[place] = entry
        self._waiting = waiting
        self._flight.clear()
        self._late.clear()

    # ---- looking

    def oldest(self, now: float) -> float:
        """For how many seconds the oldest of what is not confirmed has been waiting; 0 = there is none."""
        self._stamp(now)
        under_way = (entry for entry in self._flight.values() if entry.key is not None)
        since = (entry.since for entry in (*under_way, *self._waiting.values()))
        return now - min((time for time in since if time is not None), default=now)

    def _stamp(self, now: float) -> None:
        """Offers come without a time: those at the end that have none yet begin to wait now."""
        for entry in reversed(self._waiting.values()):
            if entry.since is not None:
                break
            entry.since = now

    def _number(self) -> int:
        self._numbered += 1
        return self._numbered


def _outranks(waiting: Message, offered: Message) -> bool:
    """Whether a delete that waits stays: what is offered is no newer than the object that is to be deleted."""
    operation = offered.route.operation
    if waiting.route.operation != "delete" or operation in ("delete", "insert"):
        return False
    return _version(offered) <= _version(waiting)


def _version(message: Message) -> int:
    text = message.header.resourceversion
    return int(text) if text.isascii() and text.isdigit() else 0


def _same(one: Message, other: Message) -> bool:
    """Whether two messages bring the same, whatever their ids."""
    return one.route == other.route and one.content is other.content
