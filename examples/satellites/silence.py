"""The script of the demo, for one satellite: it falls silent, goes on alone, is wished for something meanwhile, and
tells everything when it is heard again."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator

import next_door  # noqa: F401
from both_ends import Place, Recorded, seconds
from outage import compared
from sky import WISH, Sky, hours

WISH_AFTER = 2.0  # s into the silence
LOOK = 0.5  # s between two comparisons


def silence(sky: Sky, say: Callable[[str], None], least: float, wish: str) -> Iterator[bool]:
    """Goes on with each `next`, as the satellite does; yields False, and True once all is told. The first silence
    that lasts `least` seconds of on-board time is shown; `wish` is for its heater."""
    name, ends = sky.satellite.name, sky.ends
    while not (sky.heard_by and ends.reported(sky.place("battery"))[1]):
        yield False
    while sky.heard_by or sky.silence < least:
        yield False
    ends.record()
    say(f"{name} is out of contact; it is heard again in {hours(sky.silence)}. It goes on alone")
    began, fell_silent = time.monotonic(), sky.time
    while time.monotonic() < began + WISH_AFTER and not sky.heard_by:
        yield False
    ends.wish(sky.place(WISH), wish)
    say(f"meanwhile the ground desires {wish} °C for the heater of {name}: that waits in the cloud")
    while not sky.heard_by:
        yield False
    recorded, rose = ends.recorded(), time.monotonic()
    say(f"{sky.heard_by} hears {name} again, after {hours(sky.time - fell_silent)}")
    yield from _until_both_agree(sky, recorded, wish)
    say(f"both ends agree on {name}, {seconds(rose)} later; its heater keeps {wish} °C")
    say(f"{name}: {compared(ends, recorded)}")
    while True:
        yield True


def _until_both_agree(sky: Sky, recorded: dict[Place, list[Recorded]], wish: str) -> Iterator[bool]:
    """A contact that is too short is followed by another."""
    look_at = 0.0
    while True:
        yield False
        if time.monotonic() < look_at:
            continue
        look_at = time.monotonic() + LOOK
        if all(shown is not None and float(shown) == float(wish) for shown in sky.ends.reported(sky.place(WISH))):
            there = {place: sky.ends.history(place, made[0].time, made[-1].time) for place, made in recorded.items()}
            if there == recorded:
                return
