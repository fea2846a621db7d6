"""Whether a changed reading is worth a report."""

from __future__ import annotations

import math
from typing import Any

from device_models.model import Deadband, Property

__all__ = ["is_worth_reporting"]


def is_worth_reporting(prop: Property, last: Any, value: Any, silence: float) -> bool:
    """Decide for one reading, by the property's deadband.

    `last` is the value last reported, None when there is none yet; `silence` the seconds since then. Without
    a deadband every reading is worth a report. What is not a number (text, booleans, NaN) has no distance:
    there every change counts.
    """
    deadband = prop.deadband
    if deadband is None or last is None:
        return True
    if deadband.longest_silence is not None and silence >= deadband.longest_silence:
        return True
    if not (_is_number(last) and _is_number(value)):
        return not _same(last, value)
    return _exceeds(deadband, prop, last, value)


def _exceeds(deadband: Deadband, prop: Property, last: float, value: float) -> bool:
    if last == value:
        return False
    distance = abs(value - last)
    if math.isinf(distance) or (deadband.absolute is None and deadband.percent is None):
        return True
    if deadband.absolute is not None and distance > deadband.absolute:
        return True
    return deadband.percent is not None and distance > deadband.percent / 100 * _span(prop, last)


def _span(prop: Property, last: float) -> float:
    if prop.minimum is None or prop.maximum is None:
        return abs(last)
    return prop.maximum - prop.minimum


def _is_number(value: Any) -> bool:
    # Only NaN differs from itself.
    return isinstance(value, int | float) and not isinstance(value, bool) and value == value


def _same(last: Any, value: Any) -> bool:
    return type(last) is type(value) and (last == value or (last != last and value != value))
