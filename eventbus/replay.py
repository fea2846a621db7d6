"""Recognises what a resumed session delivers a second time. Pure.

A broker that comes back from an older state of its files, or a hub that was killed between its commit and its
PUBACK, gets messages again that were handled before, in their old order, followed by messages that are new.
Applying the old ones again would put older values over newer ones, so the history of handled messages (kept by
the journal in the same transaction as what they changed) is walked along while the old ones come in. The first
message that is not ahead in the history ends the walk: from there on everything is new. What was refused stands in
the history too, or it would end the walk; but as refused, so that its repeat is never answered as if it were done.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Sequence
from enum import Enum
from hashlib import blake2b

from twin.handled import DIGEST_BYTES


def digest(device_id: str, payload: bytes) -> bytes:
    """What a message is recognised by."""
    return blake2b(device_id.encode() + b"\0" + payload, digest_size=DIGEST_BYTES).digest()


def refused(message: bytes) -> bytes:
    """How a message, given by its digest, stands in the history when it was refused."""
    return bytes((message[0] ^ 1,)) + message[1:]


class Handled(Enum):
    """What became of a message when it was delivered before."""

    ACCEPTED = "accepted"
    REFUSED = "refused"


class Replay:
    """One walk, from a reconnect on."""

    def __init__(self, history: Sequence[bytes]) -> None:
        """`history`: digests of the messages handled last, oldest first."""
        self._positions: dict[bytes, list[int]] = {}
        for position, known in enumerate(history):
            self._positions.setdefault(known, []).append(position)
        self._end = len(history)
        self._next = 0

    def find(self, message: bytes) -> Handled | None:
        """What became of the next delivered message, given by its digest; None when it is new."""
        accepted, denied = self._ahead(message), self._ahead(refused(message))
        place = min(accepted, denied)
        self._next = place + 1
        if place == self._end:
            return None
        return Handled.ACCEPTED if accepted < denied else Handled.REFUSED

    def _ahead(self, known: bytes) -> int:
        places = self._positions.get(known, [])
        found = bisect_left(places, self._next)
        return places[found] if found < len(places) else self._end
