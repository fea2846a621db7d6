"""How many bytes may be under way, so that an acknowledgement is never long in coming. Sans-I/O.

Whoever sends at full speed fills every buffer on the way, and what is urgent then waits behind it. So the window
grows while acknowledgements are quick and shrinks to what the link carried when they become slow. Quick is
measured against the quickest one seen, so a link with a long way (a satellite) is not taken for a slow one.
"""

from __future__ import annotations

__all__ = ["LEAST", "MOST", "TARGET", "Window"]

LEAST = 16 * 1024
MOST = 4 * 1024 * 1024
TARGET = 0.25


class Window:
    """One direction of one connection."""

    def __init__(self, least: int = LEAST, most: int = MOST, target: float = TARGET) -> None:
        """`least` and `most` in bytes; `target`: seconds that bytes may wait on the way, over the time that the way
        itself takes."""
        self._least = least
        self._most = most
        self._target = target
        self._quickest = float("inf")
        self.size = least
        """Bytes that may be under way now."""

    def acknowledged(self, bytes_: int, took: float) -> None:
        """An acknowledgement came `took` seconds after its message was sent; `bytes_` were under way right after
        that, the message included. So the link carried `bytes_` in `took`."""
        took = max(took, 1e-6)
        self._quickest = min(self._quickest, took)
        allowed = self._target + self._quickest
        carried = int(bytes_ * allowed / took)
        if took > allowed:
            self.size = max(self._least, min(self.size, carried))
        elif bytes_ > self.size // 2:
            self.size = min(self._most, 2 * self.size, max(self.size, carried))
