"""Recognises what a resumed session delivers a second time. Pure.

A broker that comes back from an older state of its files, or a hub that was killed between its commit and its
PUBACK, gets messages again that were handled before, in their old order, followed by messages that are new.
Applying the old ones again would put older values over newer ones, so the history of handled messages (kept by
the journal in the same transaction as what they changed) is walked along while the old ones come in. The first
message that is not ahead in the history ends the walk: from there on everything is new.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Sequence
from hashlib import blake2b

DIGEST_BYTES = 8


def digest(device_id: str, payload: bytes) -> bytes:
    """What a message is recognised by."""
    return blake2b(device_id.encode() + b"\0" + payload, digest_size=DIGEST_BYTES).digest()


class Replay:
    """One walk, from a reconnect on."""

    def __init__(self, history: Sequence[bytes]) -> None:
        """`history`: digests of the messages handled last, oldest first."""
        self._positions: dict[bytes, list[int]] = {}
        for position, known in enumerate(history):
            self._positions.setdefault(known, []).append(position)
        self._next = 0
        self.over = not history

    def is_repeat(self, message: bytes) -> bool:
        """Whether the next delivered message, given by its digest, was handled before."""
        if self.over:
            return False
        places = self._positions.get(message, [])
        found = bisect_left(places, self._next)
        if found == len(places):
            self.over = True
            return False
        self._next = places[found] + 1
        return True
