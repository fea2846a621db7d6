"""The wishes of one device: which are open, when to try next, when to leave one open for good. No I/O.

A wish is written, read back and met, or it is tried again with backoff while it stands. What the hardware rounds or
clamps is left open after a few writes: the twin shows the difference, and the device is not hammered.
"""

from __future__ import annotations

import logging
import math
import random
from collections.abc import Mapping

from device_models.limits import refusal
from device_models.values import parse
from mappers.channel import Channel
from mappers.mapper import Value

log = logging.getLogger("mappers")

MOST_WRITES = 3
"""Times a value that the device does not keep is written."""
FIRST_PAUSE = 1.0
LONGEST_PAUSE = 60.0
"""Seconds between two attempts, with full jitter."""
CALM = 60.0
"""Seconds for which a wish must have been met before a new deviation counts as a fresh one."""


class Wish:
    """One desired value of one property."""

    __slots__ = ("channel", "due", "failed", "met_at", "raw", "text", "tries", "writes")

    def __init__(self, channel: Channel, text: str, raw: Value | None, due: float) -> None:
        self.channel = channel
        self.text = text
        self.raw = raw
        """What to write; None when it cannot be written."""
        self.due = due
        """When to try (again); infinity when there is nothing to do."""
        self.writes = 0
        """Writes the device accepted without showing the value afterwards."""
        self.tries = 0
        self.failed = False
        """A failure was logged."""
        self.met_at: float | None = None

    def postpone(self, now: float, at_least: float = 0.0) -> None:
        """Try again after a pause that grows."""
        longest = min(LONGEST_PAUSE, FIRST_PAUSE * 2 ** min(self.tries, 10))
        self.tries += 1
        self.due = max(now + random.uniform(longest / 4, longest), at_least)  # noqa: S311 - jitter

    def give_up(self) -> None:
        """Leave it open; only another value, or the device itself, changes that."""
        self.due = math.inf


class Wishes:
    """`hear` what is open, work on `next`, then tell `met`, `not_kept` or `failed`."""

    def __init__(self, device_id: str, channels: Mapping[str, Channel]) -> None:
        self._device_id = device_id
        self._channels = channels
        self._wishes: dict[str, Wish] = {}

    def hear(self, open_wishes: Mapping[str, str], now: float) -> None:
        """All wishes that are open now, as the hub sees it, which may be behind what was just written."""
        for name in [n for n, wish in self._wishes.items() if n not in open_wishes and wish.met_at is None]:
            del self._wishes[name]
        for name, text in open_wishes.items():
            channel = self._channels.get(name)
            if channel is not None and not channel.shows(text):
                self._open(channel, text, now)

    def next(self, now: float) -> Wish | None:
        """One to work on now."""
        return next((wish for wish in self._wishes.values() if wish.due <= now), None)

    def next_due(self) -> float:
        """When to look again; infinity when nothing is to do."""
        return min((wish.due for wish in self._wishes.values()), default=math.inf)

    def met(self, wish: Wish, now: float) -> None:
        """The device shows it."""
        if wish.failed or wish.writes > 1:
            log.info("%s: %s is %s now, as wished", self._device_id, wish.channel.name, wish.text)
        wish.met_at, wish.due, wish.writes, wish.failed = now, math.inf, 0, False

    def not_kept(self, wish: Wish, now: float, patience: float = 0.0) -> None:
        """It was written, and the device shows something else. `patience`: seconds that it may take to show it."""
        wish.writes += 1
        if wish.writes < MOST_WRITES:
            wish.postpone(now, now + patience)
            return
        wish.give_up()
        log.warning(
            "%s: %s was set to %s, the device keeps %s; the wish is left open",
            self._device_id,
            wish.channel.name,
            wish.text,
            wish.channel.text,
        )

    def failed(self, wish: Wish, reason: str, now: float, at_least: float = 0.0) -> None:
        """It could not be written, or not be read back; later perhaps, not before `at_least`."""
        wish.postpone(now, at_least)
        if not wish.failed:
            wish.failed = True
            log.warning(
                "%s: %s cannot be set to %s: %s; trying on", self._device_id, wish.channel.name, wish.text, reason
            )

    def impossible(self, wish: Wish, reason: str) -> None:
        """It can never be written."""
        wish.give_up()
        log.warning("%s: %s cannot be set to %s: %s", self._device_id, wish.channel.name, wish.text, reason)

    def _open(self, channel: Channel, text: str, now: float) -> None:
        known = self._wishes.get(channel.name)
        if known is None or known.text != text:
            self._wishes[channel.name] = self._wish(channel, text, now)
        elif known.met_at is not None:  # it was met, and the device has moved away from it
            if now - known.met_at > CALM:
                known.tries = 0
            known.met_at = None
            known.postpone(now)

    def _wish(self, channel: Channel, text: str, now: float) -> Wish:
        wish = Wish(channel, text, None, math.inf)
        prop = channel.point.property
        reason = refusal(prop, text)
        if reason is not None:
            self.impossible(wish, reason)
            return wish
        try:
            value = parse(prop.type, text)
            wish.raw = channel.raw_of(value)
        except ValueError as error:
            self.impossible(wish, str(error))
            return wish
        channel.wish(value, text)
        wish.due = now
        return wish
