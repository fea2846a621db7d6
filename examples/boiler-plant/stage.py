"""Where a demo shows what it has: a terminal, or anything else that is written to."""

from __future__ import annotations

import sys
import time
from collections import deque
from collections.abc import Sequence

from twinhub.screen import Screen


class Terminal:
    """The table, redrawn in place, and below it what was said."""

    def __init__(self) -> None:
        self._screen = Screen(sys.stdout)
        self._said = deque[str](maxlen=10)

    def say(self, text: str) -> None:
        self._said.append(f"{time.strftime('%H:%M:%S')}  {text}")

    def show(self, table: Sequence[str], _lines: Sequence[str]) -> None:
        """`table`: what there is; `lines`: the same as one line for each thing, without what changes all the time."""
        self._screen.draw([*table, "", *self._said])


class Paper:
    """One line per change."""

    def __init__(self) -> None:
        self._shown = set[str]()

    def say(self, text: str) -> None:
        print(f"{time.strftime('%H:%M:%S')}  {text}", flush=True)

    def show(self, _table: Sequence[str], lines: Sequence[str]) -> None:
        """As a terminal's."""
        now = set(lines)
        for text in sorted(now - self._shown):
            self.say(text)
        self._shown = now


def stage() -> Terminal | Paper:
    """What fits the standard output."""
    return Terminal() if sys.stdout.isatty() else Paper()
