"""Kubernetes quantities, exactly: `500m`, `64Mi`, `1e3`, 0.5.

The form is that of apimachinery's `resource.Quantity`: a decimal number and a suffix, which is a power of 1000
(n u m, none, k M G T P E), a power of 1024 (Ki Mi Gi Ti Pi Ei) or a decimal exponent (e3, E3).
"""

from __future__ import annotations

import re
from fractions import Fraction
from math import ceil

__all__ = ["amount", "millicores", "whole_bytes"]

_FORM = re.compile(r"([+-]?(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+))([numkMGTPE]|[KMGTPE]i|[eE][+-]?[0-9]{1,2})?", re.ASCII)
_LONGEST = 40
_POWERS = {
    **{suffix: Fraction(1000) ** power for power, suffix in enumerate(("n", "u", "m", "", "k", *"MGTPE"), start=-3)},
    **{f"{letter}i": Fraction(1024) ** power for power, letter in enumerate("KMGTPE", start=1)},
}
_MOST = 2**63 - 1


def amount(quantity: str | float) -> Fraction:
    """What a quantity is worth; ValueError, with the reason, where it is none, negative, or beyond 64 bits."""
    text = quantity if isinstance(quantity, str) else repr(quantity)
    match = _FORM.fullmatch(text) if len(text) <= _LONGEST else None
    if match is None:
        raise ValueError(f"'{text[:_LONGEST]}' is no quantity; write one such as 500m, 2 or 64Mi")
    number, suffix = match[1], match[2] or ""
    factor = _POWERS[suffix] if suffix in _POWERS else Fraction(10) ** int(suffix[1:])
    worth = Fraction(number.rstrip(".")) * factor
    if not 0 <= worth <= _MOST:
        raise ValueError(f"{text} is {'less than nothing' if worth < 0 else 'more than 64 bits hold'}")
    return worth


def millicores(quantity: str | float) -> int:
    """Thousandths of a processor's core, rounded up as Kubernetes does."""
    return ceil(amount(quantity) * 1000)


def whole_bytes(quantity: str | float) -> int:
    """Bytes, rounded up as Kubernetes does."""
    return ceil(amount(quantity))
