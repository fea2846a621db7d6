"""The camera and its storage. Pure."""

from __future__ import annotations

__all__ = ["CAPACITY", "IMAGE", "Payload"]

CAPACITY = 65536
"""MB."""
IMAGE = 25
"""MB of one image."""
BETWEEN = 20.0
"""Seconds between two images."""
POWER = 230.0
"""W while it images."""


class Payload:
    """Takes images of the ground by daylight while it is told to and there is room."""

    def __init__(self) -> None:
        self.imaging = True
        self.images = 0
        self.used = 0
        """MB."""
        self.generation = 0
        self._since = 0.0
        """Seconds since the last image."""

    @property
    def power(self) -> float:
        """W that it takes now."""
        return POWER if self.imaging else 0.0

    def begin(self, generation: int) -> None:
        """Erase the storage, unless this generation is begun already: so the command may come twice."""
        if generation != self.generation:
            self.generation, self.used = generation, 0

    def step(self, dt: float, *, daylight: bool) -> None:
        """`daylight`: the sun is up on the ground below."""
        if not (self.imaging and daylight):
            return
        self._since += dt
        if self._since >= BETWEEN:
            self._since -= BETWEEN
            if self.used + IMAGE <= CAPACITY:
                self.images += 1
                self.used += IMAGE
