"""Answers that may still come. Instruments do not number their answers: one that comes after its request was given
up looks like the answer to the next. No I/O.

The rule: after a silence a device is asked nothing but the same again, or what by its `match` cannot be taken for
something else, until the late answer has come or is too late to be believed in. The same answer, late, is no harm:
it is what the instrument says now.
"""

from __future__ import annotations

from mappers.mapper import NoAnswer

LATEST = 10
"""Times the time-out; an answer that takes longer than this will not come any more."""
_Key = tuple[str, bytes]


class LateAnswers:
    """Who owes an answer to what. Times are monotonic seconds."""

    def __init__(self) -> None:
        self._owed: dict[_Key, float] = {}
        """Until when, by device and request."""

    def owe(self, device_id: str, request: bytes, now: float, timeout: float) -> None:
        """The request was given up."""
        self._owed = {key: until for key, until in self._owed.items() if until > now}
        self._owed[device_id, request] = now + LATEST * timeout

    def owes(self, device_id: str, now: float) -> bool:
        """Whether an answer of the device may still come."""
        return any(debtor == device_id and until > now for (debtor, _), until in self._owed.items())

    def check(self, device_id: str, request: bytes, now: float) -> None:
        """NoAnswer when a late answer of the device could be taken for the one to this request."""
        for (debtor, asked), until in self._owed.items():
            if debtor == device_id and asked != request and until > now:
                raise NoAnswer("an earlier answer is late and could be taken for this one; `match` tells them apart")

    def settle(self) -> None:
        """Nothing can come any more: the connection is a new one."""
        self._owed.clear()
