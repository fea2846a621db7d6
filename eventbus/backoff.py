"""How long to wait before the next attempt."""

from __future__ import annotations

import random
from collections.abc import Iterator


def full_jitter(first: float, cap: float) -> Iterator[float]:
    """Endless waiting times in seconds: each uniform between 0 and a limit that starts at `first` and doubles up
    to `cap`. The whole range is random, so that many clients of one broker do not come back in step."""
    limit = first
    while True:
        yield random.uniform(0, limit)  # noqa: S311 - spreads load, guards nothing
        limit = min(cap, limit * 2)
