"""Raw value ⇄ engineering value, in the fixed order of `Conversion`."""

from __future__ import annotations

import math

from device_models.model import Conversion

__all__ = ["apply", "invert"]


def apply(conversion: Conversion, raw: float) -> int | float:
    """The engineering value of a raw one. ValueError, with the reason, when a step is impossible.

    Integers stay exact integers as long as every step is one.
    """
    value: int | float = raw
    if conversion.mask is not None:
        value = _integer(value, "a mask") & conversion.mask
    if conversion.shift:
        value = _shifted_right(_integer(value, "a shift"), conversion.shift)
    if conversion.base is not None:
        value = _power(conversion.base, value)
    if conversion.scale is not None:
        value = value * conversion.scale
    if conversion.offset is not None:
        value = value + conversion.offset
    return _finite(value, raw)


def invert(conversion: Conversion, value: float) -> int | float:
    """The raw value to write for an engineering one; ValueError, with the reason, when there is none.

    With a mask or a shift the raw value is an integer, rounded to the nearest; otherwise the protocol rounds
    to what its register holds.
    """
    raw: int | float = value
    if conversion.offset is not None:
        raw = raw - conversion.offset
    if conversion.scale is not None:
        raw = _divided(raw, conversion.scale)
    if conversion.base is not None:
        raw = _logarithm(conversion.base, raw)
    raw = _finite(raw, value)
    if conversion.mask is None and not conversion.shift:
        return raw
    return _into_field(conversion, raw, value)


def _into_field(conversion: Conversion, raw: float, value: float) -> int:
    if not math.isfinite(raw):
        raise ValueError(f"{value} cannot be written into bits")
    bits = _shifted_right(round(raw), -(conversion.shift or 0))
    if conversion.mask is not None and bits & ~conversion.mask:
        raise ValueError(f"{value} does not fit under the mask {conversion.mask:#x}: it would be {bits:#x}")
    return bits


def _integer(value: float, step: str) -> int:
    if isinstance(value, int):
        return value
    raise ValueError(f"{step} needs an integer, and the raw value is {value}")


def _shifted_right(value: int, count: int) -> int:
    return value >> count if count >= 0 else value << -count


def _power(base: float, exponent: float) -> float:
    if base <= 0:
        raise ValueError(f"{base} cannot be a base: it must be above 0")
    try:
        return float(base**exponent)
    except OverflowError as error:
        raise ValueError(f"{base} to the power of {exponent} is too large") from error


def _logarithm(base: float, value: float) -> float:
    if base <= 0 or base == 1:
        raise ValueError(f"{base} cannot be undone as a base: it must be above 0 and not 1")
    if not value > 0:
        raise ValueError(f"{value} is no power of {base}: only numbers above 0 are")
    return math.log2(value) if base == 2 else math.log10(value) if base == 10 else math.log(value, base)


def _divided(value: float, scale: float) -> int | float:
    if scale == 0:
        raise ValueError("a scale of 0 cannot be undone")
    if isinstance(value, int) and isinstance(scale, int) and value % scale == 0:
        return value // scale
    try:
        return value / scale
    except OverflowError as error:
        raise ValueError(f"{value} is too large to be divided by {scale}") from error


def _finite(value: float, source: float) -> int | float:
    """The value, unless it became infinite on the way from a finite source."""
    if math.isinf(value) and not math.isinf(source):
        raise ValueError(f"{source} becomes too large")
    return value
