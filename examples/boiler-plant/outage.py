"""The script of the demo: a wish from the cloud, then a cable that is cut for a while, then the comparison."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator

from both_ends import BothEnds, Place, Recorded, seconds

PLACE: Place = ("default/boiler", "set-point")
FIRST_WISH, SECOND_WISH = "72.5", "75"
LEAD = 9.0  # s between the first wish and the cut
SECOND_WISH_AFTER = 3.0  # s into the cut


def outage(
    ends: BothEnds, cable: Callable[[str], None], say: Callable[[str], None], cut_after: float, cut_for: float
) -> Iterator[None]:
    """Goes on with each `next`, as the clock allows. `cable` takes an order, `say` tells the audience; times in
    seconds, `cut_after` from now."""
    start = time.monotonic()
    while ends.reported(PLACE)[1] is None:  # the edge has just joined
        yield
    yield from _until(start + max(0.0, cut_after - LEAD))
    yield from _wish(ends, say)
    yield from _until(start + cut_after)
    ends.record()
    cable("cut")
    say(f"the cable between edge and cloud is cut for {cut_for:.0f} s; both ends go on")
    cut = time.monotonic()
    yield from _until(cut + min(SECOND_WISH_AFTER, cut_for / 2))
    ends.wish(PLACE, SECOND_WISH)
    say(f"meanwhile somebody at the cloud desires {SECOND_WISH} °C of the boiler: that waits there")
    yield from _until(cut + cut_for)
    recorded = ends.recorded()
    cable("restore")
    whole = time.monotonic()
    say("the cable is whole again")
    while not (met(ends, SECOND_WISH) and ends.agree()):
        yield
    say(f"both ends agree, {seconds(whole)} later; the PLC keeps {SECOND_WISH} °C")
    say(compared(ends, recorded))


def _wish(ends: BothEnds, say: Callable[[str], None]) -> Iterator[None]:
    wished = time.monotonic()
    ends.wish(PLACE, FIRST_WISH)
    say(f"somebody at the cloud desires {FIRST_WISH} °C of the boiler, which is at the far end of the cable")
    while not met(ends, FIRST_WISH):
        yield
    say(f"the PLC's register has it, and the cloud knows, {seconds(wished)} later")


def met(ends: BothEnds, value: str) -> bool:
    """Whether both ends show that the PLC has the value."""
    return all(shown is not None and float(shown) == float(value) for shown in ends.reported(PLACE))


def compared(ends: BothEnds, recorded: dict[Place, list[Recorded]]) -> str:
    """What the edge recorded while it was away, against the cloud's history of that time."""
    there = {place: ends.history(place, made[0].time, made[-1].time) for place, made in recorded.items()}
    made, arrived = (sum(map(len, side.values())) for side in (recorded, there))
    order = "in order" if there == recorded else "NOT THE SAME"
    return f"while it was away the edge recorded {made} changes; {arrived} arrived in the cloud, {order}"


def _until(moment: float) -> Iterator[None]:
    while time.monotonic() < moment:
        yield
