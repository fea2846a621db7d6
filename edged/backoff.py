"""How long a thing that failed is left alone: as the kubelet does it, for crashes and for images. No I/O.

The first failure is mended at once; from the second on the pause is 10 s, doubled up to 300 s. What then went well
for 600 s begins anew. All times are seconds of the monotonic clock: a wall clock that jumps changes no pause.
"""

from __future__ import annotations

from typing import NamedTuple

__all__ = ["FIRST", "MOST", "RESET", "Backoff", "again", "due"]

FIRST = 10.0
MOST = 300.0
RESET = 600.0


class Backoff(NamedTuple):
    pause: float
    since: float
    """When the last attempt began."""


def again(last: Backoff | None, ended: float, now: float) -> Backoff:
    """An attempt begins now, after one that had ended."""
    if last is None or ended - last.since > RESET:
        return Backoff(FIRST, now)
    return Backoff(min(MOST, last.pause * 2), now)


def due(last: Backoff | None, ended: float) -> float:
    """From when on there may be another attempt, after one that had ended."""
    if last is None or ended - last.since > RESET:
        return ended
    return ended + last.pause
