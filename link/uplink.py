"""Which numbers of an edge's outbox are under way to the cloud, and which are safe there. Sans-I/O.

On our own link an acknowledgement names a number and confirms everything up to it. On the plain wire each report is
confirmed by itself, in any order, or never: a KubeEdge cloud is silent about devices it does not know. So there a
report is sent up to three times and then given up, that it may not keep the others.
"""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass

from link.window import Window

__all__ = ["PLAIN_REPORTS", "RESEND_AFTER", "SENDS", "Uplink"]

PLAIN_REPORTS = 16
"""Reports under way on the plain wire."""
RESEND_AFTER = 10.0
"""Seconds after which a report on the plain wire is sent again, with the same id."""
SENDS = 3
"""How often, before it is given up."""


@dataclass(slots=True)
class _Sent:
    size: int
    under_way: int
    """Bytes, right after this one was sent."""
    at: float
    msg_id: str
    sends: int = 1


class Uplink:
    """One connection; the next one begins with a new `Uplink`, after the last number that is safe. All times are
    monotonic seconds."""

    def __init__(self, *, plain: bool, after: int, window: Window) -> None:
        self._plain = plain
        self._window = window
        self._sent: OrderedDict[int, _Sent] = OrderedDict()
        self._numbers: dict[str, int] = {}
        """Of the ids under way on the plain wire."""
        self._bytes = 0
        self._given_up: list[int] = []
        self.next_after = after
        """Read the outbox after this number."""
        self.confirmed = after
        """Up to this number everything is safe in the cloud, given up or gone: the outbox may be trimmed."""

    def __len__(self) -> int:
        """Reports under way."""
        return len(self._sent)

    def room(self, now: float) -> int:  # noqa: ARG002 - as every question of a core, it is asked with the time
        """Bytes that may leave now; 0 = wait for an acknowledgement. One entry may exceed it: the first always
        goes."""
        if self._plain and len(self._sent) >= PLAIN_REPORTS:
            return 0
        return max(0, self._window.size - self._bytes)

    def sent(self, seq: int, size: int, now: float, msg_id: str = "") -> None:
        """An entry was written, `size` bytes of it; numbers rise, except for one that is sent again. `msg_id`:
        by which the plain wire will confirm it."""
        known = self._sent.get(seq)
        if known is not None:
            known.at = now
            known.sends += 1
            return
        self._bytes += size
        self._sent[seq] = _Sent(size, self._bytes, now, msg_id)
        self.next_after = max(self.next_after, seq)
        if self._plain:
            self._numbers[msg_id] = seq

    def acknowledged(self, parent_id: str, now: float) -> int:
        """The cloud confirmed a message. Returns the number up to which everything is confirmed now, 0 when that
        is nothing new; what was never sent cannot be confirmed."""
        seq = self._numbers.get(parent_id) if self._plain else _number(parent_id)
        if seq is None or seq > self.next_after:
            return 0
        newest = self._sent.get(seq)
        if newest is not None and newest.sends == 1:
            self._window.acknowledged(newest.under_way, now - newest.at)
        if self._plain:
            self._remove(seq)
        else:
            while self._sent and next(iter(self._sent)) <= seq:
                self._remove(next(iter(self._sent)))
        return self._advance()

    def overdue(self, now: float) -> list[int]:
        """Plain wire: numbers to send again now, lowest first. Those sent often enough are given up instead."""
        if not self._plain:
            return []
        late = [seq for seq, sent in self._sent.items() if now - sent.at >= RESEND_AFTER]
        hopeless = [seq for seq in late if self._sent[seq].sends >= SENDS]
        for seq in hopeless:
            self.gone(seq)
        self._given_up += hopeless
        return [seq for seq in late if seq in self._sent]

    def given_up(self) -> list[int]:
        """Plain wire: numbers that were given up since the last call; `confirmed` has passed over them."""
        given_up, self._given_up = self._given_up, []
        return given_up

    def gone(self, seq: int) -> None:
        """The outbox no longer has this number: a newer change took it in. Nothing to confirm any more."""
        self._remove(seq)
        self._advance()

    def deadline(self) -> float | None:
        """When `overdue` has something; None = never, unless more is sent."""
        if not self._plain or not self._sent:
            return None
        return min(sent.at for sent in self._sent.values()) + RESEND_AFTER

    def _remove(self, seq: int) -> None:
        sent = self._sent.pop(seq, None)
        if sent is not None:
            self._bytes -= sent.size
            self._numbers.pop(sent.msg_id, None)

    def _advance(self) -> int:
        lowest = next(iter(self._sent), None)
        reached = self.next_after if lowest is None else lowest - 1
        if reached <= self.confirmed:
            return 0
        self.confirmed = reached
        return reached


def _number(text: str) -> int | None:
    return int(text) if text.isascii() and text.isdigit() and len(text) < 19 else None
