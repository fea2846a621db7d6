"""What a YAML scalar means: text, number, true/false or nothing.

YAML 1.2's core schema, so `on`, `1:30` and `2024-01-01` are text; numbers with leading zeros are text as well,
because half of the world reads them as octal. Numbers that JSON could not carry are faults.
"""

from __future__ import annotations

import math
import re

__all__ = ["Scalar", "resolve"]

Scalar = str | int | float | bool | None

_INTEGER = re.compile(r"[-+]?(?:0|[1-9][0-9]*)|0o[0-7]+|0x[0-9a-fA-F]+")
_FLOAT = re.compile(r"[-+]?(?:\.[0-9]+|(?:0|[1-9][0-9]*)(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?")
_NOT_FINITE = re.compile(r"[-+]?\.(?:inf|Inf|INF)|\.(?:nan|NaN|NAN)")
_LONGEST_INTEGER = 100
_WORDS: dict[str, bool | None] = {
    **dict.fromkeys(("", "~", "null", "Null", "NULL")),
    **dict.fromkeys(("true", "True", "TRUE"), True),
    **dict.fromkeys(("false", "False", "FALSE"), False),
}


def resolve(text: str) -> Scalar:
    """The meaning of a plain (unquoted) scalar; ValueError, with the reason, for a number JSON cannot carry."""
    if text in _WORDS:
        return _WORDS[text]
    if text[0] not in "+-.0123456789":
        return text
    if _INTEGER.fullmatch(text):
        return _integer(text)
    if _FLOAT.fullmatch(text):
        return _finite(float(text), text)
    if _NOT_FINITE.fullmatch(text):
        return _finite(math.inf, text)
    return text


def _integer(text: str) -> int:
    if len(text) <= _LONGEST_INTEGER:
        number = int(text, 0)
        if -(2**63) <= number < 2**64:
            return number
    raise ValueError("the number does not fit into 64 bits")


def _finite(number: float, text: str) -> float:
    if math.isfinite(number):
        return number
    raise ValueError(f"{text} is not a finite number")
