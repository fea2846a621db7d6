"""A block of lines on a terminal that is redrawn in place, with the three control sequences every terminal knows."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from typing import TextIO

__all__ = ["Screen"]

_UP, _CLEAR_LINE, _CLEAR_BELOW = "\x1b[{}A\r", "\x1b[K", "\x1b[J"


class Screen:
    """Draws on `out`, which must be a terminal. What was printed before the first drawing stays above."""

    def __init__(self, out: TextIO) -> None:
        self._out = out
        self._height = 0

    def draw(self, lines: Sequence[str]) -> None:
        """Replace the block by `lines`, cut to what the terminal can show."""
        columns, rows = shutil.get_terminal_size()
        fitting = rows - 2
        if len(lines) > fitting:
            lines = [*lines[: fitting - 1], f"… and {len(lines) - fitting + 1} more; make the window taller"]
        block = "".join(f"{line[: columns - 1]}{_CLEAR_LINE}\n" for line in lines)
        self._out.write((_UP.format(self._height) if self._height else "") + block + _CLEAR_BELOW)
        self._out.flush()
        self._height = len(lines)
