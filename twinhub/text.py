"""How twins look as text: aligned columns, ages, and one line per change. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from unicodedata import combining, east_asian_width

__all__ = ["age", "columns", "plural", "printable", "width"]


def columns(header: Sequence[str], rows: Sequence[Sequence[str]], right: Sequence[str] = ()) -> list[str]:
    """Lines of a table, the header first; the columns named in `right` are aligned to the right."""
    table = [list(header), *([printable(cell) for cell in row] for row in rows)]
    widths = [max(width(row[i]) for row in table) for i in range(len(header))]
    return [
        "  ".join(_pad(cell, widths[i], to_right=header[i] in right) for i, cell in enumerate(row)).rstrip()
        for row in table
    ]


def age(seconds: float) -> str:
    """How long ago, in the largest fitting unit: `0.4 s`, `12 s`, `5 min`, `3 h`, `2 d`."""
    seconds = max(0.0, seconds)
    if seconds < 10:
        return f"{seconds:.1f} s"
    for limit, divisor, unit in ((120, 1, "s"), (7200, 60, "min"), (172800, 3600, "h")):
        if seconds < limit:
            return f"{seconds / divisor:.0f} {unit}"
    return f"{seconds / 86400:.0f} d"


def plural(count: int, thing: str) -> str:
    """`1 device`, `2 devices`, `0 properties`."""
    many = f"{thing[:-1]}ies" if thing.endswith("y") else f"{thing}s"
    return f"{count} {thing if count == 1 else many}"


def printable(text: str, longest: int = 60) -> str:
    """Text from a device as one line that cannot command the terminal: no control characters, not too long."""
    clean = "".join(c if c.isprintable() else "·" for c in text)
    return clean if len(clean) <= longest else clean[: longest - 1] + "…"


def width(text: str) -> int:
    """Cells the text takes on a terminal."""
    return sum(0 if combining(c) else 2 if east_asian_width(c) in "WF" else 1 for c in text)


def _pad(cell: str, size: int, *, to_right: bool) -> str:
    space = " " * (size - width(cell))
    return space + cell if to_right else cell + space
