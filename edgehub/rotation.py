"""Renewing this edge's certificate in time, for as long as it runs."""

from __future__ import annotations

import asyncio
import logging
import random
import time
from collections.abc import Callable, Iterator
from itertools import chain, repeat

from edgehub.enrol import EnrolmentError
from edgehub.identity import Identity

__all__ = ["keep_renewed"]

logger = logging.getLogger("edgehub")

_DELAYS = (2.0, 4.0, 8.0, 16.0)
_LAST_DELAY = 32.0
"""Seconds between attempts, as edgecore has them, but with jitter."""
_LOOK = 3_600.0
"""Seconds between looks at the clock, which may be set meanwhile."""


async def keep_renewed(
    identity: Identity,
    renewed: Callable[[], None],
    *,
    clock: Callable[[], float] = time.time,
    delays: Callable[[], Iterator[float]] | None = None,
) -> None:
    """Renew the certificate when it is time, and try until it succeeds: after 2, 4, 8 and 16 s, then every 32 s.
    After each new certificate `renewed` is called, so that the links can be made anew: the old certificate goes on
    being good, so there need not be a gap. `clock`: Unix seconds; `delays`: other waiting times."""
    delays = delays or _delays
    waiting, said = delays(), ""
    while True:
        problem = await _step(identity, renewed, clock)
        if not problem:
            waiting, said = delays(), ""
            continue
        if problem != said:
            logger.warning("the certificate of this edge is not renewed as it should be, trying again: %s", problem)
            said = problem
        await asyncio.sleep(next(waiting))


async def _step(identity: Identity, renewed: Callable[[], None], clock: Callable[[], float]) -> str:
    """Wait a while, or renew if it is time. Returns what went wrong; empty = nothing."""
    try:
        if (left := identity.renew_at - clock()) > 0:
            await asyncio.sleep(min(left, _LOOK))
            return ""
        await asyncio.to_thread(identity.renew)
        logger.info("the certificate of this edge is renewed")
        renewed()
        # by a clock that is years ahead every new certificate is old at once; that must not become a flood
        return "the new one is due already: is this machine's clock right?" if identity.renew_at <= clock() else ""
    except EnrolmentError as error:
        return str(error)


def _delays() -> Iterator[float]:
    for delay in chain(_DELAYS, repeat(_LAST_DELAY)):
        yield delay * random.uniform(0.75, 1.25)  # noqa: S311 - spreads load, guards nothing
