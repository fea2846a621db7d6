"""How fast a backlog may leave: so many a second, with a little in one go (token bucket). Sans-I/O."""

from __future__ import annotations

__all__ = ["Pace"]


class Pace:
    """Counts what goes out; whoever asks first and spends then never exceeds the rate by more than the burst."""

    def __init__(self, rate: float, burst: float) -> None:
        """`rate` a second; `burst`: how many may go at once after a rest, at least 1."""
        self._rate = rate
        self._burst = max(1.0, burst)
        self._saved = self._burst
        self._counted = float("-inf")

    def ready(self, now: float) -> int:
        """How many may go now."""
        if now > self._counted:
            earned = self._rate * (now - self._counted)
            self._saved = min(self._burst, self._saved + earned)
            self._counted = now
        return max(0, int(self._saved))

    def spend(self, count: int, now: float) -> None:
        """So many went. More than were ready is a debt, which delays the next."""
        self.ready(now)
        self._saved -= count

    def delay(self, now: float) -> float:
        """Seconds until the next may go; 0 = at once."""
        if self.ready(now):
            return 0.0
        return (1.0 - self._saved) / self._rate
