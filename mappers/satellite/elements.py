"""Two-line elements as they are passed around: with a name above them or without. And one set to fly by."""

from __future__ import annotations

from pathlib import Path

__all__ = ["CBERS_2", "of_file", "of_text"]

MOST_READ = 10_000
"""Characters of a file that are looked at."""
CBERS_2 = (
    "1 28057U 03049A   06177.78615833  .00000060  00000-0  35940-4 0  1836",
    "2 28057  98.4283 247.6961 0000884  88.1964 271.9322 14.35478080140550",
)
"""CBERS-2, a Chinese-Brazilian satellite that took images of the earth from a sun-synchronous orbit of 775 km; as of
2006-06-26. From the verification set of SGP4 (Vallado et al., Revisiting Spacetrack Report #3, AIAA 2006-6753)."""


def of_text(text: str) -> tuple[str, str]:
    """The last two lines that are not empty. ValueError when there are none."""
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    if len(lines) < 2:
        raise ValueError("elements are two lines, which begin with 1 and 2")
    return lines[-2], lines[-1]


def of_file(file: Path) -> tuple[str, str]:
    """The same from a file. OSError when it cannot be read."""
    with file.open(encoding="utf-8", errors="replace") as opened:
        return of_text(opened.read(MOST_READ))
