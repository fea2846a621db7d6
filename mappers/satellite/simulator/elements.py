"""The orbit that is flown unless another is given."""

from __future__ import annotations

__all__ = ["CBERS_2"]

CBERS_2 = (
    "1 28057U 03049A   06177.78615833  .00000060  00000-0  35940-4 0  1836",
    "2 28057  98.4283 247.6961 0000884  88.1964 271.9322 14.35478080140550",
)
"""CBERS-2, a Chinese-Brazilian satellite that took images of the earth from a sun-synchronous orbit of 775 km; as of
2006-06-26. From the verification set of SGP4 (Vallado et al., Revisiting Spacetrack Report #3, AIAA 2006-6753)."""
